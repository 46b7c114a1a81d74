// The files that the app is made of, cached as one set per build, so that it opens without a network from the first
// visit on. Knows nothing of photos.

declare const BUILD_ID: string;

const prefix = 'shell-';
const cacheName = `${prefix}${BUILD_ID}`;

// Icons of the manifest are the browser's business; the page itself shows only these.
const files = [
  '/',
  '/main.js',
  '/styles.css',
  '/photos.css',
  '/overlays.css',
  '/phone.css',
  '/manifest.webmanifest',
  '/icons/icon.svg',
  '/icons/icon-192.png',
  '/icons/apple-touch-icon.png',
] as const;

/** All or nothing: a worker without its shell must not replace one that has it. */
export async function installShell(): Promise<void> {
  const cache = await caches.open(cacheName);
  // `reload` goes past the HTTP cache, which may still hold the last build.
  await cache.addAll(files.map((file) => new Request(file, { cache: 'reload' })));
}

/** Drops the shells of other builds. */
export async function activateShell(): Promise<void> {
  const names = await caches.keys();
  const old = names.filter((name) => name.startsWith(prefix) && name !== cacheName);
  await Promise.all(old.map((name) => caches.delete(name)));
}

/** Cache first; undefined for what is not part of the shell. Every navigation is the one page of this app. */
export function answerFromShell(request: Request, url: URL): Promise<Response> | undefined {
  const isPage = request.mode === 'navigate';
  const path = isPage ? '/' : url.pathname;
  if (!files.some((file) => file === path)) return undefined;
  return cachedFirst(request, path);
}

async function cachedFirst(request: Request, path: string): Promise<Response> {
  const cache = await caches.open(cacheName);
  const cached = await cache.match(path);
  return cached ?? fetch(request);
}
