// Photos shared from a phone's gallery, as its share sheet posts them: a real form, of nobody (an empty page that belongs
// to no site), that opens the app in the whole window. Judged by what the server received. Invariants 1, 6, 10, 11.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import AxeBuilder from '@axe-core/playwright';
import type { Page } from 'playwright';
import type { SourceFile } from './harness/files.js';
import { expect, test, untilDelivered, workerReady } from './harness/fixtures.js';
import { makePhotos } from './harness/photos.js';

async function openOnce(page: Page, origin: string): Promise<void> {
  await page.goto(origin);
  await page.locator('html[data-ready]').waitFor();
  await workerReady(page);
}

function formFor(origin: string): string {
  return `<!doctype html><title>Share</title><form method="post" enctype="multipart/form-data" action="${origin}/share">
    <input type="file" name="photos" multiple><input name="title"><input name="text"></form>`;
}

async function submit(page: Page, photos: readonly SourceFile[], text: string): Promise<void> {
  await page.locator('[name=photos]').setInputFiles(photos.map(({ path }) => path));
  await page.locator('[name=text]').fill(text);
  await page.locator('form').evaluate((form) => (form as HTMLFormElement).submit());
}

async function share(page: Page, origin: string, photos: readonly SourceFile[], text: string): Promise<void> {
  await page.goto('about:blank');
  await page.setContent(formFor(origin));
  await submit(page, photos, text);
  await page.locator('html[data-ready]').waitFor();
}

function listed(page: Page) {
  return page.evaluate(() =>
    window.backhaul?.getSnapshot().uploads.map(({ name, metadata }) => ({ name, ...metadata })),
  );
}

test('three photos and a text are accepted, said and delivered', async ({ launch, link, server }, info) => {
  const photos = await makePhotos({ count: 3 });
  const { page } = await launch();
  await openOnce(page, link.origin);
  await share(page, link.origin, photos, 'At the sea 🌊');
  await expect(page.locator('#shared')).toHaveText('3 photos shared, safe on this device.');
  // A reload shares nothing again.
  expect(new URL(page.url()).href).toBe(`${link.origin}/`);
  expect(await listed(page)).toEqual(photos.map(({ name }) => ({ name, text: 'At the sea 🌊', shared: 'true' })));
  for (const [device, viewport] of Object.entries({
    phone: { width: 390, height: 844 },
    desktop: { width: 1280, height: 800 },
  })) {
    await page.setViewportSize(viewport);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await page.screenshot({ path: info.outputPath(`shared-${device}-${colorScheme}.png`) });
      const { violations } = await new AxeBuilder({ page }).include('#shared').analyze();
      expect(violations.map(({ id }) => id)).toEqual([]);
    }
  }
  await untilDelivered(server, photos);
});

test('offline they are accepted all the same, and delivered when the network is back', async ({
  launch,
  link,
  server,
}) => {
  const photos = await makePhotos({ count: 3 });
  const { page, context } = await launch();
  await openOnce(page, link.origin);
  await link.refuse();
  await context.setOffline(true);
  await share(page, link.origin, photos, 'From the mountain');
  await expect(page.locator('#shared')).toHaveText('3 photos shared, safe on this device.');
  expect(await server.heldFiles(() => true)).toEqual([]);
  await page.close();
  await link.accept();
  await context.setOffline(false);
  const back = await context.newPage();
  await back.goto(link.origin);
  await untilDelivered(server, photos);
});

test('a form of another site stores nothing; one in a frame neither', async ({ launch, link, server }) => {
  const photos = await makePhotos({ count: 1 });
  const { page, context } = await launch();
  await openOnce(page, link.origin);
  const evil = createServer((request, response) => {
    response.setHeader('content-type', 'text/html');
    const target = request.url === '/frame' ? '<iframe name="inside"></iframe>' : '';
    response.end(target + formFor(link.origin).replace('<form', target === '' ? '<form' : '<form target="inside"'));
  });
  await new Promise<void>((resolve) => evil.listen(0, '127.0.0.1', resolve));
  try {
    const { port } = evil.address() as AddressInfo;
    for (const path of ['/', '/frame']) {
      // A page of its own: its navigation may still be under way when its answer is known.
      const tab = await context.newPage();
      await tab.goto(`http://127.0.0.1:${port}${path}`);
      const before = link.requests.length;
      await submit(tab, photos, 'Yours now');
      // The server gets it, and sees where it comes from; a share is answered by the worker, and never gets there.
      const sent = () =>
        link.requests.slice(before).some(({ method, path: to }) => method === 'POST' && to === '/share');
      await expect.poll(sent).toBe(true);
      await tab.close();
    }
  } finally {
    evil.closeAllConnections();
    await new Promise((resolve) => evil.close(resolve));
  }
  await page.goto(link.origin);
  await page.locator('html[data-ready]').waitFor();
  expect(await listed(page)).toEqual([]);
  expect(await server.heldFiles(() => true)).toEqual([]);
});
