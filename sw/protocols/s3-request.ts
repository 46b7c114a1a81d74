// One request to S3: signed by the app's backend, sent, and read as S3's XML. Knows what a refusal means, not what an
// upload is. Keeps one signature at most, for what comes next.

import {
  type Answer,
  type Io,
  ProtocolFailure,
  type RequestOptions,
  type UploadSource,
  type Verdict,
} from './adapter.js';
import { readText } from './http.js';
import { refusal } from './refusals.js';
import { childText, parseXml, type XmlElement } from './s3-xml.js';

/** What is to be signed: plain JSON, which may go to the app's backend as it is. */
export type S3Operation = { readonly upload: UploadSource } & S3Step;

export type S3Step =
  | { readonly type: 'put' | 'head' }
  /** `partBytes`: of each part but the last. */
  | { readonly type: 'create'; readonly partBytes: number }
  /** `partNumber` begins with 1. `sizeBytes` may be signed as Content-Length: then S3 takes no other body. */
  | { readonly type: 'part'; readonly uploadId: string; readonly partNumber: number; readonly sizeBytes: number }
  /** `marker`: the part number after which the page begins. */
  | { readonly type: 'list'; readonly uploadId: string; readonly marker?: number }
  | { readonly type: 'complete'; readonly uploadId: string }
  /** Without an upload id it deletes the object, which may have been finished in the moment of the cancel. */
  | { readonly type: 'abort'; readonly uploadId?: string };

/** One request, ready to be sent. */
export interface S3SignedRequest {
  readonly url: string;
  /** Headers that were signed and so have to be sent, such as the Content-Type of `put` and `create`. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Instead, for `create`: the backend has made the upload by itself, being nearer to the bucket than a device is. */
export interface S3Created {
  readonly uploadId: string;
  /** Part 1, signed along. */
  readonly first?: S3SignedRequest;
}

export type S3Sign = (operation: S3Operation) => Promise<Response | S3SignedRequest | S3Created>;

/** An answer of S3. */
export interface S3Answer extends Answer {
  readonly xml: XmlElement | undefined;
  /** The upload id is not known (any more). */
  readonly gone: boolean;
  /** What this answer stands for where it is not the one that was hoped for. */
  failure(): ProtocolFailure;
}

/** POST otherwise. */
const methods: Partial<Record<S3Step['type'], string>> = {
  put: 'PUT',
  head: 'HEAD',
  part: 'PUT',
  list: 'GET',
  abort: 'DELETE',
};

/** A guess: a signature is a matter of milliseconds, waking a backend up one of seconds. */
const SIGN_LIMIT_MS = 30_000;
/** What was signed ahead and had to wait longer is signed anew: signatures may live for a minute only. A guess. */
const FRESH_MS = 30_000;

// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
const verdicts = new Map<string | number | undefined, Verdict>([
  ['InternalError', 'busy'],
  ['InvalidPart', 'resync'],
  ['InvalidPartOrder', 'resync'],
  ['NoSuchUpload', 'resync'],
  ['NoSuchKey', 'resync'],
  // The connection stood still, the body was cut or damaged, the signer's credentials are over: the next try is signed anew.
  ['RequestTimeout', 'unreachable'],
  ['IncompleteBody', 'unreachable'],
  ['BadDigest', 'unreachable'],
  ['ExpiredToken', 'unreachable'],
  // The signature came too late, or the backend's own rights do not suffice: no sign-in of the user's helps.
  [403, 'unreachable'],
  // NoSuchBucket.
  [404, 'fatal'],
]);

/** What the backend has said, not looked at yet. */
type Given = Partial<S3SignedRequest & S3Created>;
type MaybeGiven = Given | undefined | Promise<Given | undefined>;

export interface S3Also extends Omit<RequestOptions, 'method'> {
  /** What comes next: signed while this one is on its way. */
  readonly next?: S3Step | undefined;
}

/** What asks for one adapter. */
export function s3Requests(sign: S3Sign) {
  let ahead: { readonly key: string; readonly untilMs: number; readonly given: MaybeGiven } | undefined;

  /** For what comes next, and for that alone: whatever else is asked for lets it go. */
  function keep({ id }: UploadSource, step: S3Step, io: Io, given: MaybeGiven): void {
    ahead = { key: JSON.stringify([id, step]), untilMs: io.nowMs() + FRESH_MS, given };
  }

  /** Each signature is used once: what is tried again is signed again. */
  async function signed(source: UploadSource, step: S3Step, io: Io, next?: S3Step): Promise<Given> {
    const { id, endpoint, name, type, sizeBytes, lastModifiedMs, metadata } = source;
    // Named one by one: what is handed in may carry more, and this leaves the device.
    const upload = { id, endpoint, name, type, sizeBytes, lastModifiedMs, metadata };
    const early = ahead?.key === JSON.stringify([id, step]) && ahead.untilMs > io.nowMs() ? ahead.given : undefined;
    ahead = undefined;
    // Even null is something that a backend may say.
    const given = (await early) ?? (await signatureOf(sign, { upload, ...step }, io)) ?? {};
    if (next) {
      // A failure of this one is nothing yet: then it is asked for in its time.
      const asking = signatureOf(sign, { upload, ...next }, io).catch(() => undefined);
      keep(source, next, io, asking);
    }
    return given;
  }

  /** Signs, unless that is `given`, and sends. */
  async function ask(
    source: UploadSource,
    step: S3Step,
    io: Io,
    { next, ...also }: S3Also = {},
    given: Given | Promise<Given> = signed(source, step, io, next),
  ): Promise<S3Answer> {
    const { url, headers = {} } = await given;
    if (typeof url !== 'string') throw unexpected('sign()');
    // The query opens the bucket: it does not belong in records and messages.
    const place = url.replace(/\?.*/s, '');
    try {
      const answer = await io.request(url, { method: methods[step.type] ?? 'POST', headers, ...also });
      const xml = parseXml(answer.text);
      const error = xml?.name === 'Error' ? xml : undefined;
      const code = childText(error, 'Code');
      const failure = () => {
        if (answer.ok && code === undefined) return unexpected(place, answer.status);
        const text = error ? `${code}: ${childText(error, 'Message')}` : answer.text;
        const verdict = verdicts.get(code) ?? verdicts.get(answer.status);
        return refusal(place, { ...answer, text }, io.nowMs(), verdict && { [answer.status]: verdict });
      };
      // Ceph has two names for it.
      const gone = code === 'NoSuchUpload' || code === 'NoSuchKey';
      return { ...answer, xml, gone, failure };
    } catch (cause) {
      // What is signed already may be meant for the same dead gateway.
      ahead = undefined;
      if (!(cause instanceof ProtocolFailure)) throw cause;
      throw new ProtocolFailure(cause.verdict, cause.code, cause.message.replace(url, place), cause);
    }
  }

  return { signed, ask, keep };
}

/** Whatever goes wrong here is waited for: a signature is never a question of this file, unless the backend says so. */
async function signatureOf(sign: S3Sign, operation: S3Operation, io: Io): Promise<Given> {
  const asking = async () => {
    const given = await sign(operation);
    return given instanceof Response ? opened(given, io) : given;
  };
  const over = new AbortController();
  const late = async () => {
    await io.sleep(SIGN_LIMIT_MS, over.signal);
    throw new ProtocolFailure('unreachable', 'timeout', `sign(): no answer in ${SIGN_LIMIT_MS / 1000} s.`);
  };
  try {
    return await Promise.race([asking(), late()]);
  } catch (cause) {
    if (cause instanceof ProtocolFailure) throw cause;
    throw new ProtocolFailure('unreachable', 'network', `sign() failed: ${cause}`, { cause });
  } finally {
    over.abort();
  }
}

/** The backend's own answer, passed through. */
async function opened(response: Response, io: Io): Promise<Given> {
  const { url, status, ok, headers } = response;
  const answer: Answer = { url, status, ok, text: await readText(response), header: (name) => headers.get(name) };
  const place = response.url || 'sign()';
  // It has no state of this file to disagree about.
  if (!ok) throw refusal(place, answer, io.nowMs(), { 404: 'fatal', 409: 'fatal', 410: 'fatal', 412: 'fatal' });
  try {
    return JSON.parse(answer.text);
  } catch {
    throw unexpected(place, status);
  }
}

function unexpected(place: string, httpStatus?: number): ProtocolFailure {
  const message = `${place} answered something else than S3's protocol has`;
  return new ProtocolFailure('unreachable', 'unexpected-answer', message, { httpStatus });
}
