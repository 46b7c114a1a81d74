// The smallest worker on the library: one endpoint, on this origin or on the one that `?server=` names.
import { byteOffset, checkRoom, chunkList, chunks, installBackhaul, s3, tus } from '../../../sw/index.js';
import { isThere } from './is-there.js';

declare const self: ServiceWorkerGlobalScope;
/** Put in by the build. Two versions differ in nothing else. */
declare const VERSION: string;
/** Whether this version replaces a running one at once. */
declare const TAKE_OVER: boolean;
declare const PROTOCOL: keyof typeof adapters;

const server = new URL(self.location.href).searchParams.get('server') ?? '';

const adapters = {
  'byte-offset': () =>
    byteOffset({ statusUrl: `${server}/api/status`, uploadUrl: `${server}/api/upload`, settleMs: 0 }),
  chunks: () => {
    const url = `${server}/api/chunks`;
    return chunks({ chunk: { url }, ask: chunkList({ url }), merge: { url: `${url}/merge` } });
  },
  tus: () => {
    const endpoint = `${server}/api/tus`;
    return tus({ endpoint, metadata: ({ id }) => ({ id }), uploadUrl: ({ id }) => `${endpoint}/${id}` });
  },
  s3: () =>
    s3({ sign: (operation) => fetch(`${server}/s3/sign`, { method: 'POST', body: JSON.stringify(operation) }) }),
};

checkRoom(installBackhaul({ endpoints: { photos: adapters[PROTOCOL]() } }));

if (TAKE_OVER) self.addEventListener('install', (event) => event.waitUntil(self.skipWaiting()));
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));
self.addEventListener('message', ({ data, ports }) => {
  if (data === 'version?') ports[0]?.postMessage(VERSION);
  if (typeof data?.offers === 'string') ports[0]?.postMessage(isThere(self, data.offers));
});
