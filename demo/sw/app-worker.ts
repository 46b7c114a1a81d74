// The demo's own worker, whatever protocol it speaks: one call makes it an uploader, one takes what a phone shares with
// it, two tell when no page can; the rest makes the app open and show its gallery offline.
/// <reference lib="webworker" />
import {
  type Adapter,
  appBadge,
  checkRoom,
  installBackhaul,
  notify,
  policies,
  shareTarget,
  userWishes,
} from '../../sw/index.js';
import { activateShell, answerFromShell, installShell } from './app-shell.js';
import { answerPhoto, answerPhotoList } from './gallery-cache.js';
import { wantsToBeTold } from './tell-me.js';

declare const self: ServiceWorkerGlobalScope;

/** Call it once, while the script runs. */
export function serveApp(photos: Adapter): void {
  const backhaul = installBackhaul({ endpoints: { photos } });
  shareTarget(backhaul, { action: '/share', files: 'photos', endpoint: 'photos', redirect: '/?shared' });
  appBadge(backhaul);
  checkRoom(backhaul);
  // Nothing by itself: the switch "Only on Wi-Fi" is the user's.
  userWishes(policies(backhaul, { photos: {} }));
  const icon = '/icons/icon-192.png';
  notify(backhaul, {
    done: ({ delivered, failed }) => ({
      title: delivered === 1 ? '1 file is delivered' : `${delivered} files are delivered`,
      body: failed > 0 ? `${failed} could not be delivered.` : 'They are safe on the server.',
      icon,
    }),
    signIn: () => ({ title: 'Sign in to go on', body: 'Your photos are safe on this device.', icon }),
    enabled: wantsToBeTold,
  });

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
