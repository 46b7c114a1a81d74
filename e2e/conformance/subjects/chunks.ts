// The chunks adapter with the demo's chunk server.

import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { chunkList, chunks } from '../../../sw/index.js';
import type { RunningServer, Subject } from '../subject.js';
import { finishedUnder, keyOf } from './byte-offset.js';
import { startProcess } from './server-process.js';

export const chunksSubject: Subject = {
  name: 'chunks',
  adapter: (origin, pieceBytes) => {
    const url = `${origin}/api/chunks`;
    return chunks({
      chunk: { url },
      ask: chunkList({ url }),
      merge: { url: `${url}/merge` },
      abort: { url },
      chunkSize: pieceBytes,
      fileId: ({ name }) => name,
    });
  },
  start: startChunkServer,
};

async function startChunkServer(): Promise<RunningServer> {
  const { origin, dataDir, restart, stop } = await startProcess('protocol-server.ts', { PROTOCOL: 'chunks' });
  const folder = join(dataDir, 'chunks');
  const filesOf = async (name: string) => (await readdir(folder)).filter((each) => each.startsWith(keyOf(name)));
  return {
    origin,
    stop,
    restart,
    held: (name) => finishedUnder(dataDir, name),
    unfinished: async (name) => ((await filesOf(name)).length > 0 ? 1 : 0),
    forget: (name) =>
      restart(async () => {
        for (const each of await filesOf(name)) await rm(join(folder, each));
      }),
    // A line of the log is a chunk.
    lose: (name) =>
      restart(async () => {
        const path = join(folder, `${keyOf(name)}.log`);
        const log = await readFile(path, 'utf8').catch(() => undefined);
        if (log !== undefined) await writeFile(path, log.replace(/\d+;\n*$/, ''));
      }),
  };
}
