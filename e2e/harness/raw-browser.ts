// Owns a Chromium with no debugger attached to any page or worker, because an attached debugger keeps a service worker
// alive. Tabs are opened and closed over plain HTTP; pages report to the server, not to us.
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { chromiumArgs } from './browser.js';
import { findChromium } from './chromium.js';
import { killTree } from './processes.js';

export interface RawBrowserOptions {
  /** Default: a temporary one, removed by `kill`. */
  readonly profileDir?: string;
  readonly args?: readonly string[];
  /** First words of a command that runs what follows elsewhere (cable.ts). Default: here. */
  readonly farEnd?: readonly string[];
}

export interface RawBrowser {
  readonly pid: number;
  readonly profileDir: string;
  /** For a moment of `chromium.connectOverCDP`, e.g. to fill a file input; while connected it is no longer raw. */
  readonly debuggingUrl: string;
  /** Resolves with the id of the new tab. */
  openTab(url: string): Promise<string>;
  closeTab(id: string): Promise<void>;
  tabs(): Promise<readonly { readonly id: string; readonly url: string }[]>;
  /** SIGKILL for the whole group. */
  kill(): Promise<void>;
}

/** A guess: a cold start on two busy cores took 5 s. */
const START_LIMIT_MS = 30_000;

/** Starts Chromium on `url` in its own process group. */
export async function openRawBrowser(url: string, options: RawBrowserOptions = {}): Promise<RawBrowser> {
  const profileDir = options.profileDir ?? (await mkdtemp(join(tmpdir(), 'backhaul-raw-')));
  const { farEnd = [] } = options;
  const [program = '', ...words] = [...farEnd, await findChromium()];
  const child = spawn(
    program,
    [
      ...words,
      '--headless=new',
      ...chromiumArgs(),
      '--remote-debugging-port=0',
      `--user-data-dir=${profileDir}`,
      ...(options.args ?? []),
      url,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'], detached: true },
  );
  const { pid } = child;
  if (pid === undefined) throw new Error('Chromium could not be spawned.');
  const killGroup = () => {
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // Gone already.
    }
  };
  process.once('exit', killGroup); // A detached group would outlive a test run that is aborted.

  const debuggingUrl = await new Promise<string>((resolve, reject) => {
    let errors = '';
    const limit = setTimeout(() => reject(new Error(`Chromium did not start: ${errors}`)), START_LIMIT_MS);
    child.on('exit', (code) => reject(new Error(`Chromium ended with ${code}: ${errors}`)));
    child.stderr.on('data', (data: Buffer) => {
      errors = (errors + data.toString()).slice(-4000);
      const port = /DevTools listening on ws:\/\/[^:]+:(\d+)/.exec(errors)?.[1];
      if (port === undefined) return;
      clearTimeout(limit);
      resolve(`http://127.0.0.1:${port}`);
    });
  }).catch((error: unknown) => {
    killGroup();
    throw error;
  });

  const ask = async (path: string, method: 'GET' | 'PUT' = 'GET'): Promise<string> => {
    const [status, text] = await request(`${debuggingUrl}/json/${path}`, method, farEnd);
    if (status !== 200) throw new Error(`Chromium answered ${status} to /json/${path}: ${text}`);
    return text;
  };
  return {
    pid,
    profileDir,
    debuggingUrl,
    async openTab(tabUrl) {
      const tab: unknown = JSON.parse(await ask(`new?${encodeURIComponent(tabUrl)}`, 'PUT'));
      return readTab(tab).id;
    },
    async closeTab(id) {
      await ask(`close/${id}`);
    },
    async tabs() {
      const list: unknown = JSON.parse(await ask('list'));
      return Array.isArray(list) ? list.map(readTab).filter(({ type }) => type === 'page') : [];
    },
    async kill() {
      process.off('exit', killGroup);
      killGroup();
      await killTree(pid);
      if (options.profileDir === undefined) await rm(profileDir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Status and text. At the far end by a process of its own, since its 127.0.0.1 is another. */
async function request(url: string, method: string, [program, ...words]: readonly string[]): Promise<[number, string]> {
  const ask = async (address: string, verb: string): Promise<[number, string]> => {
    const answer = await fetch(address, { method: verb, signal: AbortSignal.timeout(10_000) });
    return [answer.status, await answer.text()];
  };
  if (program === undefined) return ask(url, method);
  const script = `(${ask})(...process.argv.slice(1)).then((answer) => console.log(JSON.stringify(answer)))`;
  const { stdout } = await promisify(execFile)(program, [...words, process.execPath, '-e', script, url, method]);
  return JSON.parse(stdout) as [number, string];
}

function readTab(value: unknown): { id: string; url: string; type: string } {
  const { id, url, type } = (value ?? {}) as Record<string, unknown>;
  if (typeof id !== 'string') throw new Error('Chromium listed a tab without an id.');
  return { id, url: String(url), type: String(type) };
}
