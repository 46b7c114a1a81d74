// The app's own files, as the build left them. Knows nothing of uploads.

import { existsSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import sirv from 'sirv';

const contentSecurityPolicy = (origins: readonly string[]) =>
  [
    "default-src 'none'",
    "manifest-src 'self'",
    "media-src 'self' blob:",
    "img-src 'self' blob: data:",
    "style-src 'self'",
    "script-src 'self'",
    "worker-src 'self'",
    ["connect-src 'self'", ...origins].join(' '),
    "object-src 'none'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
    "form-action 'none'",
  ].join('; ');

/**
 * Serves GET and HEAD; returns false for other methods, and for everything if the app was not built. `/sw.js` and
 * `/in-page.js` are those that speak `protocol`; they may send requests to `origins`, too.
 */
export function createAppFiles(
  appDir: string,
  protocol: string,
  origins: readonly string[],
): (request: IncomingMessage, response: ServerResponse) => boolean {
  if (!existsSync(appDir)) return () => false;
  const policy = contentSecurityPolicy(origins);
  const serve = sirv(appDir, {
    etag: true,
    dotfiles: false,
    onNoMatch: (_request, response) => {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('Not found.');
    },
    setHeaders: (response) => {
      // No name carries a hash of its content, so every file is asked for again; the ETag makes that cheap. A worker
      // script or a page from the cache would be another version than the server's.
      response.setHeader('Cache-Control', 'no-cache');
      response.setHeader('Content-Security-Policy', policy);
    },
  });
  return (request, response) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return false;
    const spoken = /^\/(sw|in-page)\.js$/.exec(request.url ?? '') && request.url?.replace('.js', `-${protocol}.js`);
    if (spoken && existsSync(join(appDir, spoken))) request.url = spoken;
    // Always whole: at `bytes=9-1` sirv 3 throws, outside of every handler, and the process ends.
    delete request.headers.range;
    serve(request, response);
    return true;
  };
}
