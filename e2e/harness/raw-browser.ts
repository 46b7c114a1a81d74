// Owns a Chromium with no debugger attached to any page or worker, because an attached debugger keeps a service worker
// alive. Tabs are opened and closed over plain HTTP; pages report to the server, not to us.
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromiumArgs } from './browser.js';
import { findChromium } from './chromium.js';
import { killTree } from './processes.js';

export interface RawBrowserOptions {
  /** Default: a temporary one, removed by `kill`. */
  readonly profileDir?: string;
  readonly args?: readonly string[];
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
  const child = spawn(
    await findChromium(),
    [
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

  const ask = async (path: string, method: 'GET' | 'PUT' = 'GET'): Promise<Response> => {
    const answer = await fetch(`${debuggingUrl}/json/${path}`, { method, signal: AbortSignal.timeout(10_000) });
    if (!answer.ok) throw new Error(`Chromium answered ${answer.status} to /json/${path}: ${await answer.text()}`);
    return answer;
  };
  return {
    pid,
    profileDir,
    debuggingUrl,
    async openTab(tabUrl) {
      const tab: unknown = await (await ask(`new?${encodeURIComponent(tabUrl)}`, 'PUT')).json();
      return readTab(tab).id;
    },
    async closeTab(id) {
      await ask(`close/${id}`);
    },
    async tabs() {
      const list: unknown = await (await ask('list')).json();
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

function readTab(value: unknown): { id: string; url: string; type: string } {
  const { id, url, type } = (value ?? {}) as Record<string, unknown>;
  if (typeof id !== 'string') throw new Error('Chromium listed a tab without an id.');
  return { id, url: String(url), type: String(type) };
}
