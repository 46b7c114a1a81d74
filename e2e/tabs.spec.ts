// Invariants 4 and 9: however many tabs and worker versions there are, one of them drives, and all tell the same.
import { join } from 'node:path';
import { WIRE_VERSION } from '../src/contracts/messages.js';
import { differenceOf } from './engines/differences.js';
import type { Tab } from './engines/engine.js';
import { makeFile, makeFiles, type SourceFile } from './harness/files.js';
import { untilDelivered, untilSent } from './harness/fixtures.js';
import { deliveries, fileIds, maxConcurrentWriters } from './harness/ledger.js';
import { carriesLastByte, type Link } from './harness/link.js';
import type { ReferenceServer } from './harness/server.js';
import { pageScript, type WorkerVersion, workerScript } from './pages/build.js';
import {
  choose,
  copiedSoFar,
  EVERY_ENGINE,
  enqueueChosen,
  expect,
  expectCleanDelivery,
  openLab,
  shown,
  test,
} from './pages/fixtures.js';

const SECOND_MS = 1000;
test.use({ linkOptions: { uplinkBitsPerSecond: 20_000_000 } });

/** The next look for a new worker finds one; resolves when the browser has it. */
async function update(page: Tab, link: Link, version: WorkerVersion): Promise<void> {
  const headers = { 'Content-Type': 'text/javascript', 'Cache-Control': 'no-cache' };
  const body = await workerScript(version);
  const replaced = link.replaceNextAnswer({ method: 'GET', path: '/worker.js' }, { status: 200, headers, body });
  await page.evaluate(() => void window.lab.registration?.update());
  await replaced;
}

function activeVersion(page: Tab): Promise<string> {
  return page.evaluate(
    () =>
      new Promise<string>((resolve) => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = ({ data }) => resolve(String(data));
        window.lab.registration?.active?.postMessage('version?', [port2]);
      }),
  );
}

async function expectSameEnd(server: ReferenceServer, tabs: readonly Tab[]): Promise<void> {
  const end = server.ledger.findLast(({ event }) => event === 'upload')?.atMs ?? 0;
  for (const tab of tabs) {
    await expect
      .poll(() => tab.evaluate(() => window.lab.allCompletedAtMs !== undefined), { timeout: 5000 })
      .toBe(true);
    const shownAtMs = await tab.evaluate(() => window.lab.allCompletedAtMs ?? 0);
    expect(shownAtMs - end, 'from the server’s last byte to this tab').toBeLessThan(SECOND_MS);
  }
  const [first, ...others] = await Promise.all(
    tabs.map((tab) => tab.evaluate(() => window.lab.backhaul?.getSnapshot().uploads)),
  );
  for (const other of others) expect(other).toEqual(first);
}

let file: SourceFile;
test.beforeEach(async ({ filesDir }) => {
  file = await makeFile(join(filesDir, 'twenty.bin'), 20_000_000);
});

test(
  'a new worker takes over in the middle of an upload that two tabs watch',
  EVERY_ENGINE,
  async ({ open, link, server }) => {
    const { page, newPage } = await open();
    await openLab(page, link.origin);
    const other = await newPage();
    await openLab(other, link.origin);
    await choose(page, [file]);
    await enqueueChosen(page);
    await untilSent(link, 5_000_000);

    await update(page, link, { version: '2', takeOver: true });
    await untilDelivered(server, [file]);
    await expectCleanDelivery(server);
    await expectSameEnd(server, [page, other]);
    expect(await activeVersion(page)).toBe('2');

    const changes = await page.evaluate(() => window.lab.changes);
    const activeAtMs = changes.find(({ state }) => state === 'activated')?.atMs ?? Number.POSITIVE_INFINITY;
    const endAtMs = server.ledger.findLast(({ event }) => event === 'upload')?.atMs ?? 0;
    expect(activeAtMs, 'active before the upload’s end').toBeLessThan(endAtMs);
  },
);

test('a new worker takes over while files are being stored: each is delivered once', async ({
  launch,
  link,
  server,
  filesDir,
  profileDir,
}) => {
  link.setUplink(undefined);
  const files = await makeFiles(filesDir, 20, 4_000_000);
  const { page } = await launch();
  await openLab(page, link.origin);
  await choose(page, files);
  const outcome = enqueueChosen(page);
  await expect.poll(() => copiedSoFar(profileDir), { intervals: [1] }).toBeGreaterThan(0);
  await update(page, link, { version: '2', takeOver: true });
  const { accepted, rejected } = await outcome;
  expect([accepted.length, rejected]).toEqual([files.length, []]);

  await untilDelivered(server, files);
  await expect.poll(() => activeVersion(page)).toBe('2');
  await page.waitForFunction(() => window.lab.allCompletedAtMs !== undefined);
  const ids = fileIds(server.ledger);
  expect(ids).toHaveLength(files.length);
  for (const id of ids) {
    expect(deliveries(server.ledger, id), 'deliveries').toBe(1);
    expect(maxConcurrentWriters(server.ledger, id), 'writers at once').toBe(1);
  }
});

test('a new worker takes over when the last answer was lost: delivered once', async ({ launch, link, server }) => {
  const { page } = await launch();
  await openLab(page, link.origin);
  const lost = link.dropNextAnswerTo('POST', '/api/upload', carriesLastByte);
  await choose(page, [file]);
  await enqueueChosen(page);
  await lost;
  await update(page, link, { version: '2', takeOver: true });
  await untilDelivered(server, [file]);
  await expect.poll(() => shown(page)).toEqual({ [file.name]: 'completed' });
  await expect.poll(() => activeVersion(page)).toBe('2');
  // On a connection that was used before, Chromium itself sends such a POST again.
  await expectCleanDelivery(server, true);
});

test('a new worker that waits leaves the upload to the old one', async ({ launch, link, server }) => {
  const { page, context } = await launch();
  await openLab(page, link.origin);
  const other = await context.newPage();
  await openLab(other, link.origin);
  await choose(page, [file]);
  await enqueueChosen(page);
  await untilSent(link, 5_000_000);

  await update(page, link, { version: '2', takeOver: false });
  await expect.poll(() => page.evaluate(() => window.lab.registration?.waiting?.state)).toBe('installed');
  await untilDelivered(server, [file]);
  await expectCleanDelivery(server);
  await expectSameEnd(server, [page, other]);
  expect(await activeVersion(page)).toBe('1');
});

test('a worker of another wire version takes over: the page is told so, the upload goes on', async ({
  launch,
  link,
  server,
}) => {
  const { page } = await launch();
  await openLab(page, link.origin);
  await choose(page, [file]);
  await enqueueChosen(page);
  await untilSent(link, 5_000_000);

  await update(page, link, { version: '2', takeOver: true, wire: WIRE_VERSION + 1 });
  await expect
    .poll(() => page.evaluate(() => window.lab.backhaul?.getSnapshot().error?.code), { timeout: 30_000 })
    .toBe('version-mismatch');
  const { rejected } = await page.evaluate(() => window.lab.enqueue([new File(['a'], 'a.txt')]));
  expect(rejected).toMatchObject([{ code: 'version-mismatch', message: expect.stringContaining('Reload the page') }]);
  await untilDelivered(server, [file]);
  await expectCleanDelivery(server);
});

test('a page of another wire version is told so, and disturbs nobody', async ({ launch, link, server }) => {
  const { page, context } = await launch();
  await openLab(page, link.origin);
  await choose(page, [file]);
  await enqueueChosen(page);
  await untilSent(link, 5_000_000);

  const other = await context.newPage();
  const told = other.waitForEvent('pageerror');
  const headers = { 'Content-Type': 'text/javascript', 'Cache-Control': 'no-cache' };
  const body = await pageScript(WIRE_VERSION + 1);
  const replaced = link.replaceNextAnswer({ method: 'GET', path: '/page.js' }, { status: 200, headers, body });
  await other.goto(`${link.origin}/?worker=/worker.js`);
  await replaced;
  expect((await told).message).toContain('Reload the page');
  await untilDelivered(server, [file]);
  await expectCleanDelivery(server);
  await expectSameEnd(server, [page]);
});

test(
  'a pause in one tab is seen in the other, which goes on from the same byte',
  EVERY_ENGINE,
  async ({ open, link, server, engine }) => {
    const { page, newPage } = await open();
    await openLab(page, link.origin);
    const other = await newPage();
    await openLab(other, link.origin);
    await choose(page, [file]);
    await enqueueChosen(page);
    await untilSent(link, 5_000_000);

    await page.evaluate(() => window.lab.backhaul?.pause());
    await expect.poll(() => shown(other), { timeout: SECOND_MS, intervals: [50] }).toEqual({ [file.name]: 'paused' });
    await expect.poll(() => shown(page), { timeout: SECOND_MS, intervals: [50] }).toEqual({ [file.name]: 'paused' });

    await other.evaluate(() => window.lab.backhaul?.resume());
    await untilDelivered(server, [file]);
    await expectCleanDelivery(server, differenceOf(engine, test.info().title) !== undefined);
    await expectSameEnd(server, [page, other]);
  },
);

test(
  '`finished` of a handle found again settles in a later page load',
  EVERY_ENGINE,
  async ({ open, link, server }) => {
    const { page } = await open();
    await openLab(page, link.origin);
    await choose(page, [file]);
    const { accepted } = await enqueueChosen(page);
    const id = accepted[0]?.id ?? '';
    await untilSent(link, 5_000_000);

    await openLab(page, link.origin);
    const last = await page.evaluate(async (wanted) => {
      const handle = window.lab.backhaul?.getSnapshot().uploads.find((upload) => upload.id === wanted);
      return handle && window.lab.backhaul?.get(handle.id)?.finished;
    }, id);
    expect(last).toMatchObject({ id, status: 'completed', acknowledgedBytes: file.sizeBytes });
    await untilDelivered(server, [file]);
    await expectCleanDelivery(server);
  },
);

test('a frozen tab shows the truth when it wakes', async ({ launch, link, server }) => {
  const { page, context } = await launch();
  await openLab(page, link.origin);
  const sleeper = await context.newPage();
  await openLab(sleeper, link.origin);
  const session = await context.newCDPSession(sleeper);
  await session.send('Page.setWebLifecycleState', { state: 'frozen' });
  await choose(page, [file]);
  await enqueueChosen(page);
  await untilDelivered(server, [file]);

  await session.send('Page.setWebLifecycleState', { state: 'active' });
  await expect
    .poll(() => shown(sleeper), { timeout: SECOND_MS, intervals: [50] })
    .toEqual({ [file.name]: 'completed' });
});

test('a page from the back-forward cache shows the truth', async ({ launch, link, server }) => {
  const { page, context } = await launch({ ignoreDefaultArgs: ['--disable-back-forward-cache'] });
  await openLab(page, link.origin);
  await page.evaluate(() => {
    addEventListener('pageshow', ({ persisted }) => {
      document.documentElement.dataset['persisted'] = String(persisted);
    });
  });
  await page.goto(`${link.origin}/page.js`);
  const other = await context.newPage();
  await openLab(other, link.origin);
  await choose(other, [file]);
  await enqueueChosen(other);
  await untilDelivered(server, [file]);

  await page.goBack({ waitUntil: 'commit' });
  await page.locator('html[data-ready]').waitFor();
  await expect.poll(() => shown(page), { timeout: SECOND_MS, intervals: [50] }).toEqual({ [file.name]: 'completed' });
  const persisted = await page.evaluate(() => document.documentElement.dataset['persisted']);
  test.info().annotations.push({ type: 'bfcache', description: `restored: ${persisted ?? 'no, loaded anew'}` });
});
