// A worker that lets its pages hand uploads over to the browser. `?pieces=` is the size of a piece.
import { backgroundFetch, byteOffsetPieces, installBackhaul } from '../../../sw/index.js';

declare const self: ServiceWorkerGlobalScope;

const pieceSize = Number(new URL(self.location.href).searchParams.get('pieces'));
const photos = byteOffsetPieces({ statusUrl: '/api/status', uploadUrl: '/api/upload', settleMs: 0 });
const backhaul = installBackhaul({ endpoints: { photos } });
backgroundFetch(backhaul, { endpoints: ['photos'], pieceSize });

self.addEventListener('install', (event) => event.waitUntil(self.skipWaiting()));
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));
