// The adapter for the IETF's resumable uploads with a strict server of the draft, in both its flavours.

import { createHash } from 'node:crypto';
import { access, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { resumableUpload } from '../../../sw/index.js';
import type { RunningServer, Subject } from '../subject.js';
import { startProcess } from './server-process.js';

const subjectOf = (name: string, protocol: string): Subject => ({
  name,
  adapter: (origin, pieceSize) => resumableUpload({ endpoint: `${origin}/api/resumable`, pieceSize }),
  start: () => startIetfServer(protocol),
  cannot: { 'offset behind': 'the draft: a server that lost anything must end the upload: see "session gone"' },
});

export const ietfSubjects: readonly Subject[] = [subjectOf('ietf-15', 'ietf'), subjectOf('ietf-12', 'ietf-12')];

async function startIetfServer(protocol: string): Promise<RunningServer> {
  const { origin, dataDir, restart, stop } = await startProcess('protocol-server.ts', { PROTOCOL: protocol });
  /** Names by key: what was read once does not change. */
  const names = new Map<string, string>();

  async function keysOf(name: string, finished: boolean): Promise<readonly string[]> {
    for (const file of await readdir(dataDir)) {
      const key = file.replace(/\.json$/, '');
      if (key === file || names.has(key)) continue;
      const { metadata } = JSON.parse(await readFile(join(dataDir, file), 'utf8'));
      names.set(key, metadata.filename);
    }
    const keys: string[] = [];
    for (const [key, each] of names) {
      if (each !== name || !(await exists(join(dataDir, `${key}.data`)))) continue;
      if ((await exists(join(dataDir, `${key}.complete`))) === finished) keys.push(key);
    }
    return keys;
  }
  return {
    origin,
    stop,
    restart,
    held: async (name) => {
      const files = (await keysOf(name, true)).map((key) => readFile(join(dataDir, `${key}.data`)));
      return (await Promise.all(files)).map((bytes) => createHash('sha256').update(bytes).digest('hex'));
    },
    unfinished: async (name) => (await keysOf(name, false)).length,
    forget: (name) =>
      restart(async () => {
        for (const key of await keysOf(name, false)) {
          for (const end of ['data', 'json']) await rm(join(dataDir, `${key}.${end}`), { force: true });
        }
      }),
  };
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
