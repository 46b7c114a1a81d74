// What tus and its successor at the IETF share: each upload is a resource with a URL of its own, which is told in
// Location, has an Upload-Offset, and is deleted by DELETE. Knows neither protocol's other rules.

import {
  type AdapterState,
  type Answer,
  type Io,
  ProtocolFailure,
  type RequestDefaults,
  type UploadSource,
} from './adapter.js';
import { isHtml, refusal } from './refusals.js';

/**
 * For requests without a body that may have to wait until the server has let go of an older one, beside the usual time:
 * @tus/server gives that 3 s by default. Not more, since a dead connection is noticed that much later.
 */
export const LOCK_PATIENCE_MS = 3000;

export interface UploadResourceOptions extends RequestDefaults {
  /** Where uploads are made, by POST. Relative to the worker, or absolute. */
  readonly endpoint: string;
  /**
   * Other origins than the endpoint's (`'https://eu.up.example'`) where its server may place uploads: file and headers
   * go there. A place on any other ends the upload with `unexpected-answer`. Default: none.
   */
  readonly uploadOrigins?: readonly string[];
}

/**
 * An upload's URL, if uploads may be there. Not only a server tells it: scripts of the page can write what is stored, and
 * yet the worker decides where bytes go (invariant 10). So it is looked at before each use.
 */
export function permitted(url: string, { endpoint, uploadOrigins = [] }: UploadResourceOptions): string {
  // Absent in Node, where endpoints are absolute.
  const base = globalThis.location?.href;
  const { origin } = new URL(url, base);
  if ([endpoint, ...uploadOrigins].some((each) => new URL(each, base).origin === origin)) return url;
  const message = `${endpoint}: its upload is on another origin, ${origin}. Correct that, or list it in uploadOrigins.`;
  throw new ProtocolFailure('fatal', 'unexpected-answer', message, { forget: true });
}

/** The upload's own URL; without one it is not known any more, or never was: it is made anew. */
export function urlIn(state: AdapterState, options: UploadResourceOptions): string {
  const { url } = state;
  if (typeof url === 'string') return permitted(url, options);
  throw new ProtocolFailure('restart', 'server-lost-bytes', 'No URL is known for this upload: it is made anew.');
}

/** Where the answer says that the new upload is. */
export function locationIn(answer: Answer, options: UploadResourceOptions): string | undefined {
  const location = answer.header('Location');
  if (location === null || !URL.canParse(location, answer.url)) return undefined;
  const [from, to] = [new URL(answer.url), new URL(location, answer.url)];
  // A server behind a TLS proxy often believes that it is http; a browser would not fetch that.
  if (from.protocol === 'https:' && to.hostname === from.hostname) to.protocol = 'https:';
  return permitted(to.href, options);
}

/** A 2xx to a creation that does not say where the upload is. Fatal: each further try would leave one more behind. */
export function nowhere(url: string, answer: Answer): ProtocolFailure {
  if (isHtml(answer)) return webPage(url, answer);
  const advice = 'Check the URL; across origins the server must list it in Access-Control-Expose-Headers.';
  const message = `${url} answered ${answer.status} without a readable Location. ${advice}`;
  return new ProtocolFailure('fatal', 'unexpected-answer', message, { httpStatus: answer.status });
}

/** `Upload-Offset`: how many bytes the server holds; undefined if the answer does not say. */
export function offsetIn(url: string, answer: Answer, upload: UploadSource): number | undefined {
  const offset = count(answer.header('Upload-Offset'));
  const length = count(answer.header('Upload-Length'));
  const { sizeBytes } = upload;
  if ((offset ?? 0) <= sizeBytes && (length ?? sizeBytes) === sizeBytes) return offset;
  const message = `${url} holds ${offset} of ${length ?? 'its'} bytes, not of ${sizeBytes}: of another file. Add this one again.`;
  throw new ProtocolFailure('fatal', 'offset-beyond-size', message, { httpStatus: answer.status });
}

/** As {@link offsetIn}, of an answer that must say it. */
export function offsetOf(url: string, answer: Answer, upload: UploadSource): number {
  const offset = offsetIn(url, answer, upload);
  if (offset !== undefined) return offset;
  if (isHtml(answer)) throw webPage(url, answer);
  const advice = 'Check the URL; across origins the server must list it in Access-Control-Expose-Headers.';
  const message = `${url} answered ${answer.status} without a readable Upload-Offset. ${advice}`;
  throw new ProtocolFailure('unreachable', 'unexpected-answer', message, { httpStatus: answer.status });
}

/** The offset after a body at `start` was taken; a server that took none of it is to be asked. */
export function grown(url: string, offset: number, [start, end]: readonly [number, number]): number {
  if (offset > start || end === start) return offset;
  throw new ProtocolFailure('resync', 'offset-mismatch', `${url} took none of ${end - start} bytes`);
}

/** Frees an upload on the server. One that is not there is freed. */
export async function remove(url: string, io: Io, headers: Readonly<Record<string, string>>): Promise<void> {
  const answer = await io.request(url, { method: 'DELETE', headers, patienceMs: LOCK_PATIENCE_MS });
  if (answer.ok || answer.status === 404 || answer.status === 410) return;
  throw refusal(url, answer, io.nowMs());
}

/** A length or offset: digits, in structured fields perhaps with parameters that nobody has defined. */
function count(value: string | null): number | undefined {
  const digits = /^\s*(\d{1,15})\s*(;.*)?$/.exec(value ?? '')?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** A page where the protocol's answer was due: a captive portal, a sign-in page, a wrong address. */
export function webPage(url: string, answer: Answer): ProtocolFailure {
  const message = `${url} answered a web page`;
  return new ProtocolFailure('unreachable', 'unexpected-answer', message, { httpStatus: answer.status });
}
