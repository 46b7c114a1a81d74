// Invariant 11 when everything on the device is deleted while pages are open: what had not ended is `lost` in every tab
// that knew it, by its name, and the app goes on. What somebody removed is not lost.
import { join } from 'node:path';
import type { Page } from 'playwright';
import { makeFile } from './harness/files.js';
import { untilDelivered, untilSent } from './harness/fixtures.js';
import { choose, enqueueChosen, expect, openLab, shown, test } from './pages/fixtures.js';

const DELETE_BY = {
  'a page': (page: Page) =>
    page.evaluate(
      () =>
        new Promise<void>((resolve, reject) => {
          const request = indexedDB.deleteDatabase('backhaul:/');
          request.onsuccess = () => resolve();
          request.onerror = () => reject(request.error);
        }),
    ),
  'the user': async (page: Page) => {
    const session = await page.context().newCDPSession(page);
    const { origin } = new URL(page.url());
    await session.send('Storage.clearDataForOrigin', { origin, storageTypes: 'indexeddb' });
  },
} as const;

for (const [who, destroy] of Object.entries(DELETE_BY)) {
  test(`deleted by ${who}: what was not delivered is lost, by name, and can be added again`, async ({
    launch,
    link,
    server,
    filesDir,
  }) => {
    const { page, context } = await launch();
    await openLab(page, link.origin);
    const other = await context.newPage();
    await openLab(other, link.origin);
    const done = await makeFile(join(filesDir, 'done.jpg'), 1_000_000, 1);
    await choose(page, [done]);
    await enqueueChosen(page);
    await untilDelivered(server, [done]);
    await page.waitForFunction(() => window.lab.allCompletedAtMs !== undefined);

    link.setUplink(8_000_000);
    const sentBytes = link.requests.reduce((sum, { bodyBytes }) => sum + bodyBytes, 0);
    const half = await makeFile(join(filesDir, 'half.bin'), 20_000_000, 2);
    await choose(page, [half]);
    const [{ id = '' } = {}] = (await enqueueChosen(page)).accepted;
    await untilSent(link, sentBytes + 2_000_000);
    const end = page.evaluate(
      (wanted) =>
        window.lab.backhaul
          ?.getSnapshot()
          .uploads.filter((upload) => upload.id === wanted)
          .map((upload) => window.lab.backhaul?.get(upload.id)?.finished)[0]
          ?.catch((error) => ({ code: error.code, message: error.message })),
      id,
    );
    await destroy(page);

    for (const tab of [page, other]) {
      await expect.poll(() => shown(tab), { timeout: 30_000 }).toEqual({ [half.name]: 'lost' });
    }
    expect(await end).toMatchObject({ code: 'bytes-lost', message: expect.stringContaining(half.name) });
    link.setUplink(undefined);
    await choose(other, [half]);
    expect((await enqueueChosen(other)).rejected).toEqual([]);
    for (const tab of [page, other]) {
      await expect.poll(() => shown(tab), { timeout: 30_000 }).toEqual({ [half.name]: 'completed' });
    }
    await untilDelivered(server, [done, half]);
  });
}

test('deleted while it is paused and no worker runs: lost, as soon as somebody looks', async ({
  launch,
  link,
  filesDir,
}) => {
  const { page, stopWorkers } = await launch();
  await openLab(page, link.origin);
  await link.refuse();
  const file = await makeFile(join(filesDir, 'paused.bin'), 1_000_000);
  await choose(page, [file]);
  await enqueueChosen(page);
  await page.evaluate(() => window.lab.backhaul?.pause());
  await stopWorkers();
  await DELETE_BY['the user'](page);
  await page.evaluate(() => window.lab.backhaul?.list());
  expect(await shown(page)).toEqual({ [file.name]: 'lost' });

  // It is the page's alone to forget.
  await page.evaluate(() => window.lab.backhaul?.remove());
  expect(await shown(page)).toEqual({});
});

test('what another tab ended and wiped is not lost', async ({ launch, link, filesDir }) => {
  const { page, context } = await launch();
  await openLab(page, link.origin);
  const other = await context.newPage();
  await openLab(other, link.origin);
  await other.evaluate(() => {
    const seen: string[] = [];
    Object.assign(window, { seen });
    window.lab.backhaul?.subscribe(() => {
      for (const { status } of window.lab.backhaul?.getSnapshot().uploads ?? []) seen.push(status);
    });
  });
  await link.refuse();
  await choose(page, [await makeFile(join(filesDir, 'a.bin'), 100_000, 1)]);
  await enqueueChosen(page);
  await expect.poll(async () => Object.keys(await shown(other))).toEqual(['a.bin']);
  await page.evaluate(() => window.lab.backhaul?.clear('photos'));
  await other.evaluate(() => window.lab.backhaul?.list());
  expect(await shown(other)).toEqual({});

  await choose(page, [await makeFile(join(filesDir, 'b.bin'), 100_000, 2)]);
  await enqueueChosen(page);
  await page.evaluate(() => window.lab.backhaul?.cancel());
  await expect.poll(() => shown(other)).toEqual({ 'b.bin': 'cancelled' });
  await page.evaluate(() => window.lab.backhaul?.remove());
  await other.evaluate(() => window.lab.backhaul?.list());
  expect(await shown(other)).toEqual({});
  expect(await other.evaluate(() => (window as unknown as { seen: string[] }).seen)).not.toContain('lost');
});
