// "Resumable Uploads for HTTP", the IETF's successor of tus, from its interop version 6 (draft -05) to -15:
// https://datatracker.ietf.org/doc/draft-ietf-httpbis-resumable-upload/
// Creation is careful: an empty body first, since a worker's fetch never sees the 104 that would tell the URL of a
// request that was cut. Not used: OPTIONS (a preflight to most servers), digests, redirects.

import {
  type Adapter,
  type AdapterState,
  type Answer,
  type Io,
  type Limits,
  ProtocolFailure,
  type Range,
  type Reply,
  type UploadSource,
  type Verdict,
} from './adapter.js';
import { encodeHeader } from './http.js';
import { isHtml, refusal } from './refusals.js';
import { booleanItem, dictionary } from './structured-fields.js';
import {
  grown,
  LOCK_PATIENCE_MS,
  locationIn,
  nowhere,
  offsetIn,
  offsetOf,
  remove,
  type UploadResourceOptions,
  urlIn,
  webPage,
} from './upload-resource.js';

export interface ResumableUploadOptions extends UploadResourceOptions {
  /**
   * The resource that a plain upload would be posted to; its answer to the last byte is the upload's. Relative to the
   * worker, or absolute. The upload's metadata is the app's to send, by `headers`.
   */
  readonly endpoint: string;
  /**
   * `Upload-Draft-Interop-Version`: 9 (default) for draft -12 to -15, 8 for -09 to -11, 7 for -06 to -08, 6 for -04 and
   * -05 (tusd). `'none'` once the draft is an RFC. Older versions are another protocol.
   */
  readonly interopVersion?: number | 'none';
  /** Largest body in bytes. Default: what the link carries in about 5 s. The server's `Upload-Limit` comes before it. */
  readonly pieceSize?: number;
  /**
   * What a 404 or 410 means after the last byte was sent and its answer was lost: `'restart'` (default: nothing is ever
   * lost, a forgetful server gets the file once more) or `'done'`, for a server that drops the upload's URL as soon as it
   * has the file. An upload whose lifetime (`max-age`) is over is sent again in either case.
   */
  readonly goneAfterLastPiece?: 'restart' | 'done';
}

/** Draft -12 (July 2026) raised it to 9; nothing up to -15 is known to have raised it since. */
const INTEROP_VERSION = 9;
const PROBLEMS = 'https://iana.org/assignments/http-problem-types#';

/** Makes the adapter for one server of the draft. */
export function resumableUpload(options: ResumableUploadOptions): Adapter {
  const { endpoint, interopVersion = INTEROP_VERSION, pieceSize, goneAfterLastPiece = 'restart' } = options;
  if (interopVersion !== 'none' && !(Number.isInteger(interopVersion) && interopVersion >= 6)) {
    throw new RangeError(`interopVersion: ${interopVersion}. Give 6 or more, or 'none'.`);
  }
  if (pieceSize !== undefined && !(Number.isInteger(pieceSize) && pieceSize > 0)) {
    throw new RangeError(`pieceSize: ${pieceSize}. Give a positive integer.`);
  }
  const version: Readonly<Record<string, string>> =
    interopVersion === 'none' ? {} : { 'Upload-Draft-Interop-Version': String(interopVersion) };

  /** Offset Retrieval. Upload-Complete and Upload-Length are not promised since -13. */
  async function ask(
    upload: UploadSource,
    state: AdapterState,
    io: Io,
    goneIsDone: boolean,
    unsettled = false,
  ): Promise<Reply> {
    const url = urlIn(state, options);
    const patience = unsettled ? { patienceMs: LOCK_PATIENCE_MS } : {};
    const answer = await io.request(url, { method: 'HEAD', headers: version, ...patience });
    const complete = booleanItem(answer.header('Upload-Complete'));
    if (answer.ok) {
      const reply = replyOf(url, answer, state, io, { open: complete === false ? true : null });
      const held = [[0, offsetOf(url, answer, upload)]] as const;
      return complete ? { ...reply, ...whole(upload) } : { ...reply, held };
    }
    if (goneIsDone && isGone(answer)) return whole(upload);
    throw refused(url, answer, io);
  }

  /** What a 404 or 410 means after the last byte was sent: the server has finished and forgotten, or lost it. */
  function forgets({ expiresAtMs }: AdapterState, io: Io): boolean {
    return goneAfterLastPiece === 'done' && !(typeof expiresAtMs === 'number' && expiresAtMs <= io.nowMs());
  }

  /** Upload Append. "The request MUST include the Upload-Complete header field." */
  async function append(
    upload: UploadSource,
    state: AdapterState,
    range: Range,
    bytes: Blob,
    io: Io,
    refusedBefore = false,
  ): Promise<Reply> {
    const url = urlIn(state, options);
    const [start, end] = range;
    const final = end === upload.sizeBytes;
    const answer = await io.request(url, {
      method: 'PATCH',
      headers: {
        ...version,
        'Content-Type': 'application/partial-upload',
        'Upload-Offset': String(start),
        'Upload-Complete': final ? '?1' : '?0',
      },
      body: bytes,
    });
    const complete = booleanItem(answer.header('Upload-Complete'));
    if (complete) {
      // "4xx or 5xx status codes indicate in this case that the representation was fully transmitted, but an error
      // occurred while processing it. Resuming the upload would not resolve this error."
      if (answer.ok) return whole(upload);
      const { message } = refused(url, answer, io, { [answer.status]: 'fatal' });
      throw new ProtocolFailure('fatal', 'refused', message, { httpStatus: answer.status, forget: true });
    }
    if (answer.ok) {
      if (isHtml(answer)) throw webPage(url, answer);
      if (final && start === end && complete === undefined) return whole(upload);
      const offset = offsetIn(url, answer, upload);
      // Not told whether it is complete (before interop version 7), or nothing at all (hidden across origins).
      if (final || (complete ?? offset) === undefined) {
        const reply = await ask(upload, state, io, final);
        if (reply.done) return reply;
        if (start === end) {
          const message = `${url} took the end of the upload, but does not call it complete.`;
          throw new ProtocolFailure('busy', 'unexpected-answer', message, { httpStatus: answer.status });
        }
        grown(url, reply.held?.[0]?.[1] ?? end, range);
        return reply;
      }
      return { ...replyOf(url, answer, state, io), held: [[0, grown(url, offset ?? end, range)]] };
    }
    const limits = limitsIn(answer);
    if (answer.status === 413 && (limits?.maxBytes ?? Infinity) < bytes.size) {
      // "[...] SHOULD retry the request with a smaller size residing between min-append-size and max-append-size."
      return { held: [[0, start]], ...(limits && { limits }) };
    }
    const { status } = answer;
    // Nothing was missing, and the server had not said that it waits for the end: it may have refused to end it twice.
    const mayBeOver =
      start === end && !state['open'] && status < 500 && ![401, 403, 408, 423, 425, 429].includes(status);
    // Said to the second of two equal requests, which browsers send by themselves after a reset; since -12 with no
    // problem type of its own, and then "complete" and "gone" look the same.
    const isTooMuch = /#(inconsistent-upload-length|completed-upload)$/.test(problemIn(answer).type);
    if (mayBeOver || (final && (isGone(answer) || isTooMuch))) {
      const reply = await ask(upload, state, io, forgets(state, io));
      const isHeld = reply.held?.[0]?.[1] === end;
      if (reply.done || (isHeld && start < end)) return reply;
      // Not told whether it is complete: who has it all, and refuses once more, is. Once, it may have been a stranger.
      if (isHeld && reply.state && !reply.state['open']) {
        return refusedBefore ? whole(upload) : append(upload, reply.state, range, bytes, io, true);
      }
    }
    throw refused(url, answer, io);
  }

  return {
    limits: pieceSize === undefined ? {} : { maxBytes: pieceSize },
    requests: options,

    /** Upload Creation, "to retrieve the upload resource's URI before transferring any representation data". */
    async create(upload, io): Promise<Reply> {
      const { name, type, sizeBytes } = upload;
      const answer = await io.request(endpoint, {
        method: 'POST',
        headers: {
          ...version,
          'Upload-Complete': '?0',
          'Upload-Length': String(sizeBytes),
          ...(type !== '' && { 'Content-Type': type }),
          // "the inline disposition type is RECOMMENDED"; RFC 8187 for the name.
          'Content-Disposition': `inline; filename*=UTF-8''${encodeName(name)}`,
        },
        body: new Blob([]),
        patienceMs: LOCK_PATIENCE_MS,
      });
      if (!answer.ok) throw refused(endpoint, answer, io, { 404: 'fatal', 409: 'fatal', 410: 'fatal', 412: 'fatal' });
      const url = locationIn(answer, options);
      if (url === undefined) throw nowhere(endpoint, answer);
      const members = dictionary(answer.header('Upload-Limit'));
      if (sizeBytes <= (integer(members, 'max-size') ?? Infinity) && sizeBytes >= (integer(members, 'min-size') ?? 0)) {
        return { ...replyOf(url, answer, {}, io, { open: true }), held: [[0, 0]] };
      }
      // "[...] the client SHOULD stop the current request immediately and cancel the upload".
      await remove(url, io, version).catch(() => {});
      const message = `${endpoint} takes no file of ${sizeBytes} bytes (${answer.header('Upload-Limit')}).`;
      throw new ProtocolFailure('fatal', 'too-large', message, { httpStatus: answer.status });
    },

    probe: (upload, state, io, { finalSent, unsettled }) =>
      ask(upload, state, io, finalSent && forgets(state, io), unsettled),

    send: append,

    /** "[...] the request has no content. Once the request is processed by the server, the upload is complete." */
    complete: (upload, state, io) => append(upload, state, [upload.sizeBytes, upload.sizeBytes], new Blob([]), io),

    /** Upload Cancellation. */
    async abort(_upload, state, io): Promise<void> {
      if (state['url'] !== undefined) await remove(urlIn(state, options), io, version);
    },
  };
}

const isGone = ({ status }: Answer) => status === 404 || status === 410;

const whole = ({ sizeBytes }: UploadSource): Reply => ({ held: [[0, sizeBytes]], done: true });

function replyOf(url: string, answer: Answer, before: AdapterState, io: Io, more: AdapterState = {}): Reply {
  const lifetime = integer(dictionary(answer.header('Upload-Limit')), 'max-age');
  const expiry = lifetime === undefined ? {} : { expiresAtMs: io.nowMs() + lifetime * 1000 };
  const limits = limitsIn(answer);
  return { state: { ...before, url, ...expiry, ...more }, ...(limits && { limits }) };
}

/** What `Upload-Limit` says about single bodies. */
function limitsIn(answer: Answer): Limits | undefined {
  const members = dictionary(answer.header('Upload-Limit'));
  const [maxBytes, minBytes] = [integer(members, 'max-append-size'), integer(members, 'min-append-size')];
  if (!maxBytes && !minBytes) return undefined;
  return { ...(maxBytes && { maxBytes }), ...(minBytes && { minBytes }) };
}

const known = ['max-size', 'min-size', 'max-append-size', 'min-append-size', 'max-age'];

/** "a member with a known key but a value of unexpected type MUST cause the entire Upload-Limit [...] to be ignored". */
function integer(members: ReadonlyMap<string, string>, name: string): number | undefined {
  const whole = /^\d{1,15}$/;
  const value = members.get(name);
  const sound = known.every((each) => whole.test(members.get(each) ?? '0'));
  return value !== undefined && sound ? Number(value) : undefined;
}

interface Problem {
  readonly type: string;
  readonly text: string;
}

/** RFC 9457. Its words, for the message. */
function problemIn({ text }: Answer): Problem {
  try {
    const { type = '', title = '', detail = title } = JSON.parse(text) as Readonly<Record<string, unknown>>;
    return { type: String(type), text: String(detail) };
  } catch {
    return { type: '', text };
  }
}

function refused(url: string, answer: Answer, io: Io, overrides?: Readonly<Record<number, Verdict>>): ProtocolFailure {
  const { type, text } = problemIn(answer);
  const mismatch = type === `${PROBLEMS}mismatching-upload-offset` && { [answer.status]: 'resync' as const };
  return refusal(url, { ...answer, text }, io.nowMs(), { ...overrides, ...mismatch });
}

/** RFC 8187: encodeURIComponent leaves four characters that are not allowed. */
function encodeName(name: string): string {
  return encodeHeader(name).replace(/['()*]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`);
}
