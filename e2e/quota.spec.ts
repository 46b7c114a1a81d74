// Invariants 1 and 11 on a device that is nearly full: what fits is accepted and delivered, the rest is refused with
// numbers. Chromium's estimate hides the quota (it says 10 GiB, always), so here the browser's own refusal decides.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFile, makeFiles } from './harness/files.js';
import { untilDelivered } from './harness/fixtures.js';
import {
  choose,
  copiedSoFar,
  EVERY_ENGINE,
  enqueueChosen,
  expect,
  openLab,
  setQuota,
  shown,
  test,
} from './pages/fixtures.js';

test('of 20 photos of 5 MB, those that fit into 50 MB are delivered, the others are refused with numbers', async ({
  launch,
  link,
  server,
  filesDir,
}) => {
  const photos = await makeFiles(filesDir, 20, 5_000_000);
  const { page } = await launch();
  await openLab(page, link.origin);
  await setQuota(page, 50_000_000);
  await choose(page, photos);
  const { accepted, rejected } = await enqueueChosen(page);

  // The registration and the database itself take some of it.
  expect(accepted.map(({ name }) => name)).toEqual(photos.slice(0, 9).map(({ name }) => name));
  expect(rejected).toEqual(
    photos.slice(9).map(({ name }) => ({
      name,
      code: 'quota-exceeded',
      message: `"${name}" needs 5 MB, less is free. Free some space, then try again.`,
    })),
  );
  await untilDelivered(server, photos.slice(0, 9));
});

test('a file for which there is no room is refused, and accepted once there is', async ({
  launch,
  link,
  server,
  filesDir,
}) => {
  const { page } = await launch();
  await openLab(page, link.origin);
  await setQuota(page, 50_000_000);
  const good = await makeFile(join(filesDir, 'good.jpg'), 300_000);
  const huge = await makeFile(join(filesDir, 'huge.bin'), 80_000_000);
  await choose(page, [huge, good]);
  const { accepted, rejected } = await enqueueChosen(page);
  expect(accepted.map(({ name }) => name)).toEqual([good.name]);
  expect(rejected).toMatchObject([{ name: huge.name, code: 'quota-exceeded' }]);
  await untilDelivered(server, [good]);

  await setQuota(page, undefined);
  await choose(page, [huge]);
  expect((await enqueueChosen(page)).rejected).toEqual([]);
  await untilDelivered(server, [good, huge]);
});

for (const copiedBytes of [0, 10_000_000, 40_000_000]) {
  test(`a quota lowered after ${copiedBytes / 1e6} of 80 MB were stored: each file is accepted whole or refused`, async ({
    launch,
    link,
    server,
    filesDir,
    profileDir,
  }) => {
    const photos = await makeFiles(filesDir, 20, 4_000_000);
    const { page } = await launch();
    await openLab(page, link.origin);
    await choose(page, photos);
    const outcome = enqueueChosen(page);
    await expect.poll(() => copiedSoFar(profileDir), { intervals: [1] }).toBeGreaterThanOrEqual(copiedBytes);
    await setQuota(page, 30_000_000);
    const { accepted, rejected } = await outcome;

    expect([...accepted, ...rejected].map(({ name }) => name).sort()).toEqual(photos.map(({ name }) => name).sort());
    for (const { name, code, message } of rejected) {
      expect([code, message]).toEqual(['quota-exceeded', expect.stringContaining(`"${name}" needs 4 MB`)]);
    }
    await untilDelivered(
      server,
      photos.filter(({ name }) => accepted.some((upload) => upload.name === name)),
    );
    // Nothing of a refused one was kept.
    await setQuota(page, undefined);
    await choose(page, photos);
    expect((await enqueueChosen(page)).rejected).toEqual([]);
    await untilDelivered(server, photos);
    test.info().annotations.push({ type: 'refused', description: `${rejected.length} of ${photos.length}` });
  });
}

test('the disk space of what was delivered is free again once the worker has stopped, with the page still open', async ({
  launch,
  link,
  server,
  filesDir,
  profileDir,
}) => {
  const photos = [
    await makeFile(join(filesDir, 'a.jpg'), 5_000_000, 1),
    await makeFile(join(filesDir, 'b.jpg'), 5_000_000, 2),
  ] as const;
  const stored = async () => {
    const files = await readdir(profileDir, { recursive: true, withFileTypes: true });
    return files.filter((entry) => entry.isFile() && entry.parentPath.includes('.indexeddb.blob')).length;
  };
  const { page, stopWorkers } = await launch();
  await openLab(page, link.origin);
  await choose(page, photos);
  await enqueueChosen(page);
  expect(await stored()).toBe(photos.length);
  await untilDelivered(server, photos);
  await page.waitForFunction(() => window.lab.allCompletedAtMs !== undefined);

  // A debugger keeps the bodies of requests until then.
  await stopWorkers();
  await expect.poll(stored, { timeout: 20_000 }).toBe(0);
});

test('a page asks once that nothing be evicted, when the first file was accepted, and never waits for the answer', async ({
  launch,
  link,
  server,
  filesDir,
}) => {
  const { page } = await launch();
  await page.addInitScript(() => {
    const asked: number[] = [];
    Object.assign(window, { asked });
    StorageManager.prototype.persist = () => {
      asked.push(window.lab.backhaul?.getSnapshot().uploads.length ?? 0);
      return new Promise(() => {});
    };
  });
  const asked = () => page.evaluate(() => (window as unknown as { asked: number[] }).asked);
  await openLab(page, link.origin);
  await page.evaluate(() => window.lab.enqueue([new File(['a'], 'refused.txt')], 'nowhere'));
  expect(await asked()).toEqual([]);

  const files = [
    await makeFile(join(filesDir, 'a.jpg'), 1000, 1),
    await makeFile(join(filesDir, 'b.jpg'), 1000, 2),
  ] as const;
  for (const file of files) {
    await choose(page, [file]);
    await enqueueChosen(page);
  }
  expect(await asked()).toEqual([1]);
  await untilDelivered(server, files);
});

test(
  'on a full device, what finds no room is refused as such, and what fits is delivered',
  EVERY_ENGINE,
  async ({ open, link, server, filesDir }) => {
    const photos = await makeFiles(filesDir, 14, 5_000_000);
    const { page } = await open({ quota: { origin: link.origin, sizeBytes: 50_000_000 } });
    await openLab(page, link.origin);
    await choose(page, photos);
    const { accepted, rejected } = await enqueueChosen(page);
    const names = new Set(accepted.map(({ name }) => name));
    expect(names.size).toBeGreaterThan(0);
    expect(rejected.length).toBeGreaterThan(0);
    expect(new Set(rejected.map(({ code }) => code))).toEqual(new Set(['quota-exceeded']));
    const fitting = photos.filter(({ name }) => names.has(name));
    await untilDelivered(server, fitting);
    await expect.poll(async () => new Set(Object.values(await shown(page)))).toEqual(new Set(['completed']));
  },
);

test('a browser that knows no persist() refuses no file', async ({ launch, link, server, filesDir }) => {
  const { page } = await launch();
  await page.addInitScript(() => {
    Reflect.deleteProperty(StorageManager.prototype, 'persist');
  });
  await openLab(page, link.origin);
  expect(await page.evaluate(() => 'persist' in navigator.storage)).toBe(false);
  const file = await makeFile(join(filesDir, 'a.jpg'), 1000, 1);
  await choose(page, [file]);
  const { accepted, rejected } = await enqueueChosen(page);
  expect([accepted.map(({ name }) => name), rejected]).toEqual([[file.name], []]);
  await untilDelivered(server, [file]);
});
