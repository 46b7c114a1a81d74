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

/** The class again, on the other side. */
export function fromWire(wire: WireError): UploadError {
  const { code, message, ...details } = wire;
  return new UploadError(code, message, details);
}

/** True for data that {@link toWire} could have made, here or in a newer version that knows more codes. */
export function isWireError(value: unknown): value is WireError {
  return fits(value, { code: 'string', message: 'string' });
}
