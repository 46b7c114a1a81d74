// Reading bytes that a browser says it has, within a time limit.

import type { WireError } from '../src/contracts/errors.js';
import { type Clock, within } from './clock.js';
import type { UploadRecord } from './store/schema.js';

/** Chromium leaves reads of a copy whose source shrank while it was stored pending for ever. */
const READ_LIMIT_MS = 10_000;

/** All of `bytes`; undefined if that takes too long. Rejects as the browser does. */
export function read(bytes: Blob, clock: Clock): Promise<ArrayBuffer | undefined> {
  return within<ArrayBuffer | undefined>(bytes.arrayBuffer(), READ_LIMIT_MS, clock, undefined);
}

/** Whether all of `bytes` can be read: pass a slice. */
export function isReadable(bytes: Blob, clock: Clock): Promise<boolean> {
  return read(bytes, clock).then(
    (buffer) => buffer?.byteLength === bytes.size,
    () => false,
  );
}

/** The end of `bytes`, which is the first to be missing when a file was cut. */
export function lastByte(bytes: Blob): Blob {
  return bytes.slice(Math.max(0, bytes.size - 1));
}

/** What is said of an upload whose bytes are not there, or cannot be read. */
export function bytesLost({ id: uploadId, name }: UploadRecord): WireError {
  return { code: 'bytes-lost', message: `"${name}"`, uploadId };
}
