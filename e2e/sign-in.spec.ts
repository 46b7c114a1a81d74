// Sign-in, in a real browser: tokens that only pages know, a token that expires, cookies. The server's own records judge.
import { join } from 'node:path';
import { createUploadServer } from '../demo/server/upload-server.js';
import { test as base, expect } from './harness/fixtures.js';
import { acknowledgedBytesSentAgain, deliveries, fileIds, type LedgerLine } from './harness/ledger.js';
import { type AppPage, deliverRandom, openApp, serveAppPage, shownCounts } from './protocols/app-page.js';

interface Guarded {
  readonly app: AppPage;
  readonly ledger: readonly LedgerLine[];
  /** Whether a request may do as it asks. */
  allow: (headers: Readonly<Record<string, unknown>>) => boolean;
}

const test = base.extend<{ guarded: Guarded }>({
  guarded: async ({ dataDir }, use) => {
    const ledger: LedgerLine[] = [];
    const uploads = createUploadServer({
      dataDir: join(dataDir, 'guarded'),
      authorize: ({ headers }) => (guarded.allow(headers) ? 'ann' : undefined),
      onRequest: (record) => ledger.push({ run: 1, ...record } as LedgerLine),
    });
    const app = await serveAppPage((request, response) => uploads.handle(request, response));
    const guarded: Guarded = { app, ledger, allow: () => true };
    await use(guarded);
    await uploads.close();
    app.close();
  },
});

const workerWith = (headers: string) => `
  import { byteOffset, headersFromPage, installBackhaul } from './sw/index.ts';
  installBackhaul({ endpoints: { photos: byteOffset({
    statusUrl: '/api/status', uploadUrl: '/api/upload', pieceSize: 100_000, settleMs: 0, ${headers}
  }) } });
  self.addEventListener('install', () => self.skipWaiting());
  self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));`;

const refusals = (ledger: readonly LedgerLine[]) => ledger.filter(({ outcome }) => outcome === 'unauthorized').length;

test('a token expires in the middle of 50 uploads: one question, all wait, then all are delivered', async ({
  guarded,
  launch,
}) => {
  const { app, ledger } = guarded;
  await app.serveWorker(workerWith('headers: headersFromPage()'));
  const { page, context } = await launch();
  const other = await context.newPage();
  for (const tab of [page, other]) {
    await openApp(tab, app);
    await tab.evaluate(() => {
      const tab = Object.assign(window, { token: 'old', questions: 0, signedIn: () => {} });
      tab.provideHeaders(() => ({ Authorization: `Bearer ${tab.token}` }));
      tab.onUnauthorized(tab.backhaul, async () => {
        tab.questions += 1;
        await new Promise<void>((resolve) => {
          tab.signedIn = resolve;
        });
      });
    });
  }
  let valid = 'old';
  guarded.allow = ({ authorization }) => {
    if (valid === 'old' && ledger.filter(({ event }) => event === 'upload').length >= 60) valid = 'new';
    return authorization === `Bearer ${valid}`;
  };
  const delivered = deliverRandom(
    other,
    Array.from({ length: 50 }, (_, index) => 250_000 + index),
  );
  await expect.poll(() => shownCounts(other), { timeout: 30_000 }).toMatchObject({ auth: expect.any(Number) });
  const count = async () => {
    const { auth = 0, completed = 0 } = await shownCounts(other);
    return auth + completed;
  };
  await expect.poll(count).toBe(50);
  const { auth = 0 } = await shownCounts(other);
  expect(auth).toBeGreaterThan(10);
  const asked = () => Promise.all([page, other].map((tab) => tab.evaluate(() => Object(window).questions as number)));
  await expect.poll(async () => (await asked()).reduce((sum, each) => sum + each)).toBe(1);
  expect(refusals(ledger)).toBeLessThanOrEqual(3);
  // The user signs in where the question is; both pages learn the new token from their server.
  for (const tab of [page, other]) {
    await tab.evaluate(() => {
      Object.assign(window, { token: 'new' });
      Object(window).signedIn();
    });
  }
  await delivered;
  await expect.poll(() => shownCounts(page)).toEqual({ completed: 50 });
  expect((await asked()).reduce((sum, each) => sum + each)).toBe(1);
  const ids = fileIds(ledger);
  expect(ids).toHaveLength(50);
  for (const id of ids) {
    expect(deliveries(ledger, id)).toBe(1);
    expect(acknowledgedBytesSentAgain(ledger, id)).toBe(0);
  }
  console.log(
    `50 uploads: ${auth} waited for 1 sign-in after ${refusals(ledger)} refusals; 0 acknowledged bytes again`,
  );
});

test('a token that only a page knows goes on for a while after that page; without any, uploads wait for one', async ({
  guarded,
  launch,
}) => {
  const { app, ledger } = guarded;
  await app.serveWorker(workerWith('headers: headersFromPage()'));
  guarded.allow = ({ authorization }) => authorization === 'Bearer mine';
  const { page } = await launch();
  await openApp(page, app);
  void deliverRandom(page, [250_000]).catch(() => {});
  // Nobody can say who is signed in, so nothing is sent.
  await expect.poll(() => shownCounts(page), { timeout: 20_000 }).toEqual({ auth: 1 });
  expect(ledger).toEqual([]);
  await page.evaluate(async () => {
    const stop = window.provideHeaders(() => ({ Authorization: 'Bearer mine' }));
    await window.backhaul.wake();
    Object.assign(window, { stop });
  });
  await expect.poll(() => shownCounts(page)).toEqual({ completed: 1 });
  // As if its page were closed: the worker knows what it said last.
  await page.evaluate(() => Object(window).stop());
  void deliverRandom(page, [150_000]).catch(() => {});
  await expect.poll(() => shownCounts(page)).toEqual({ completed: 2 });
});

test('cookies need no code: whoever opens the app signed in again has his uploads go on', async ({
  guarded,
  launch,
}) => {
  const { app, ledger } = guarded;
  await app.serveWorker(workerWith(''));
  guarded.allow = ({ cookie }) => String(cookie).includes('session=1');
  const { page, context } = await launch();
  await openApp(page, app);
  void deliverRandom(page, [250_000, 150_000]).catch(() => {});
  await expect.poll(() => shownCounts(page)).toEqual({ auth: 2 });
  await context.addCookies([{ name: 'session', value: '1', url: app.origin, httpOnly: true }]);
  // As after the redirect of a sign-in page.
  await page.reload();
  await page.waitForFunction(() => window.backhaul !== undefined);
  await expect.poll(() => shownCounts(page)).toEqual({ completed: 2 });
  for (const id of fileIds(ledger)) expect(deliveries(ledger, id)).toBe(1);
});

test('a sign-in that the user declines is asked for again when he comes back, and no sooner', async ({
  guarded,
  launch,
}) => {
  const { app } = guarded;
  await app.serveWorker(workerWith(''));
  guarded.allow = () => false;
  const { page } = await launch();
  await openApp(page, app);
  await page.evaluate(() => {
    const tab = Object.assign(window, { questions: 0 });
    tab.onUnauthorized(tab.backhaul, async () => {
      tab.questions += 1;
      throw new Error('not now');
    });
  });
  void deliverRandom(page, [250_000, 150_000, 50_000]).catch(() => {});
  await expect.poll(() => page.evaluate(() => Object(window).questions)).toBe(1);
  // More that is told 401 meanwhile is no new question.
  void deliverRandom(page, [1000]).catch(() => {});
  await expect.poll(() => shownCounts(page)).toEqual({ auth: 4 });
  expect(await page.evaluate(() => Object(window).questions)).toBe(1);
  await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
  await expect.poll(() => page.evaluate(() => Object(window).questions)).toBe(2);
});
