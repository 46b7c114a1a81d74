// The demo's own worker, whatever protocol it speaks: one call makes it an uploader; the rest makes the app open and
// show its gallery offline.
/// <reference lib="webworker" />
import { type Adapter, installBackhaul } from '../../sw/index.js';
import { activateShell, answerFromShell, installShell } from './app-shell.js';
import { answerPhoto, answerPhotoList } from './gallery-cache.js';

declare const self: ServiceWorkerGlobalScope;

/** Call it once, while the script runs. */
export function serveApp(photos: Adapter): void {
  installBackhaul({ endpoints: { photos } });

  self.addEventListener('install', (event) => {
    // A new version takes over at once: the wire is versioned, and the page is told if it has to reload.
    event.waitUntil(Promise.all([installShell(), self.skipWaiting()]));
  });

  self.addEventListener('activate', (event) => {
    event.waitUntil(activateShell().then(() => self.clients.claim()));
  });

  self.addEventListener('fetch', (event) => {
    const { request } = event;
    const url = new URL(request.url);
    if (request.method !== 'GET' || url.origin !== self.location.origin) return;
    if (url.pathname === '/api/photos') {
      // Older pages of a long list are not kept.
      if (!url.searchParams.has('after')) event.respondWith(answerPhotoList(event));
    } else if (url.pathname.startsWith('/api/photos/')) {
      // A video asks for ranges; a partial answer cannot be cached, so these go straight to the network.
      if (!request.headers.has('range')) event.respondWith(answerPhoto(event));
    } else if (!url.pathname.startsWith('/api/')) {
      const answer = answerFromShell(request, url);
      if (answer) event.respondWith(answer);
    }
  });
}
