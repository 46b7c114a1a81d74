// The tus adapter with @tus/server: once with names of the client's, by which a lost creation is found again, and once
// as it comes, where it is not.

import { createHash } from 'node:crypto';
import { readdir, readFile, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { tus } from '../../../sw/index.js';
import type { RunningServer, Subject } from '../subject.js';
import { startProcess } from './server-process.js';

export const tusSubject: Subject = {
  name: 'tus',
  adapter: (origin, pieceSize) =>
    tus({
      endpoint: `${origin}/api/tus`,
      pieceSize,
      metadata: ({ id }) => ({ id }),
      // Files of one piece travel in the request that makes them.
      oneRequestBytes: pieceSize,
      uploadUrl: ({ id }) => `${origin}/api/tus/${id}`,
    }),
  start: startTusServer,
};

export const plainTusSubject: Subject = {
  name: 'tus-any',
  adapter: (origin, pieceSize) => tus({ endpoint: `${origin}/api/tus`, pieceSize }),
  start: startTusServer,
  repeats: 'an upload of 0 bytes is finished when it is made, and the answer that tells its URL may be lost',
};

async function startTusServer(): Promise<RunningServer> {
  const { origin, dataDir, restart, stop } = await startProcess('protocol-server.ts', { PROTOCOL: 'tus' });
  /** Names by id: what was read once does not change. */
  const names = new Map<string, { readonly name: string; readonly sizeBytes: number }>();

  async function uploadsOf(name: string) {
    for (const file of await readdir(dataDir)) {
      const id = file.replace(/\.json$/, '');
      if (id === file || names.has(id)) continue;
      const { size = 0, metadata } = JSON.parse(await readFile(join(dataDir, file), 'utf8'));
      names.set(id, { name: metadata?.filename ?? '', sizeBytes: size });
    }
    const found = [...names].filter(([, upload]) => upload.name === name);
    const sized = found.map(async ([id, { sizeBytes }]) => {
      const path = join(dataDir, id);
      const heldBytes = (await stat(path).catch(() => undefined))?.size;
      return { path, heldBytes: heldBytes ?? 0, isThere: heldBytes !== undefined, finished: heldBytes === sizeBytes };
    });
    return (await Promise.all(sized)).filter(({ isThere }) => isThere);
  }
  const unfinished = async (name: string) => (await uploadsOf(name)).filter(({ finished }) => !finished);
  return {
    origin,
    stop,
    restart,
    held: async (name) => {
      const files = (await uploadsOf(name)).filter(({ finished }) => finished);
      return Promise.all(
        files.map(async ({ path }) =>
          createHash('sha256')
            .update(await readFile(path))
            .digest('hex'),
        ),
      );
    },
    unfinished: async (name) => (await unfinished(name)).length,
    // It asks its folder each time.
    forget: async (name) => {
      for (const { path } of await unfinished(name)) {
        await rm(path);
        await rm(`${path}.json`);
      }
    },
    lose: async (name) => {
      for (const { path, heldBytes } of await unfinished(name)) await truncate(path, Math.floor(heldBytes / 2));
    },
  };
}
