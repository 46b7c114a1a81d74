// Owns one WebKitGTK from Debian's packages, driven by WebKitWebDriver on a screen that nobody sees, with a profile that
// outlives it (webkit-browser.mjs).
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../harness/free-port.js';
import { killTree, treeNamed } from '../harness/processes.js';
import { repositoryDir } from '../harness/server.js';
import { type EngineBrowser, type EngineOptions, NoMeans } from './engine.js';
import { WebDriverSession } from './webdriver.js';

export const WEBKIT = join(repositoryDir, 'e2e/engines/webkit-browser.mjs');
/** A guess: it took 0.1 s. */
const START_LIMIT_MS = 15_000;

export async function openWebKit({
  profileDir,
  private: isPrivate = false,
  quota,
}: EngineOptions): Promise<EngineBrowser> {
  if (quota !== undefined) throw new NoMeans('WebKitGTK took 70 MB with a limit of 50 MB set.');

  const screen = await openScreen();
  const port = await freePort();
  const driver = spawn('WebKitWebDriver', [`--port=${port}`, '--host=127.0.0.1'], {
    stdio: 'ignore',
    detached: true,
    env: webkitEnvironment(profileDir, screen.display),
  });
  const pid = pidOf(driver);
  const kill = async () => {
    await killTree(pid);
    await killTree(screen.pid);
  };
  try {
    const origin = `http://127.0.0.1:${port}`;
    await untilAnswers(`${origin}/status`);
    const session = await WebDriverSession.start(origin, {
      'webkitgtk:browserOptions': { binary: WEBKIT, args: [profileDir, ...(isPrivate ? ['private'] : [])] },
    });
    let over = false;
    return {
      context: undefined,
      page: await session.firstTab(),
      pid,
      newPage: () => session.newTab(),
      async kill() {
        over = true;
        await kill();
      },
      async stopWorkers() {
        // WebDriver has no command for it. The worker has a process of its own, which starts after the page's.
        const [page, ...others] = await treeNamed(pid, 'WebKitWebProcess');
        const worker = others.at(-1);
        if (page === undefined || worker === undefined) throw new Error('WebKit has no process of a service worker.');
        process.kill(worker, 'SIGKILL');
      },
      async setOffline() {
        throw new NoMeans('WebDriver has no command that takes a browser offline.');
      },
      async reloadPastCaches() {
        throw new NoMeans('WebDriver has no command that reloads a page past its caches.');
      },
      async close() {
        if (over) return;
        over = true;
        await session.end().catch(() => undefined);
        await kill();
      },
    };
  } catch (cause) {
    await kill();
    throw cause;
  }
}

export function webkitEnvironment(profileDir: string, display: string): NodeJS.ProcessEnv {
  return {
    ...process.env,
    DISPLAY: display,
    GDK_BACKEND: 'x11',
    HOME: profileDir,
    XDG_RUNTIME_DIR: profileDir,
    NO_AT_BRIDGE: '1',
    // There is no graphics card to speak with.
    WEBKIT_DISABLE_COMPOSITING_MODE: '1',
    WEBKIT_DISABLE_DMABUF_RENDERER: '1',
  };
}

export async function openScreen(): Promise<{ readonly display: string; readonly pid: number }> {
  const server = spawn('Xvfb', ['-displayfd', '3', '-nolisten', 'tcp', '-screen', '0', '1280x800x24'], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    detached: true,
  });
  const pid = pidOf(server);
  // It chooses a number that is free.
  const [number] = await once(server.stdio[3] as Readable, 'data', { signal: AbortSignal.timeout(START_LIMIT_MS) });
  return { display: `:${String(number).trim()}`, pid };
}

/** Ends with this process, whatever becomes of that. */
function pidOf(child: ChildProcess): number {
  const { pid } = child;
  if (pid === undefined) throw new Error(`${child.spawnfile} could not be spawned.`);
  const end = () => {
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // Gone already.
    }
  };
  process.once('exit', end);
  child.once('exit', () => process.off('exit', end));
  return pid;
}

async function untilAnswers(url: string): Promise<void> {
  const limitMs = Date.now() + START_LIMIT_MS;
  for (;;) {
    const answer = await fetch(url).catch(() => undefined);
    if (answer?.ok) return;
    if (Date.now() > limitMs) throw new Error(`${url} did not answer.`);
    await delay(20);
  }
}
