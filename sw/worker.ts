// The ready-made worker, for apps without one. Its query string is its configuration:
//   /worker.js?endpoint=photos&status=/api/status&upload=/api/upload
// It is part of the URL that the page registers, so it is fixed by the app's own code, like a worker's source.

import { byteOffset, checkRoom, installBackhaul, jsonHeader } from './index.js';

declare const self: ServiceWorkerGlobalScope;

const query = new URL(self.location.href).searchParams;

function required(name: string): string {
  const value = query.get(name);
  if (value !== null && value !== '') return value;
  throw new Error(
    `backhaul/worker.js: the query string lacks "${name}". Register it as /worker.js?endpoint=NAME&status=URL&upload=URL`,
  );
}

function optionalNumber(name: string): number | undefined {
  const value = query.get(name);
  if (value === null) return undefined;
  if (/^\d+$/.test(value)) return Number(value);
  throw new Error(`backhaul/worker.js: "${name}" must be a whole number, not "${value}".`);
}

const pieceSize = optionalNumber('piece-size');
const settleMs = optionalNumber('settle-ms');
const metadataHeader = query.get('metadata-header');

const backhaul = installBackhaul({
  endpoints: {
    [required('endpoint')]: byteOffset({
      statusUrl: required('status'),
      uploadUrl: required('upload'),
      ...(pieceSize === undefined ? {} : { pieceSize }),
      ...(settleMs === undefined ? {} : { settleMs }),
      ...(metadataHeader === null ? {} : { metadataHeader: jsonHeader(metadataHeader) }),
      ...(query.get('zero-after-last-piece') === 'done' ? { zeroAfterLastPiece: 'done' } : {}),
    }),
  },
});
checkRoom(backhaul);

// Nobody else is in this worker, so a new version of it may take over at once.
self.addEventListener('install', () => void self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));
