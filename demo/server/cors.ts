// Which other origins may use the upload API. Lists only, never `*`: Firefox does not cache preflights that were
// answered with wildcards, and `*` does not cover Authorization. Knows nothing of what the requests do.

import type { IncomingMessage, ServerResponse } from 'node:http';

const allowedHeaders = 'X-File-Id, X-Start-Byte, X-File-Size, X-File-Metadata, Authorization, Content-Type';
/** Two hours: Chromium keeps a preflight no longer. */
const maxAgeSeconds = 7200;

/** Sets the headers on whatever answer follows, an error too. */
export function allowOrigin(
  request: IncomingMessage,
  response: ServerResponse,
  allowedOrigins: readonly string[],
): boolean {
  // Also without an Origin: a cache must not give this answer to somebody who has one.
  response.setHeader('Vary', 'Origin');
  const { origin } = request.headers;
  if (origin === undefined || !allowedOrigins.includes(origin)) return false;
  response.setHeader('Access-Control-Allow-Origin', origin);
  response.setHeader('Access-Control-Expose-Headers', 'Retry-After');
  return true;
}

/**
 * True for a change that a page of another site asks for. A form needs no preflight, and cookies may go along. By
 * Sec-Fetch-Site, which no page can set, and not by Origin: behind a proxy nobody here knows the app's own.
 */
export function isForeign({ method = '', headers }: IncomingMessage, allowedOrigins: readonly string[]): boolean {
  if (['GET', 'HEAD', 'OPTIONS'].includes(method) || allowedOrigins.includes(headers.origin ?? '')) return false;
  return headers['sec-fetch-site'] === 'cross-site' || headers['sec-fetch-site'] === 'same-site';
}

/** Answers OPTIONS. To a stranger without the headers, which is a no. */
export function answerPreflight(response: ServerResponse, isAllowed: boolean, method: string): void {
  if (isAllowed) {
    response.setHeader('Access-Control-Allow-Methods', method);
    response.setHeader('Access-Control-Allow-Headers', allowedHeaders);
    response.setHeader('Access-Control-Max-Age', maxAgeSeconds);
  }
  response.writeHead(204, { 'x-content-type-options': 'nosniff' }).end();
}
