// Owns the reference server as a process that can be killed, restarted and robbed of a file; keeps what it logged.
// Judges nothing: see ledger.ts.
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { sha256File } from './files.js';
import { freePort } from './free-port.js';
import { EXIT_EVENT, type LedgerLine, parseLedgerLine } from './ledger.js';

export const repositoryDir = fileURLToPath(new URL('../..', import.meta.url));

export interface ServerOptions {
  /** Everything the server keeps; survives it. */
  readonly dataDir: string;
  /** Default: a free one, the same after each restart. */
  readonly port?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Default: dist/demo/server.js. */
  readonly script?: string;
}

/** A file's bytes as the server holds them now, finished or not. */
export interface HeldFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** Guesses: starting took 0.3 s, ending politely 0.1 s, with two busy cores. */
const START_LIMIT_MS = 15_000;
const STOP_LIMIT_MS = 5_000;

export class ReferenceServer {
  readonly port: number;
  readonly dataDir: string;
  /** Log lines of every process so far, in order. */
  readonly ledger: LedgerLine[] = [];
  readonly #options: ServerOptions;
  readonly #hashes = new Map<string, HeldFile>();
  #child: ChildProcess | undefined;
  #run = 0;
  #errors = '';

  constructor(options: ServerOptions & { readonly port: number }) {
    this.#options = options;
    this.port = options.port;
    this.dataDir = options.dataDir;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts the process and waits until it answers. */
  async start(): Promise<void> {
    if (this.#child !== undefined) return;
    const run = ++this.#run;
    const { NODE_OPTIONS: _ours, ...inherited } = process.env;
    const env = { ...inherited, PORT: String(this.port), DATA_DIR: this.dataDir, LOG: 'json', ...this.#options.env };
    const script = this.#options.script ?? join(repositoryDir, 'dist/demo/server.js');
    const child = spawn(process.execPath, [script], { cwd: repositoryDir, env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    this.#errors = '';
    createInterface({ input: child.stdout }).on('line', (text) => {
      const line = parseLedgerLine(text, run);
      if (line !== undefined) this.ledger.push(line);
    });
    child.stderr.on('data', (data: Buffer) => {
      this.#errors = (this.#errors + data.toString()).slice(-4000);
    });
    // `close`, not `exit`: what it had written before it died comes first.
    child.once('close', () => {
      this.ledger.push({ event: EXIT_EVENT, atMs: Date.now(), run });
      if (this.#child === child) this.#child = undefined;
    });
    await this.#untilHealthy(child);
  }

  async #untilHealthy(child: ChildProcess): Promise<void> {
    const limitMs = Date.now() + START_LIMIT_MS;
    while (this.#child === child) {
      const answer = await fetch(`http://127.0.0.1:${this.port}/healthz`).catch(() => undefined);
      await answer?.arrayBuffer();
      if (answer?.ok) return;
      if (Date.now() > limitMs) {
        await this.kill();
        break;
      }
      await delay(20);
    }
    throw new Error(`The reference server did not start on port ${this.port}: ${this.#errors || 'it said nothing.'}`);
  }

  /** SIGKILL: nothing is flushed, no connection is closed by the server itself. */
  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  /** SIGTERM, and SIGKILL if that takes too long. */
  stop(): Promise<void> {
    return this.#end('SIGTERM');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const closed = once(child, 'close');
    child.kill(signal);
    const limit = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
    await closed;
    clearTimeout(limit);
  }

  /** The same port and folder, a new process. Kills the old one if it runs. */
  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  /** The server loses this file. It keeps its books in memory, so a running server is restarted for it. */
  async forget(fileId: string): Promise<void> {
    const running = this.#child !== undefined;
    await this.kill();
    for (const path of await this.#files(fileId)) await rm(path, { force: true });
    if (running) await this.start();
  }

  /** What the server holds of the file with this X-File-Id; undefined if nothing. */
  async heldFile(fileId: string): Promise<HeldFile | undefined> {
    const path = (await this.#files(fileId)).find((name) => !name.endsWith('.json') && !name.endsWith('.tmp'));
    return path === undefined ? undefined : this.#hash(path);
  }

  /** What the server holds of every file, or of those that `select` by size. Hashes are kept while a file does not change. */
  async heldFiles(select: (file: { readonly sizeBytes: number }) => boolean = () => true): Promise<HeldFile[]> {
    const held: HeldFile[] = [];
    for (const path of await this.#walk()) {
      if (!path.endsWith('.data')) continue;
      const { size: sizeBytes } = await stat(path);
      if (select({ sizeBytes })) held.push(await this.#hash(path));
    }
    return held;
  }

  async #files(fileId: string): Promise<string[]> {
    // The server names files so that no id becomes a path (demo/server/upload-store.ts).
    const key = createHash('sha256').update(fileId).digest('hex');
    return (await this.#walk()).filter((path) => path.includes(key));
  }

  async #walk(): Promise<string[]> {
    const entries = await readdir(this.dataDir, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  }

  async #hash(path: string): Promise<HeldFile> {
    const { size: sizeBytes, mtimeMs } = await stat(path);
    const key = `${path} ${sizeBytes} ${mtimeMs}`;
    const known = this.#hashes.get(key);
    if (known !== undefined) return known;
    const held = { path, sizeBytes, sha256: await sha256File(path) };
    this.#hashes.set(key, held);
    return held;
  }
}

/** Starts the reference server and waits until it answers. */
export async function startServer(options: ServerOptions): Promise<ReferenceServer> {
  const server = new ReferenceServer({ ...options, port: options.port ?? (await freePort()) });
  await server.start();
  return server;
}
