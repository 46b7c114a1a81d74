// Parses what a request says of its file and chunk. Nothing is believed: every value is checked, and a refusal says what is wrong.

import { BadRequest } from './request-headers.js';

/** Fields by name, from a form, a body or a query. */
export type ClaimFields = ReadonlyMap<string, string> | URLSearchParams;

/** What is said of a file, checked. */
export interface FileClaim {
  readonly id: string;
  readonly sizeBytes: number;
  readonly chunkBytes: number;
  readonly count: number;
  readonly hash: string;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface ClaimLimits {
  readonly maxIdBytes: number;
  readonly maxChunks: number;
}

const maxMetadataBytes = 8 * 1024;

export function parseId(fields: ClaimFields, maxIdBytes: number): string {
  const id = fields.get('id') ?? '';
  // A NUL would let owner and id run together (see keyOf).
  if (id === '' || id.includes('\0')) throw new BadRequest('id is missing.');
  if (Buffer.byteLength(id) > maxIdBytes) throw new BadRequest(`id is longer than ${maxIdBytes} bytes.`);
  return id;
}

/** Lower-case hex, or nothing. */
export function parseHash(fields: ClaimFields): string {
  const hash = fields.get('hash') ?? '';
  if (!/^([0-9a-f]{32,128})?$/.test(hash)) throw new BadRequest('hash must be lower-case hex.');
  return hash;
}

export function parseFileClaim(fields: ClaimFields, { maxIdBytes, maxChunks }: ClaimLimits): FileClaim {
  const sizeBytes = parseNumber(fields, 'size');
  const chunkBytes = parseNumber(fields, 'chunkSize');
  if (chunkBytes === 0) throw new BadRequest('chunkSize must not be 0.');
  const count = Math.ceil(sizeBytes / chunkBytes);
  if (count > maxChunks) throw new BadRequest(`More than ${maxChunks} chunks: make them larger.`);
  const hash = parseHash(fields);
  return { id: parseId(fields, maxIdBytes), sizeBytes, chunkBytes, count, hash, metadata: parseMetadata(fields) };
}

/** Half-open. */
export interface ChunkRange {
  readonly index: number;
  readonly start: number;
  readonly end: number;
}

export function parseChunkRange(fields: ClaimFields, { sizeBytes, chunkBytes, count }: FileClaim): ChunkRange {
  const index = parseNumber(fields, 'index');
  if (index >= count) throw new BadRequest(`There is no chunk ${index}: the file has ${count}.`);
  const start = index * chunkBytes;
  return { index, start, end: Math.min(sizeBytes, start + chunkBytes) };
}

function parseNumber(fields: ClaimFields, name: string): number {
  const text = fields.get(name) ?? '';
  const number = Number(text);
  // Digits only: Number alone would take '', '0x10', '1e3' and ' 7'.
  if (/^\d{1,16}$/.test(text) && Number.isSafeInteger(number)) return number;
  throw new BadRequest(`${name} must be a decimal number.`);
}

/** As the gallery reads it. The app's own values win, as in the byte-offset server. */
function parseMetadata(fields: ClaimFields): Readonly<Record<string, string>> {
  const text = fields.get('metadata') ?? '{}';
  if (text.length > maxMetadataBytes) throw new BadRequest(`metadata is longer than ${maxMetadataBytes} bytes.`);
  const wrong = new BadRequest('metadata must be a JSON object of strings.');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw wrong;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong;
  const entries = Object.entries(value);
  if (entries.some(([, item]) => typeof item !== 'string')) throw wrong;
  const said = { filename: fields.get('name'), filetype: fields.get('type'), lastModified: fields.get('lastModified') };
  const named = Object.entries(said).flatMap(([name, item]) => (item ? [[name, item.slice(0, 1024)]] : []));
  return Object.fromEntries([...named, ...entries]);
}
