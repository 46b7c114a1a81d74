// Policies in a real browser: a connection that turns cellular under a running upload, and what its user wants of it. The
// connection is the browser's own, set through its debugger, in the page and in the worker alike. The server's records judge.
import { join } from 'node:path';
import type { Page } from 'playwright';
import { createUploadServer } from '../demo/server/upload-server.js';
import { AS_ON_A_PHONE, connectionOf } from './harness/connection.js';
import { test as base, expect } from './harness/fixtures.js';
import { acknowledgedBytesSentAgain, deliveries, fileIds, type LedgerLine } from './harness/ledger.js';
import { type AppPage, deliverRandom, openApp, serveAppPage, shownCounts } from './protocols/app-page.js';

interface Site {
  readonly app: AppPage;
  readonly ledger: readonly LedgerLine[];
}

const test = base.extend<{ site: Site }>({
  site: async ({ dataDir }, use) => {
    const ledger: LedgerLine[] = [];
    const uploads = createUploadServer({
      dataDir: join(dataDir, 'uploads'),
      // So slow that there is time to look.
      authorize: () => new Promise((resolve) => setTimeout(resolve, 25, '')),
      onRequest: (record) => ledger.push({ run: 1, ...record } as LedgerLine),
    });
    const app = await serveAppPage((request, response) => uploads.handle(request, response));
    await app.serveWorker(`
      import { byteOffset, installBackhaul, policies, userWishes } from './sw/index.ts';
      const backhaul = installBackhaul({ endpoints: { photos: byteOffset({
        statusUrl: '/api/status', uploadUrl: '/api/upload', pieceSize: 100_000, settleMs: 0,
      }) } });
      userWishes(policies(backhaul, { photos: { unmetered: true } }));
      self.addEventListener('install', () => self.skipWaiting());
      self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));`);
    await use({ app, ledger });
    await uploads.close();
    app.close();
  },
});

async function open(page: Page, app: AppPage): Promise<void> {
  await openApp(page, app);
  await page.evaluate(() => void window.relayConditions(window.backhaul));
}

const acceptedBytes = (ledger: readonly LedgerLine[]) =>
  ledger.reduce((sum, { acceptedBytes: bytes = 0 }) => sum + bytes, 0);

test('turns cellular under a running upload: it stops, says why, and goes on from its byte on Wi-Fi, though its worker was stopped', async ({
  site: { app, ledger },
  launch,
}) => {
  const browser = await launch({ args: AS_ON_A_PHONE });
  const { page } = browser;
  await open(page, app);
  expect(await page.evaluate(() => window.knownConditions())).toEqual({ metered: true, saveData: true, battery: true });
  const become = await connectionOf(page);
  await become('wifi');
  void deliverRandom(page, [3_000_000, 150_000]).catch(() => {});
  await expect.poll(() => acceptedBytes(ledger)).toBeGreaterThan(500_000);
  await become('cellular4g');
  await expect.poll(() => shownCounts(page)).toMatchObject({ metered: expect.any(Number) });
  const { metered, uploading = 0, preparing = 0 } = await shownCounts(page);
  expect({ metered, uploading, preparing }).toEqual({ metered: 1, uploading: 0, preparing: 0 });
  // The debugger tells a worker that starts, and all of them at a reload, of Ethernet first, for some 30 ms; what is begun in
  // that time is stopped like the rest.
  await browser.stopWorkers();
  await page.reload();
  await open(page, app);
  await expect.poll(() => shownCounts(page)).toMatchObject({ metered: 1 });
  // What was on its way has arrived or not by now; after that, nothing comes, though the user is there.
  const requests = ledger.length;
  for (let visit = 0; visit < 5; visit += 1) await page.evaluate(() => window.backhaul.wake());
  await expect.poll(() => shownCounts(page)).toMatchObject({ metered: 1 });
  expect(ledger.length - requests).toBeLessThanOrEqual(1);

  await browser.stopWorkers();
  await become('wifi');
  await expect.poll(() => shownCounts(page)).toEqual({ completed: 2 });
  for (const id of fileIds(ledger)) {
    expect(deliveries(ledger, id)).toBe(1);
    expect(acknowledgedBytesSentAgain(ledger, id)).toBe(0);
  }
});

test('the switch of its user, and "send now" for one, hold over a restart of the browser', async ({
  site: { app, ledger },
  launch,
}) => {
  const first = await launch({ args: AS_ON_A_PHONE });
  await open(first.page, app);
  await (await connectionOf(first.page))('cellular4g');
  expect(await first.page.evaluate(() => window.policy(window.backhaul, 'photos'))).toEqual({ unmetered: true });
  void deliverRandom(first.page, [250_000, 1_500_000, 260_000]).catch(() => {});
  await expect.poll(() => shownCounts(first.page)).toEqual({ metered: 3 });
  expect(ledger).toEqual([]);
  await first.page
    .evaluate(() => window.backhaul.getSnapshot().uploads[1]?.id)
    .then((id) => first.page.evaluate((chosen) => chosen && window.sendNow(window.backhaul, chosen), id));
  await expect.poll(() => acceptedBytes(ledger)).toBeGreaterThan(200_000);
  await first.kill();

  const second = await launch({ args: AS_ON_A_PHONE });
  // Before the page has a word in it: the worker that this starts reads what was stored.
  await second.page.goto('about:blank');
  await (await connectionOf(second.page))('cellular4g');
  await open(second.page, app);
  await expect.poll(() => shownCounts(second.page)).toEqual({ metered: 2, completed: 1 });
  const [only = ''] = fileIds(ledger).filter((id) => deliveries(ledger, id) > 0);
  expect(fileIds(ledger)).toEqual([only]);
  expect(acknowledgedBytesSentAgain(ledger, only)).toBe(0);

  // The user does not mind the cost: at once, and for good.
  await second.page.evaluate(() => window.setPolicy(window.backhaul, 'photos', { unmetered: false }));
  await expect.poll(() => shownCounts(second.page)).toEqual({ completed: 3 });
  await second.close();
  const third = await launch({ args: AS_ON_A_PHONE });
  await open(third.page, app);
  expect(await third.page.evaluate(() => window.policy(window.backhaul, 'photos'))).toEqual({ unmetered: false });
});

test('a browser that does not say what it is connected by holds nothing up, and says that it cannot', async ({
  site: { app },
  launch,
}) => {
  const { page } = await launch();
  await open(page, app);
  await (await connectionOf(page))('cellular4g');
  expect(await page.evaluate(() => window.knownConditions())).toMatchObject({ metered: false, saveData: true });
  await deliverRandom(page, [250_000]);
});
