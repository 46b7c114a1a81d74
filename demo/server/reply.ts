// How answers are sent: plain text, and, to a client that is still sending, so that it gets to read them.

import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { BodyReader } from './body-reader.js';

/** Closing a socket with unread bytes resets it, and the reset overtakes the answer: so a little is read first. */
const lingerBytes = 256 * 1024;
const lingerMs = 500;

export function answer(
  response: ServerResponse,
  status: number,
  text: string,
  headers: OutgoingHttpHeaders = {},
): void {
  response.writeHead(status, { ...headersFor(text), ...headers });
  response.end(text);
}

/** Answers a request whose body is not wanted: tells, lingers within limits, then ends the connection. */
export async function refuse(
  response: ServerResponse,
  body: BodyReader,
  status: number,
  text: string,
  headers: OutgoingHttpHeaders = {},
): Promise<void> {
  if (body.announcedBytes === 0) return answer(response, status, text, headers);
  response.writeHead(status, { ...headersFor(text), ...headers, connection: 'close' });
  // Node closes the socket right after `end`; the length tells the client that these bytes are the whole answer.
  response.write(text);
  await body.discard(lingerBytes, lingerMs);
  response.end();
}

function headersFor(text: string): OutgoingHttpHeaders {
  return {
    'content-type': 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  };
}
