// The byte-offset adapter with the reference server.

import { createHash } from 'node:crypto';
import { readFile, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { byteOffset } from '../../../sw/index.js';
import type { RunningServer, Subject } from '../subject.js';
import { startProcess } from './server-process.js';

export const byteOffsetSubject: Subject = {
  name: 'byte-offset',
  adapter: (origin, pieceBytes) =>
    byteOffset({
      statusUrl: `${origin}/api/status`,
      uploadUrl: `${origin}/api/upload`,
      fileId: ({ name }) => name,
      pieceSize: pieceBytes,
      settleMs: 0,
    }),
  start: startReferenceServer,
  cannot: { cancelled: 'the protocol has no cancel; the server deletes what is abandoned after 7 days' },
};

async function startReferenceServer(): Promise<RunningServer> {
  const server = await startProcess('../../../demo/server/main.ts');
  const { restart, dataDir, origin, stop } = server;
  const bytesOf = (name: string) => join(dataDir, `${keyOf(name)}.data`);
  const unlessFinished = async (name: string, task: () => Promise<unknown>) => {
    if (!(await isFinished(dataDir, name))) await task();
  };
  return {
    origin,
    stop,
    restart,
    held: (name) => finishedUnder(dataDir, name),
    // The server keeps its books in memory: what is done to its folder is done while it is down.
    forget: (name) =>
      restart(() =>
        unlessFinished(name, async () => {
          await rm(bytesOf(name), { force: true });
          await rm(join(dataDir, `${keyOf(name)}.json`), { force: true });
        }),
      ),
    lose: (name) =>
      restart(() =>
        unlessFinished(name, async () => {
          const found = await stat(bytesOf(name)).catch(() => undefined);
          if (found) await truncate(bytesOf(name), Math.floor(found.size / 2));
        }),
      ),
  };
}

/** The name of an upload's files in the reference server's folder. */
export function keyOf(name: string): string {
  return createHash('sha256').update(name).digest('hex');
}

async function isFinished(dataDir: string, name: string): Promise<boolean> {
  const meta = await readFile(join(dataDir, `${keyOf(name)}.json`), 'utf8').catch(() => undefined);
  if (meta === undefined) return false;
  return (await stat(join(dataDir, `${keyOf(name)}.data`))).size === JSON.parse(meta).sizeBytes;
}

/** What the reference server, whatever its protocol, has finished under this name. */
export async function finishedUnder(dataDir: string, name: string): Promise<readonly string[]> {
  if (!(await isFinished(dataDir, name))) return [];
  return [
    createHash('sha256')
      .update(await readFile(join(dataDir, `${keyOf(name)}.data`)))
      .digest('hex'),
  ];
}
