// The byte-offset adapter with the tutorial's server, which keeps unfinished files in memory and forgets finished ones:
// the least that a server of this protocol can be.

import { createHash } from 'node:crypto';
import { byteOffset } from '../../../sw/index.js';
import { PlainServer } from '../../engine/plain-server.js';
import type { RunningServer, Subject } from '../subject.js';

export const plainServerSubject: Subject = {
  name: 'plain-server',
  adapter: (origin, pieceBytes) =>
    byteOffset({
      statusUrl: `${origin}/status`,
      uploadUrl: `${origin}/upload`,
      fileId: ({ name }) => name,
      pieceSize: pieceBytes,
    }),
  start: startPlainServer,
  cannot: {
    'server killed': 'the server keeps unfinished files in memory: see "session gone"',
    cancelled: 'neither the protocol nor the server has a cancel',
  },
  repeats: 'the server answers 0 for a finished file as for one that it never saw',
};

async function startPlainServer(): Promise<RunningServer> {
  const server = await new PlainServer().start();
  return {
    origin: new URL(server.urls.statusUrl).origin,
    stop: () => server.stop(),
    held: async (name) =>
      (server.delivered.get(name) ?? []).map((bytes) => createHash('sha256').update(bytes).digest('hex')),
    forget: async (name) => server.truncate(name, 0),
    lose: async (name) => server.truncate(name, Math.floor(server.held(name) / 2)),
  };
}
