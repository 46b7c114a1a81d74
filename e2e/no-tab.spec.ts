// Uploads with no page of the app open, in a Chromium without a debugger (an attached one keeps a worker alive), at the end
// of a cable that is really pulled. What the server received judges.
import { join } from 'node:path';
import { type Cable, layCable, whyNoCable } from './harness/cable.js';
import type { SourceFile } from './harness/files.js';
import { test as base, expect, untilDelivered } from './harness/fixtures.js';
import { acknowledgedBytesSentAgain, deliveries, fileIds, firstByteAfter } from './harness/ledger.js';
import { type Link, startLink } from './harness/link.js';
import { openRawBrowser, type RawBrowser } from './harness/raw-browser.js';
import type { ReferenceServer } from './harness/server.js';
import { makeSite } from './soak/site.js';

const SIZE_BYTES = 20_000_000;
const BITS_PER_SECOND = 8_000_000;
/**
 * From the link's return to the first new byte. It prints 1 to 3 s, most of it the browser's own; twice the promised 5 s
 * on a busy machine still tells a wake-up from a retry of the browser, whose first comes after minutes.
 */
const LIMIT_MS = 10_000;

const missing = await whyNoCable();

interface Place {
  readonly file: SourceFile;
  readonly cable: Cable;
  readonly wire: Link;
  /** Opens the browser on `path` of the app, or on an empty page. */
  readonly open: (path?: string) => Promise<RawBrowser>;
}

const test = base.extend<{ siteDir: string; file: SourceFile; place: Place }>({
  siteDir: async ({ dataDir }, use) => use(`${dataDir}-site`),
  file: async ({ siteDir }, use) => use(await makeSite(siteDir, SIZE_BYTES)),
  // The site is made before the server starts.
  serverEnv: async ({ siteDir, file: _ }, use) => use({ APP_DIR: siteDir }),
  place: async ({ file, server, profileDir }, use) => {
    const cable = await layCable();
    const wire = await startLink({
      targetPort: server.port,
      host: cable.address,
      uplinkBitsPerSecond: BITS_PER_SECOND,
    });
    const opened: RawBrowser[] = [];
    const args = [`--unsafely-treat-insecure-origin-as-secure=${wire.origin}`];
    await use({
      file,
      cable,
      wire,
      open: async (path) => {
        const url = path === undefined ? 'about:blank' : `${wire.origin}${path}`;
        const browser = await openRawBrowser(url, { profileDir: join(profileDir, 'raw'), farEnd: cable.farEnd, args });
        opened.push(browser);
        return browser;
      },
    });
    for (const browser of opened) await browser.kill();
    await wire.close();
    await cable.remove();
  },
});

const heldBytes = (server: ReferenceServer) =>
  server.ledger.reduce((most, { answeredBytes = 0 }) => Math.max(most, answeredBytes), 0);

/** Lets a fifth arrive, then closes the only page of the app. */
async function closeAtAFifth(browser: RawBrowser, server: ReferenceServer, before: () => Promise<void>): Promise<void> {
  const [app] = await browser.tabs();
  await browser.openTab('about:blank');
  await expect.poll(() => heldBytes(server), { timeout: 60_000 }).toBeGreaterThan(SIZE_BYTES / 5);
  await before();
  await browser.closeTab(app?.id ?? '');
}

async function expectDelivery(server: ReferenceServer, file: SourceFile): Promise<void> {
  await untilDelivered(server, [file], { timeoutMs: 90_000 });
  const [fileId = ''] = fileIds(server.ledger);
  expect(deliveries(server.ledger, fileId)).toBe(1);
  expect(acknowledgedBytesSentAgain(server.ledger, fileId)).toBe(0);
}

test.describe('no tab', () => {
  test.skip(missing !== undefined, missing);

  test('the page is closed at a fifth: the rest arrives, and no page is opened for it', async ({ server, place }) => {
    const browser = await place.open('/');
    await closeAtAFifth(browser, server, async () => {});
    await expectDelivery(server, place.file);
    expect((await browser.tabs()).map(({ url }) => url)).toEqual(['about:blank']);
  });

  test('offline when the page is closed, online 40 s later: it goes on at once', async ({ server, place }) => {
    const browser = await place.open('/');
    await closeAtAFifth(browser, server, place.cable.pull);
    await new Promise((resolve) => setTimeout(resolve, 40_000));
    await place.cable.plug();
    await expectFirstByteSoon(server, Date.now());
    await expectDelivery(server, place.file);
  });

  test('killed while offline, started again on an empty page, online: delivered', async ({ server, place }) => {
    const browser = await place.open('/');
    await closeAtAFifth(browser, server, place.cable.pull);
    await browser.kill();
    await place.open();
    // No limit but the delivery's: the browser is still starting when the link is back.
    await place.cable.plug();
    await expectDelivery(server, place.file);
  });
});

async function expectFirstByteSoon(server: ReferenceServer, backAtMs: number): Promise<void> {
  const [fileId = ''] = fileIds(server.ledger);
  await expect.poll(() => firstByteAfter(server.ledger, fileId, backAtMs), { timeout: 60_000 }).toBeDefined();
  const tookMs = (firstByteAfter(server.ledger, fileId, backAtMs) ?? Infinity) - backAtMs;
  console.log(`first new byte ${(tookMs / 1000).toFixed(2)} s after the link was back`);
  expect(tookMs).toBeLessThan(LIMIT_MS);
}
