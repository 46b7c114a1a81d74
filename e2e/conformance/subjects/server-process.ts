// One of the demo's servers as a process of its own: bundled once, on a folder and a port that outlive it, killed with
// SIGKILL. Knows nothing of what it serves.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { freePort } from '../../harness/free-port.js';

export interface ServerProcess {
  readonly origin: string;
  readonly dataDir: string;
  /** SIGKILL, `meanwhile`, and another process on the same folder and port. */
  restart(meanwhile?: () => Promise<unknown>): Promise<void>;
  stop(): Promise<void>;
}

/** A guess: 0.1 s when nothing else runs. */
const START_LIMIT_MS = 20_000;

/** Starts `entry`, a path from this folder: it serves at PORT what it keeps in DATA_DIR, and answers any GET when it is ready. */
export async function startProcess(
  entry: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<ServerProcess> {
  const dataDir = await mkdtemp(join(tmpdir(), 'backhaul-conformance-'));
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const script = await bundled(entry);
  let child: ChildProcess | undefined;

  async function start(): Promise<void> {
    const { NODE_OPTIONS: _ours, ...inherited } = process.env;
    const env = { ...inherited, PORT: String(port), DATA_DIR: dataDir, APP_DIR: dataDir, ...environment };
    const started = spawn(process.execPath, [script], { env, stdio: ['ignore', 'ignore', 'inherit'] });
    child = started;
    const endMs = Date.now() + START_LIMIT_MS;
    while (!(await answers(origin))) {
      if (started.exitCode !== null || Date.now() > endMs) throw new Error(`${entry} did not start.`);
      await delay(5);
    }
  }

  async function kill(): Promise<void> {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  await start();
  return {
    origin,
    dataDir,
    restart: async (meanwhile) => {
      await kill();
      await meanwhile?.();
      await start();
    },
    stop: async () => {
      await kill();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** Where packages are found from. */
async function bundled(entry: string): Promise<string> {
  const name = `${entry.replace(/\W+/g, '-')}-${process.pid}.mjs`;
  const outfile = fileURLToPath(new URL(`../../../node_modules/.cache/backhaul-conformance/${name}`, import.meta.url));
  const from = fileURLToPath(new URL(entry, import.meta.url));
  await build({
    entryPoints: [from],
    outfile,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    logLevel: 'error',
  });
  return outfile;
}

function answers(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    get(url, { agent: false }, (response) => {
      response.resume();
      resolve(true);
    }).on('error', () => resolve(false));
  });
}
