// The process that serves one protocol: PROTOCOL, at PORT, on DATA_DIR.

import { createServer } from 'node:http';
import { createChunkServer } from '../../../demo/server/chunk-server.js';
import { createIetfServer } from '../../../demo/server/ietf-server.js';
import { createTusServer } from '../../../demo/server/tus-server.js';

const { PROTOCOL = '', PORT, DATA_DIR: dataDir = '' } = process.env;
const servers = {
  // Every file is merged by a request of its own.
  chunks: () => createChunkServer({ dataDir, mergeAtOnceBytes: 0 }),
  ietf: () => createIetfServer({ dataDir, draft: 15 }),
  'ietf-12': () => createIetfServer({ dataDir, draft: 12 }),
  tus: () => createTusServer({ dataDir }),
};
const make = servers[PROTOCOL as keyof typeof servers];
if (make === undefined) throw new Error(`PROTOCOL: one of ${Object.keys(servers)}`);
const server = make();
createServer((request, response) => {
  if (!server.handle(request, response)) response.writeHead(404).end();
}).listen(Number(PORT), '127.0.0.1');
