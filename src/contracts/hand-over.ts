// What page and worker say to each other when an upload is handed over to the browser (Background Fetch). A wire of its own
// beside messages.ts, so that workers and pages without it have nothing of it, and ignore it.

import type { WireError } from './errors.js';
import { fits, oneOf } from './shape.js';
import type { UploadId } from './upload.js';

/** Raised when an older page or worker would misread a newer one. */
const HAND_OVER_VERSION = 1;
const SOURCE = 'backhaul-hand-over';

/** From the page, on a port of its own: the requests for this upload, please. */
export interface HandOver {
  readonly source: typeof SOURCE;
  readonly wire: number;
  readonly id: UploadId;
}

/** One request, with the bytes `[start, end)` of the file for its body. */
export interface Piece {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly credentials: 'include' | 'omit' | 'same-origin';
  readonly start: number;
  readonly end: number;
}

/** The worker's answer; or why it cannot hand this one over now. `bytes`: the whole file, a Blob. */
export type Handed = { readonly bytes: unknown; readonly pieces: readonly Piece[] } | WireError;

export function handOver(id: UploadId): HandOver {
  return { source: SOURCE, wire: HAND_OVER_VERSION, id };
}

/** The upload that a page wants to hand over; undefined for any other message. */
export function askedFor(data: unknown): string | undefined {
  const isOurs = fits(data, { source: oneOf([SOURCE]), wire: oneOf([HAND_OVER_VERSION]), id: 'string' });
  return isOurs ? String(data['id']) : undefined;
}

const PREFIX = 'backhaul:';

/** The id of the browser's registration. The app may have others, with ids of its own. */
export function fetchIdOf(uploadId: string): string {
  return PREFIX + uploadId;
}

/** The upload of a registration; undefined for one of the app's own. */
export function uploadIdOf(fetchId: string): string | undefined {
  return fetchId.startsWith(PREFIX) ? fetchId.slice(PREFIX.length) : undefined;
}

/** The lock that a page holds from asking the worker until the browser has the requests, or has refused them. */
export function handOverLock(name: string, uploadId: string): string {
  return `${name}:hand-over:${uploadId}`;
}
