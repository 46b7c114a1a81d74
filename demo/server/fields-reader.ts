// Reads a small body of fields, urlencoded or JSON, within limits.

import type { IncomingMessage } from 'node:http';
import type { BodyReader } from './body-reader.js';
import type { ClaimFields } from './chunk-claim.js';
import { BadRequest } from './request-headers.js';

const maxFieldsBytes = 64 * 1024;

/** Undefined if the body did not come to its end. */
export async function fieldsOf(
  request: IncomingMessage,
  body: BodyReader,
  idleMs: number,
): Promise<ClaimFields | undefined> {
  let text = '';
  const decoder = new TextDecoder();
  for (;;) {
    const step = await body.next(idleMs);
    if (step.type === 'end') break;
    if (step.type !== 'bytes') return undefined;
    text += decoder.decode(step.bytes, { stream: true });
    if (text.length > maxFieldsBytes) throw new BadRequest(`The body is longer than ${maxFieldsBytes} bytes.`);
  }
  if (!/^application\/json\b/i.test(request.headers['content-type'] ?? '')) return new URLSearchParams(text);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new BadRequest('The body is no JSON.');
  }
  if (typeof value !== 'object' || value === null) throw new BadRequest('The body must be a JSON object.');
  const entries = Object.entries(value).filter(([, item]) => typeof item === 'string' || typeof item === 'number');
  return new Map(entries.map(([name, item]) => [name, String(item)]));
}
