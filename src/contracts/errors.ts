// What can go wrong, as a closed list that survives postMessage and IndexedDB.
// Knows nothing of who throws; README's table of codes is checked against `errorCodes`.

import { fits } from './shape.js';

/** Every code an {@link UploadError} can carry. The README has one table that says what each means and what to do. */
export const errorCodes = [
  // What the page handed over.
  'not-a-file',
  'invalid-option',
  'unknown-endpoint',
  'file-missing',
  'file-changed',
  'file-unreadable',
  'quota-exceeded',
  // The device.
  'no-service-worker',
  'worker-failed',
  'worker-unresponsive',
  'version-mismatch',
  'invalid-message',
  'storage-failed',
  'corrupt-record',
  'bytes-lost',
  'unknown-upload',
  'invalid-transition',
  // The way to the server, and its answers.
  'network',
  'timeout',
  'server-error',
  'rate-limited',
  'unauthorized',
  'refused',
  'too-large',
  'locked',
  'unexpected-answer',
  'offset-mismatch',
  'offset-beyond-size',
  'server-lost-bytes',
  'cancelled',
] as const;

export type ErrorCode = (typeof errorCodes)[number];

/** An {@link UploadError} as plain data: what is persisted and what crosses postMessage. */
export interface WireError {
  readonly code: ErrorCode;
  /** On the worker's side without what {@link whole} adds. */
  readonly message: string;
  readonly uploadId?: string | undefined;
  /** HTTP status of the answer that caused it, where there was one. */
  readonly httpStatus?: number | undefined;
}

/** What an {@link UploadError} says beside code and message. */
export interface ErrorDetails {
  readonly uploadId?: string | undefined;
  readonly httpStatus?: number | undefined;
  readonly cause?: unknown;
}

/** The one error class of Backhaul: `code` is from a closed list, `message` says what failed and what to do. */
export class UploadError extends Error {
  override readonly name: string = 'UploadError';
  declare readonly code: ErrorCode;
  declare readonly uploadId: string | undefined;
  /** HTTP status of the answer that caused it, where there was one. */
  declare readonly httpStatus: number | undefined;

  constructor(code: ErrorCode, message: string, { cause, ...details }: ErrorDetails = {}) {
    super(message, { cause });
    Object.assign(this, details, { code });
  }
}

/** Plain data for the wire and the store; anything that is not ours becomes `storage-failed` with its text kept. */
export function toWire(error: unknown): WireError {
  if (error instanceof UploadError) {
    const { code, message, uploadId, httpStatus } = error;
    return { code, message, uploadId, httpStatus };
  }
  return {
    code: 'storage-failed',
    message: error instanceof Error ? `${error.name}: ${error.message}` : String(error),
  };
}

/** How a message ends that a worker has begun: what follows from its code alone, so that no worker carries it. */
const endings: Readonly<Partial<Record<ErrorCode, string>>> = {
  'not-a-file': ' is no File or Blob.',
  'unknown-endpoint': ' is no endpoint of installBackhaul(). Correct it, then retry.',
  'file-missing': ' was moved or deleted. Add it again.',
  'file-changed': ' changed before it was stored. Add it again.',
  'file-unreadable': ' could not be read. Let the browser open it, then add it again.',
  'quota-exceeded': '. Free some space, then try again.',
  'version-mismatch': '. Reload the page.',
  'invalid-message': ' is none that this version of Backhaul can read. Reload the page.',
  'storage-failed': '. Reload the page; else the storage is damaged or blocked.',
  'corrupt-record': ' has a damaged record. Remove it, then add it again.',
  'bytes-lost': ' was lost by the browser. Add it again: it goes on where it stands.',
  unauthorized: '. Sign in, then resume.',
  'too-large': '. Raise its body limit, then retry.',
  'unexpected-answer': '. Sign in, or correct the URL.',
  'offset-beyond-size': ': of another file. Rename this one, or set fileId.',
};
const corrected: readonly ErrorCode[] = ['invalid-option', 'refused', 'server-lost-bytes'];
const awaited: readonly ErrorCode[] = [
  'network',
  'timeout',
  'server-error',
  'rate-limited',
  'locked',
  'offset-mismatch',
];

/** For people. A sentence is whole as it is: an older worker's, or one of an adapter of the app's own. */
export function whole<Wire extends WireError>(wire: Wire): Wire {
  const { code, message } = wire;
  const usual = corrected.includes(code)
    ? '. Correct it, then retry.'
    : awaited.includes(code) && '. It is tried again.';
  return message.endsWith('.') ? wire : { ...wire, message: message + (endings[code] ?? (usual || '')) };
}

/** The class again, on the page's side. */
export function fromWire(wire: WireError): UploadError {
  const { code, message, ...details } = whole(wire);
  return new UploadError(code, message, details);
}

/** True for data that {@link toWire} could have made, here or in a newer version that knows more codes. */
export function isWireError(value: unknown): value is WireError {
  return fits(value, { code: 'string', message: 'string' });
}
