// The byte-offset adapter with the reference server, as a process of its own: it is killed with SIGKILL.

import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, truncate } from 'node:fs/promises';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { byteOffset } from '../../../sw/index.js';
import { freePort } from '../../harness/free-port.js';
import type { RunningServer, Subject } from '../subject.js';

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
  const folder = await mkdtemp(join(tmpdir(), 'backhaul-conformance-'));
  const dataDir = join(folder, 'data');
  const script = join(folder, 'server.mjs');
  const entry = fileURLToPath(new URL('../../../demo/server/main.ts', import.meta.url));
  await build({
    entryPoints: [entry],
    outfile: script,
    bundle: true,
    platform: 'node',
    format: 'esm',
    logLevel: 'error',
  });
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  let child: ChildProcess | undefined;

  async function start(): Promise<void> {
    const env = { ...process.env, PORT: String(port), DATA_DIR: dataDir, APP_DIR: folder, NODE_OPTIONS: '' };
    const started = spawn(process.execPath, [script], { env, stdio: ['ignore', 'ignore', 'inherit'] });
    child = started;
    while (!(await answers(`${origin}/healthz`))) {
      if (started.exitCode !== null) throw new Error('The reference server did not start.');
      await delay(5);
    }
  }

  async function kill(): Promise<void> {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  const pathOf = (name: string, end: string) =>
    join(dataDir, `${createHash('sha256').update(name).digest('hex')}${end}`);
  const isFinished = async (name: string) => {
    const meta = await readFile(pathOf(name, '.json'), 'utf8').catch(() => undefined);
    return meta !== undefined && (await stat(pathOf(name, '.data'))).size === JSON.parse(meta).sizeBytes;
  };
  /** The server keeps its books in memory: what is done to its folder is done while it is down. */
  const whileDown = async (name: string, task: () => Promise<unknown>) => {
    await kill();
    if (!(await isFinished(name))) await task();
    await start();
  };

  await start();
  return {
    origin,
    held: async (name) => {
      if (!(await isFinished(name))) return [];
      return [
        createHash('sha256')
          .update(await readFile(pathOf(name, '.data')))
          .digest('hex'),
      ];
    },
    restart: async () => {
      await kill();
      await start();
    },
    forget: (name) =>
      whileDown(name, async () => {
        await rm(pathOf(name, '.data'), { force: true });
        await rm(pathOf(name, '.json'), { force: true });
      }),
    lose: (name) =>
      whileDown(name, async () => {
        const found = await stat(pathOf(name, '.data')).catch(() => undefined);
        if (found) await truncate(pathOf(name, '.data'), Math.floor(found.size / 2));
      }),
    stop: async () => {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function answers(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    get(url, { agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    }).on('error', () => resolve(false));
  });
}
