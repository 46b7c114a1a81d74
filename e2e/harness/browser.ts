// Owns one driven Chromium on a profile that outlives it: opened by Playwright, stopped politely, worker by worker,
// or killed like a crash. For a browser that nobody debugs see raw-browser.ts.
import { type BrowserContext, type CDPSession, chromium, type LaunchOptions, type Page } from 'playwright';
import type { EngineBrowser } from '../engines/engine.js';
import { findChromium } from './chromium.js';
import { findChild, killTree } from './processes.js';

export interface BrowserOptions {
  /** Holds cookies, IndexedDB and the worker registration; open it again to see what survived. */
  readonly profileDir: string;
  readonly args?: readonly string[];
  /** Playwright's own arguments to leave out, e.g. `--disable-back-forward-cache`. */
  readonly ignoreDefaultArgs?: readonly string[];
  readonly viewport?: { readonly width: number; readonly height: number };
}

/** All that Playwright can do in Chromium, for specs that need more than every engine has. */
export interface OpenBrowser extends EngineBrowser {
  readonly context: BrowserContext;
  readonly page: Page;
}

/** Quiet, and the same everywhere. As root (a container) Chromium refuses to start with its sandbox. */
export function chromiumArgs(): string[] {
  return [
    ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ];
}

/** Opens Chromium on `profileDir`, with one page. */
export async function openBrowser(options: BrowserOptions): Promise<OpenBrowser> {
  const launch: LaunchOptions = {
    executablePath: await findChromium(),
    headless: true,
    args: [...chromiumArgs(), ...(options.args ?? [])],
    ...(options.ignoreDefaultArgs === undefined ? {} : { ignoreDefaultArgs: [...options.ignoreDefaultArgs] }),
  };
  const context = await chromium.launchPersistentContext(options.profileDir, {
    ...launch,
    serviceWorkers: 'allow',
    ...(options.viewport === undefined ? {} : { viewport: options.viewport }),
  });
  const pid = await findChild(`--user-data-dir=${options.profileDir}`);
  if (pid === undefined) {
    await context.close();
    throw new Error(`The browser on ${options.profileDir} started, but its process was not found.`);
  }
  const page = context.pages()[0] ?? (await context.newPage());
  let over = false;
  return {
    context,
    page,
    pid,
    newPage: () => context.newPage(),
    setOffline: (offline) => context.setOffline(offline),
    async kill() {
      over = true;
      await killTree(pid);
      // Playwright notices by itself; waiting for it keeps "browser closed" errors out of the next step.
      await context.close().catch(() => undefined);
    },
    async reloadPastCaches(tab) {
      const loading = tab as Page;
      const session = await context.newCDPSession(loading);
      const loaded = loading.waitForEvent('load');
      await session.send('Page.reload', { ignoreCache: true });
      await loaded;
    },
    async stopWorkers() {
      const session = await cdpSession(context);
      try {
        await session.send('ServiceWorker.enable');
        await session.send('ServiceWorker.stopAllWorkers');
      } finally {
        await session.detach().catch(() => undefined);
      }
    },
    async close() {
      if (over) return;
      over = true;
      await context.close();
    },
  };
}

async function cdpSession(context: BrowserContext): Promise<CDPSession> {
  const page = context.pages()[0] ?? (await context.newPage());
  return context.newCDPSession(page);
}
