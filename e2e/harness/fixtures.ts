// Owns what every browser test stands on: folders, a server, a link before it, browsers on one profile, and the
// polls that wait for the server's word. `import { test, expect } from './harness/fixtures.js'`.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test as base, expect } from 'playwright/test';
import { differenceOf } from '../engines/differences.js';
import {
  type EngineBrowser,
  type EngineName,
  type EngineOptions,
  EVERY_ENGINE_TAG,
  type Tab,
} from '../engines/engine.js';
import { whyAbsent } from '../engines/installed.js';
import { openEngine } from '../engines/open.js';
import { type BrowserOptions, type OpenBrowser, openBrowser } from './browser.js';
import type { SourceFile } from './files.js';
import { type Link, startLink } from './link.js';
import { type ReferenceServer, startServer } from './server.js';

export { expect } from 'playwright/test';

export interface Harness {
  /** Options of `server`'s environment; set with `test.use({ serverEnv: { ... } })`. */
  serverEnv: Readonly<Record<string, string>>;
  /** Options of `link`; set with `test.use({ linkOptions: { ... } })`. */
  linkOptions: { readonly uplinkBitsPerSecond?: number; readonly latencyMs?: number };
  /** Temporary, removed afterwards, like `dataDir`. */
  profileDir: string;
  dataDir: string;
  /** The reference server, started. */
  server: ReferenceServer;
  /** Between every browser and `server`; its origin is the app's. */
  link: Link;
  /** Opens Chromium on `profileDir`; again after `kill` or `close`. Not called `browser`, which is Playwright's own. */
  launch: (options?: Partial<BrowserOptions>) => Promise<OpenBrowser>;
  /** The same for the engine of this project: all that a spec for every engine has. */
  open: (options?: Omit<EngineOptions, 'profileDir'>) => Promise<EngineBrowser>;
}

/** Fixed by the project; see playwright.config.ts. */
export interface EngineOption {
  engine: EngineName;
}

/** The details of such a test. */
export const EVERY_ENGINE = { tag: EVERY_ENGINE_TAG } as const;

export const test = base.extend<Harness & { expectation: undefined }, EngineOption>({
  engine: ['chromium', { option: true, scope: 'worker' }],
  expectation: [
    async ({ engine }, use, info) => {
      const absent = whyAbsent(engine);
      if (absent !== undefined) info.skip(true, absent);
      const difference = differenceOf(engine, info.title);
      if (difference?.kind === 'untested') info.skip(true, difference.reason);
      await use(undefined);
    },
    { auto: true },
  ],
  serverEnv: [{}, { option: true }],
  linkOptions: [{}, { option: true }],
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads a fixture's needs from this pattern.
  profileDir: async ({}, use) => temporary('profile', use),
  // biome-ignore lint/correctness/noEmptyPattern: as above.
  dataDir: async ({}, use) => temporary('data', use),
  server: async ({ dataDir, serverEnv }, use) => {
    const server = await startServer({ dataDir, env: serverEnv });
    await use(server);
    await server.kill();
  },
  link: async ({ server, linkOptions }, use) => {
    const link = await startLink({ targetPort: server.port, ...linkOptions });
    await use(link);
    await link.close();
  },
  launch: async ({ profileDir }, use) =>
    closing((options: Partial<BrowserOptions> | undefined) => openBrowser({ profileDir, ...options }), use),
  open: async ({ profileDir, engine }, use) =>
    closing(
      (options: Omit<EngineOptions, 'profileDir'> | undefined) => openEngine(engine, { profileDir, ...options }),
      use,
    ),
});

/** Whatever was opened is closed when the test is over. */
async function closing<Options extends unknown[], Opened extends EngineBrowser>(
  open: (...options: Options) => Promise<Opened>,
  use: (open: (...options: Options) => Promise<Opened>) => Promise<void>,
): Promise<void> {
  const opened: Opened[] = [];
  await use(async (...options) => {
    const browser = await open(...options);
    opened.push(browser);
    return browser;
  });
  for (const browser of opened) await browser.close();
}

async function temporary(name: string, use: (dir: string) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), `backhaul-${name}-`));
  await use(dir);
  // A killed browser's last files may still be on their way out.
  await rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}

/** Picks files in the demo's input, as a user does. Paths, not bytes: of any size. */
export async function addFiles(page: Tab, files: readonly (SourceFile | string)[]): Promise<void> {
  await page.setInputFiles(
    '#file-input',
    files.map((file) => (typeof file === 'string' ? file : file.path)),
  );
}

/** Waits until the page says that its script has run. */
export async function untilReady(page: Tab): Promise<void> {
  const ready = () => page.evaluate(() => document.documentElement.dataset['ready']).catch(() => 'between two pages');
  await expect.poll(ready, poll('data-ready of the page', {})).toBe('true');
}

/** Waits until the page's own worker is active: from then on files can be added. */
export async function workerReady(page: Tab): Promise<void> {
  await page.evaluate(async () => void (await navigator.serviceWorker.ready));
}

interface Wait {
  /** Default 60 s. */
  readonly timeoutMs?: number;
}

const poll = (message: string, { timeoutMs = 60_000 }: Wait) => ({
  message,
  timeout: timeoutMs,
  intervals: [50, 100, 250],
});

/** Waits until the server holds every one of `files`, byte by byte, and as often as it was given. */
export async function untilDelivered(
  server: ReferenceServer,
  files: readonly SourceFile[],
  wait: Wait = {},
): Promise<void> {
  const wanted = files.map(({ sha256 }) => sha256).sort();
  const sizes = new Set(files.map(({ sizeBytes }) => sizeBytes));
  const held = async () => {
    // A file of another size is not whole yet: its hash would be work for nothing.
    const whole = await server.heldFiles(({ sizeBytes }) => sizes.has(sizeBytes));
    return whole.map(({ sha256 }) => sha256).sort();
  };
  await expect.poll(held, poll('SHA-256 of the files that the server holds', wait)).toEqual(wanted);
}

/** Waits until at least `bytes` of body have gone through the link, over all uploads since its start. */
export async function untilSent(link: Link, bytes: number, wait: Wait = {}): Promise<void> {
  const sent = () => link.requests.reduce((sum, { bodyBytesForwarded }) => sum + bodyBytesForwarded, 0);
  await expect.poll(sent, poll('body bytes that went through the link', wait)).toBeGreaterThanOrEqual(bytes);
}
