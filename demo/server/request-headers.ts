// Parses what a request says of its file. Nothing is believed: every value is checked, and a refusal says what is wrong.

import type { IncomingHttpHeaders } from 'node:http';

/** What a POST says, checked. */
export interface UploadClaim {
  readonly startByte: number;
  readonly sizeBytes: number;
  readonly metadata: Readonly<Record<string, string>>;
  /** One of several requests that were made in advance: it may come again, and before its turn. */
  readonly isPiece: boolean;
}

/** Answered with 400; the message is the answer's text. */
export class BadRequest extends Error {
  override readonly name = 'BadRequest';
}

/** Of the header as it is sent; Node takes 16 KiB of headers in all. */
const maxMetadataBytes = 8 * 1024;

export function parseFileId(headers: IncomingHttpHeaders, maxIdBytes: number): string {
  const id = headers['x-file-id'];
  if (typeof id !== 'string' || id === '') throw new BadRequest('X-File-Id is missing.');
  if (id.length > maxIdBytes) throw new BadRequest(`X-File-Id is longer than ${maxIdBytes} bytes.`);
  if (!/^[\x20-\x7e]+$/.test(id)) throw new BadRequest('X-File-Id must be printable ASCII; percent-encode it.');
  return id;
}

export function parseUploadClaim(headers: IncomingHttpHeaders): UploadClaim {
  const startByte = parseBytes(headers, 'X-Start-Byte');
  const sizeBytes = parseBytes(headers, 'X-File-Size');
  if (startByte > sizeBytes) throw new BadRequest('X-Start-Byte is greater than X-File-Size.');
  return {
    startByte,
    sizeBytes,
    metadata: parseMetadata(headers['x-file-metadata']),
    isPiece: headers['x-piece'] === '1',
  };
}

function parseBytes(headers: IncomingHttpHeaders, name: string): number {
  const text = headers[name.toLowerCase()];
  if (typeof text !== 'string') throw new BadRequest(`${name} is missing.`);
  const number = Number(text);
  // Digits only: Number alone would take '', '0x10', '1e3' and ' 7'.
  if (!/^\d{1,16}$/.test(text) || !Number.isSafeInteger(number)) {
    throw new BadRequest(`${name} must be a decimal number of bytes.`);
  }
  return number;
}

function parseMetadata(text: string | string[] | undefined): Readonly<Record<string, string>> {
  if (text === undefined) return {};
  const wrong = new BadRequest('X-File-Metadata must be a percent-encoded JSON object of strings.');
  if (typeof text !== 'string') throw wrong;
  if (text.length > maxMetadataBytes) throw new BadRequest(`X-File-Metadata is longer than ${maxMetadataBytes} bytes.`);
  let value: unknown;
  try {
    value = JSON.parse(decodeURIComponent(text));
  } catch {
    throw wrong;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong;
  const entries = Object.entries(value);
  if (entries.some(([, item]) => typeof item !== 'string')) throw wrong;
  return Object.fromEntries(entries);
}
