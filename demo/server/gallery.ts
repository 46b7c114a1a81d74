// Shows what was uploaded: a list, and the bytes. Trusts neither names nor types, which are what a client once claimed.
// Knows nothing of how the files got here, nor where they are kept.

import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { parseRange } from './byte-range.js';
import { answer } from './reply.js';

/** One entry of the list. */
export interface Photo {
  /** Names its bytes: `<path>/<key>`. */
  readonly key: string;
  readonly name: string;
  /** As the client claimed it; possibly empty. */
  readonly type: string;
  readonly sizeBytes: number;
  readonly lastModifiedMs?: number;
  readonly finishedAtMs: number;
}

/** Where the finished files are. */
export interface Shelf {
  /** Newest first; `after`: the key that the last page ended with. Empty after a key that is not there. */
  list(limit: number, after: string | undefined): Promise<readonly Photo[]>;
  find(key: string): Promise<Photo | undefined>;
  /** The bytes from `start` up to, not including, `end`; never asked for none. */
  read(key: string, start: number, end: number): Promise<Readable>;
}

/** Types that a browser shows without running anything. SVG is not one of them. */
const shownTypes: ReadonlySet<string> = new Set([
  'image/jpeg',
  'image/png',
  'image/webp',
  'image/gif',
  'image/avif',
  'image/heic',
  'video/mp4',
  'video/webm',
  'video/quicktime',
]);

const defaultLimit = 100;
const maxLimit = 1000;

/**
 * `GET path?limit=&after=`: newest first, `after` the key that the last page ended with. `GET path/<key>`: the bytes.
 * Returns false for other paths.
 */
export function createGallery(
  path: string,
  shelf: Shelf,
): (request: IncomingMessage, response: ServerResponse) => boolean {
  async function list(query: URLSearchParams, response: ServerResponse): Promise<void> {
    const wanted = Number(query.get('limit') ?? defaultLimit);
    const limit = Number.isInteger(wanted) && wanted > 0 ? Math.min(wanted, maxLimit) : defaultLimit;
    const page = await shelf.list(limit, query.get('after') ?? undefined);
    answer(response, 200, JSON.stringify(page), { 'content-type': 'application/json' });
  }

  async function send(key: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const photo = await shelf.find(key);
    if (photo === undefined) return answer(response, 404, 'Not found.');
    const { sizeBytes } = photo;
    const headers = headersOf(photo);
    if (request.headers['if-none-match'] === headers['etag']) return void response.writeHead(304, headers).end();
    const range = parseRange(request.headers.range, sizeBytes);
    if (range === 'unsatisfiable') {
      return answer(response, 416, 'No such range.', { 'content-range': `bytes */${sizeBytes}` });
    }
    const { start, end } = range ?? { start: 0, end: sizeBytes };
    response.writeHead(range === undefined ? 200 : 206, {
      ...headers,
      'content-length': end - start,
      ...(range && { 'content-range': `bytes ${start}-${end - 1}/${sizeBytes}` }),
    });
    if (request.method === 'HEAD' || start === end) return void response.end();
    const bytes = await shelf.read(key, start, end);
    // A viewer that goes away is no error.
    await pipeline(bytes, response).catch(() => undefined);
  }

  return (request, response) => {
    // Not by `new URL`, which throws at a path such as `//`.
    const [pathname = '', query] = (request.url ?? '').split('?', 2);
    const isList = pathname === path;
    if (!isList && !pathname.startsWith(`${path}/`)) return false;
    const reply = async () => {
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        return answer(response, 405, 'Method not allowed.', { allow: 'GET, HEAD' });
      }
      await (isList
        ? list(new URLSearchParams(query), response)
        : send(pathname.slice(path.length + 1), request, response));
    };
    void reply().catch(() => response.destroy());
    return true;
  };
}

function headersOf({ name, type, key }: Photo): OutgoingHttpHeaders {
  const isShown = shownTypes.has(type);
  return {
    'content-type': isShown ? type : 'application/octet-stream',
    'content-disposition': `${isShown ? 'inline' : 'attachment'}; filename*=UTF-8''${encodeName(name)}`,
    'content-security-policy': 'sandbox',
    'cross-origin-resource-policy': 'same-origin',
    'x-content-type-options': 'nosniff',
    'accept-ranges': 'bytes',
    'cache-control': 'private, no-cache',
    etag: `"${key}"`,
  };
}

/** RFC 8187. encodeURIComponent throws at half a surrogate pair, and leaves four characters that are not allowed. */
function encodeName(name: string): string {
  return encodeURIComponent(name.replace(/\p{Surrogate}/gu, '\uFFFD')).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
