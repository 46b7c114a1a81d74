// One @tus/server as a process of its own, so that it can be killed. Its store comes as JSON in TUS_STORE, its port is
// the first line that it prints.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createTusServer } from '../../demo/server/tus-server.js';
import { datastoreOf, type SharedStore } from './tus-store.js';

const store = JSON.parse(process.env['TUS_STORE'] ?? 'null') as SharedStore;
const datastore = datastoreOf(store);
const tus = createTusServer({ dataDir: store.dataDir, lockDrainTimeoutMs: 20, ...(datastore && { datastore }) });
const server = createServer((request, response) => {
  if (!tus.handle(request, response)) response.writeHead(404).end();
});
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port));
