// The harness with the test page as the served app. `import { test, expect } from './pages/fixtures.js'`.
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright';
import type { Tab } from '../engines/engine.js';
import type { SourceFile } from '../harness/files.js';
import { addFiles, test as base, expect, untilReady } from '../harness/fixtures.js';
import {
  acknowledgedBytesSentAgain,
  deliveries,
  fileIds,
  maxConcurrentWriters,
  withoutRepeats,
} from '../harness/ledger.js';
import type { ReferenceServer } from '../harness/server.js';
import { buildPages } from './build.js';
import type { EnqueueResult } from './page.js';

export { EVERY_ENGINE, expect } from '../harness/fixtures.js';

export interface Pages {
  /** What the server serves; complete before it starts. */
  appDir: string;
  /** Temporary, for files to add. */
  filesDir: string;
}

export const test = base.extend<Pages>({
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads a fixture's needs from this pattern.
  appDir: async ({}, use) =>
    temporary('app', async (dir) => {
      await buildPages(dir);
      await use(dir);
    }),
  // biome-ignore lint/correctness/noEmptyPattern: as above.
  filesDir: async ({}, use) => temporary('files', use),
  serverEnv: async ({ appDir }, use) => use({ APP_DIR: appDir }),
});

async function temporary(name: string, use: (dir: string) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), `backhaul-${name}-`));
  await use(dir);
  await rm(dir, { recursive: true, force: true });
}

/** Opens the test page with Backhaul on `worker`. */
export async function openLab(page: Tab, origin: string, worker = '/worker.js'): Promise<void> {
  await page.goto(`${origin}/?worker=${encodeURIComponent(worker)}`);
  await untilReady(page);
}

/** Picks files and looks at their sizes, as every app does that shows what was picked. */
export async function choose(page: Tab, files: readonly (SourceFile | string)[]): Promise<void> {
  await addFiles(page, files);
  await page.evaluate(() => window.lab.chosen().map(({ size }) => size));
}

/** Enqueues what was picked. */
export function enqueueChosen(page: Tab, endpoint = 'photos'): Promise<EnqueueResult> {
  return page.evaluate((name) => window.lab.enqueue(undefined, name), endpoint);
}

/** One driver at every moment, delivered once, nothing sent again, save by a browser that `repeats` requests itself. */
export async function expectCleanDelivery(server: ReferenceServer, repeats = false): Promise<void> {
  const [fileId = ''] = fileIds(server.ledger);
  // The bytes are on the server's disk a moment before its last line is in the ledger.
  await expect.poll(() => deliveries(server.ledger, fileId), 'deliveries').toBe(1);
  expect(maxConcurrentWriters(server.ledger, fileId), 'writers at once').toBe(1);
  const lines = repeats ? withoutRepeats(server.ledger, fileId) : server.ledger;
  expect(acknowledgedBytesSentAgain(lines, fileId), 'acknowledged bytes sent again').toBe(0);
}

/** Bytes in the browser's files of Blobs: how far it has got with storing. */
export async function copiedSoFar(profileDir: string): Promise<number> {
  const root = join(profileDir, 'Default/IndexedDB');
  const names = await readdir(root, { recursive: true }).catch(() => []);
  const blobs = names.filter((name) => /\.blob\/.+\/[0-9a-f]+$/.test(name));
  const sizes = await Promise.all(
    blobs.map((name) =>
      stat(join(root, name)).then(
        (entry) => (entry.isFile() ? entry.size : 0),
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, bytes) => sum + bytes, 0);
}

/** How much this origin may store; undefined: as much as the browser itself allows. */
export async function setQuota(page: Page, quotaBytes: number | undefined): Promise<void> {
  const session = await page.context().newCDPSession(page);
  const { origin } = new URL(page.url());
  const quota = quotaBytes === undefined ? {} : { quotaSize: quotaBytes };
  await session.send('Storage.overrideQuotaForOrigin', { origin, ...quota });
}

/** What this tab shows of each upload, by name. */
export function shown(page: Tab): Promise<Readonly<Record<string, string>>> {
  return page.evaluate(() => {
    const { uploads } = window.lab.backhaul?.getSnapshot() ?? { uploads: [] };
    return Object.fromEntries(uploads.map(({ name, status }) => [name, status]));
  });
}
