// What is added arrives, byte for byte: many photos with difficult names, nothing at all, a gigabyte, another origin.
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { addFiles, untilDelivered, workerReady } from './harness/fixtures.js';
import { freePort } from './harness/free-port.js';
import { difficultNames, makeEmptyFile, makeFile, makePhotos } from './harness/photos.js';
import { repositoryDir, startServer } from './harness/server.js';
import { serveApp } from './pages/app-server.js';
import { choose, EVERY_ENGINE, enqueueChosen, expect, openLab, shown, test } from './pages/fixtures.js';

test.describe('the demo', () => {
  test.use({ serverEnv: {} });

  test('delivers 60 photos of 2 to 8 MB with difficult names, and an empty file', async ({
    launch,
    link,
    server,
    filesDir,
  }) => {
    const photos = await makePhotos({ count: 60 });
    const empty = await makeEmptyFile(join(filesDir, '空.jpg'));
    const { page } = await launch();
    await page.goto(link.origin);
    await workerReady(page);
    await page.locator('html[data-ready]').waitFor();
    await addFiles(page, [...photos, empty]);
    await untilDelivered(server, [...photos, empty], { timeoutMs: 90_000 });
    await expect(page.locator('#queue [data-upload-id]:not([data-status="completed"])')).toHaveCount(0);
    const answer = await page.request.get(`${link.origin}/api/photos?limit=100`);
    expect(await answer.text()).toContain(JSON.stringify(photos[0]?.name).slice(1, -1));
  });
});

test(
  'files with difficult names (Chinese, emoji ...), an empty one and one of 100 MB arrive whole',
  EVERY_ENGINE,
  async ({ open, link, server, filesDir }) => {
    const files = [
      ...(await Promise.all(
        difficultNames.map((name, seed) => makeFile(join(filesDir, name), 100_000 * (seed + 1), seed)),
      )),
      await makeEmptyFile(join(filesDir, '空.jpg')),
      await makeFile(join(filesDir, 'a hundred megabytes 🐘.mp4'), 100_000_000),
    ];
    const { page } = await open();
    await openLab(page, link.origin);
    await choose(page, files);
    expect((await enqueueChosen(page)).rejected).toEqual([]);
    await untilDelivered(server, files);
    await expect.poll(() => shown(page)).toEqual(Object.fromEntries(files.map(({ name }) => [name, 'completed'])));
  },
);

test('a file of 1 GB arrives whole', async ({ launch, server, filesDir }) => {
  const file = await makeFile(join(filesDir, 'a gigabyte 🐘.mp4'), 1_000_000_000);
  const { page } = await launch();
  await openLab(page, `http://127.0.0.1:${server.port}`);
  await choose(page, [file]);
  expect((await enqueueChosen(page)).rejected).toEqual([]);
  await untilDelivered(server, [file], { timeoutMs: 90_000 });
  await expect.poll(() => shown(page)).toEqual({ [file.name]: 'completed' });
});

test.describe('the worker that comes with the package', () => {
  test.use({
    appDir: async ({ appDir }, use) => {
      await copyFile(join(repositoryDir, 'dist/worker.js'), join(appDir, 'worker.js'));
      await use(appDir);
    },
  });

  test('works with its settings in its address', async ({ launch, link, server }) => {
    const photos = await makePhotos({ count: 1 });
    const { page } = await launch();
    await openLab(page, link.origin, '/worker.js?endpoint=photos&status=/api/status&upload=/api/upload');
    await choose(page, photos);
    await enqueueChosen(page);
    await untilDelivered(server, photos);
  });
});

test('a server on another origin that allows this one gets its photo', async ({ launch, appDir, dataDir }) => {
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const app = await serveApp(appDir, port);
  const server = await startServer({ dataDir, env: { ALLOWED_ORIGINS: origin } });
  try {
    const photos = await makePhotos({ count: 1 });
    const { page } = await launch();
    await openLab(page, origin, `/worker.js?server=http://127.0.0.1:${server.port}`);
    await choose(page, photos);
    await enqueueChosen(page);
    await untilDelivered(server, photos);
  } finally {
    await server.kill();
    await app.close();
  }
});
