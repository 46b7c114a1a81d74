// Invariants 1 and 11: whatever is wrong with a file, a message or the storage is said with a code of its own, and a
// good photo beside it is delivered all the same.
import { truncate, unlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { untilDelivered } from './harness/fixtures.js';
import { makeFile, makePhotos, type SourceFile, sha256File } from './harness/photos.js';
import { choose, copiedSoFar, enqueueChosen, expect, openLab, shown, test } from './pages/fixtures.js';

const SMALL_BYTES = 10_000;
const BIG_BYTES = 3_000_000;

let good: SourceFile;
test.beforeEach(async () => {
  const [photo] = await makePhotos({ count: 1, names: ['good.jpg'], minBytes: 200_000, maxBytes: 400_000 });
  if (photo === undefined) throw new Error('No photo was made.');
  good = photo;
});

const DAMAGE = {
  deleted: { code: 'file-missing', by: ({ path }: SourceFile) => unlink(path) },
  rewritten: { code: 'file-changed', by: ({ path, sizeBytes }: SourceFile) => writeFile(path, 'x'.repeat(sizeBytes)) },
  truncated: { code: 'file-changed', by: ({ path, sizeBytes }: SourceFile) => truncate(path, sizeBytes - 1000) },
  touched: {
    code: 'file-changed',
    by: ({ path }: SourceFile) => utimes(path, new Date(), new Date(Date.now() + 5000)),
  },
} as const;

for (const [damage, { code, by }] of Object.entries(DAMAGE)) {
  test(`files that were ${damage} after they were chosen are refused as ${code}`, async ({
    launch,
    link,
    server,
    filesDir,
  }) => {
    const { page } = await launch();
    await openLab(page, link.origin);
    const bad = [
      await makeFile(join(filesDir, 'small.jpg'), SMALL_BYTES),
      await makeFile(join(filesDir, 'big.jpg'), BIG_BYTES),
    ];
    await choose(page, [...bad, good]);
    for (const file of bad) await by(file);
    const { accepted, rejected } = await enqueueChosen(page);
    expect(accepted.map(({ name }) => name)).toEqual([good.name]);
    expect(rejected.map(({ name, code }) => ({ name, code }))).toEqual(bad.map(({ name }) => ({ name, code })));
    for (const { name, message } of rejected) expect(message).toContain(name);
    await untilDelivered(server, [good]);
  });
}

test('a file cut while it is stored is refused or delivered, never accepted and unreadable', async ({
  launch,
  link,
  server,
  filesDir,
  profileDir,
}) => {
  const { page } = await launch();
  await openLab(page, link.origin);
  const size = 300_000_000;
  // Cut when the browser's copy has got so far; 0: at once.
  const cutAt = [0, 1, size / 4, (size * 3) / 4];
  const delivered: SourceFile[] = [good];
  for (const [round, copiedBytes] of cutAt.entries()) {
    const file = await makeFile(join(filesDir, `cut-${round}.bin`), size, round);
    await choose(page, [file]);
    const before = await copiedSoFar(profileDir);
    const outcome = enqueueChosen(page);
    await expect
      .poll(async () => (await copiedSoFar(profileDir)) - before, { intervals: [1] })
      .toBeGreaterThanOrEqual(copiedBytes);
    await truncate(file.path, 1000);
    const { accepted, rejected } = await outcome;
    if (accepted.length > 0) delivered.push(file);
    else expect(rejected.map(({ code }) => code)).toEqual(['file-changed']);
  }
  await choose(page, [good]);
  await enqueueChosen(page);
  await untilDelivered(server, delivered);
});

test('what is no file, and an endpoint that nobody named, are refused', async ({ launch, link, server }) => {
  const { page } = await launch();
  await openLab(page, link.origin);
  await choose(page, [good]);
  expect((await enqueueChosen(page, 'elsewhere')).rejected).toMatchObject([{ code: 'unknown-endpoint' }]);
  const { accepted, rejected } = await page.evaluate(() => {
    const strangers: readonly unknown[] = ['a path', 7, null, { name: 'x.jpg', size: 3 }];
    return window.lab.enqueue([...(strangers as readonly Blob[]), ...window.lab.chosen()]);
  });
  expect(rejected.map(({ code }) => code)).toEqual(Array(4).fill('not-a-file'));
  expect(accepted.map(({ name }) => name)).toEqual([good.name]);
  await untilDelivered(server, [good]);
});

test('messages of strangers stop nothing', async ({ launch, link, server }) => {
  const { page } = await launch();
  await openLab(page, link.origin);
  const answers = await page.evaluate(() => {
    const worker = window.lab.registration?.active;
    const ask = (message: unknown) =>
      new Promise<unknown>((resolve) => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = ({ data }) => resolve(data.body);
        worker?.postMessage(message, [port2]);
      });
    for (const message of ['hello', 42, null, undefined, [], { source: 'other' }, { source: 'backhaul' }, new Blob()])
      worker?.postMessage(message);
    // Without a port to answer on.
    worker?.postMessage({ source: 'backhaul', wire: 99, body: { type: 'list', afterOrder: -1 } });
    worker?.postMessage({ source: 'backhaul', wire: 1, body: null });
    return Promise.all([
      ask({ source: 'backhaul', wire: 99, body: { type: 'list', afterOrder: -1 } }),
      ask({ source: 'backhaul', wire: 1 }),
      ask({ source: 'backhaul', wire: 1, body: { type: 'enqueue', items: 'all' } }),
      ask({ source: 'backhaul', wire: 1, body: { type: 'control', control: 'explode', ids: 'all' } }),
      ask({ source: 'backhaul', wire: 1, body: { type: 'list', afterOrder: 'x' } }),
    ]);
  });
  expect(answers).toMatchObject([
    { type: 'refused', error: { code: 'version-mismatch' } },
    ...Array(4).fill({ type: 'refused', error: { code: 'invalid-message' } }),
  ]);
  await choose(page, [good]);
  await enqueueChosen(page);
  await untilDelivered(server, [good]);
});

test('bytes that the browser lost make an upload `lost`, and the same file brings it back', async ({
  launch,
  link,
  server,
  filesDir,
}) => {
  const { page } = await launch();
  await openLab(page, link.origin);
  const file = await makeFile(join(filesDir, 'evicted.bin'), BIG_BYTES);
  await choose(page, [file]);
  await link.refuse();
  await enqueueChosen(page);
  await expect.poll(() => shown(page)).toEqual({ [file.name]: 'waiting' });
  await page.evaluate(
    () =>
      new Promise<void>((resolve) => {
        const opening = indexedDB.open('backhaul:/');
        opening.onsuccess = () => {
          const transaction = opening.result.transaction('bytes', 'readwrite');
          transaction.objectStore('bytes').clear();
          transaction.oncomplete = () => {
            opening.result.close();
            resolve();
          };
        };
      }),
  );
  await link.accept();
  await page.evaluate(() => window.lab.backhaul?.resume());
  await expect.poll(() => shown(page)).toEqual({ [file.name]: 'lost' });
  const [lost] = await page.evaluate(() => window.lab.backhaul?.getSnapshot().uploads ?? []);
  expect(lost).toMatchObject({ status: 'lost', error: { code: 'bytes-lost' } });

  await choose(page, [file, good]);
  const { accepted } = await enqueueChosen(page);
  expect(accepted[0]?.id).toBe(lost?.id);
  await untilDelivered(server, [file, good]);
  expect(await sha256File(file.path)).toBe(file.sha256);
});
