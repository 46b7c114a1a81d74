// Name, type and metadata of a file in one header, for servers that have no better place for them.

import type { UploadSource } from './adapter.js';
import { encodeHeader } from './http.js';

/**
 * For `metadataHeader` of `byteOffset()`: a header of that name with percent-encoded JSON,
 * `{"filename": ..., "filetype": ..., "lastModified": ..., ...metadata}`. Names as tus clients use them; `lastModified` in
 * epoch milliseconds. The app's own come last, and win.
 */
export function jsonHeader(header: string): (upload: UploadSource) => Readonly<Record<string, string>> {
  return ({ name, type, lastModifiedMs, metadata }) => {
    const file = { filename: name, filetype: type, lastModified: String(lastModifiedMs) };
    return { [header]: encodeHeader(JSON.stringify({ ...file, ...metadata })) };
  };
}
