// The demo as a person meets it: in every state it is accessible (axe, WCAG 2 A and AA), says what is true, and opens
// without a network from the first visit on. Pictures of each state go to the results folder, to be looked at.

import AxeBuilder from '@axe-core/playwright';
import type { Page } from 'playwright';
import { AS_ON_A_PHONE, connectionOf } from './harness/connection.js';
import { addFiles, EVERY_ENGINE, expect, test, untilDelivered, untilReady, workerReady } from './harness/fixtures.js';
import { makePhotos } from './harness/photos.js';

const phone = { width: 390, height: 844 };
const desktop = { width: 1280, height: 800 };

test.use({ linkOptions: { uplinkBitsPerSecond: 20_000_000 } });

async function open(page: Page, origin: string): Promise<void> {
  await page.goto(origin);
  await page.locator('html[data-ready]').waitFor();
}

/** axe finds nothing, on a phone and on a desk, in the light and in the dark; and there is a picture of each. */
async function inspect(page: Page, state: string, folder: string): Promise<void> {
  for (const [device, viewport] of Object.entries({ phone, desktop })) {
    await page.setViewportSize(viewport);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await page.screenshot({ path: `${folder}/${state}-${device}-${colorScheme}.png` });
      const { violations } = await new AxeBuilder({ page })
        .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'])
        .analyze();
      const found = violations.map(
        ({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).join(', ')}`,
      );
      expect(found, `${state}, ${device}, ${colorScheme}`).toEqual([]);
    }
  }
}

test('over http from another host there is no worker: the window sends, and says so', async ({
  launch,
  link,
  server,
}, info) => {
  const photos = await makePhotos({ count: 6 });
  const { page } = await launch({ args: ['--host-resolver-rules=MAP app.example 127.0.0.1'] });
  await open(page, `http://app.example:${link.port}`);
  await addFiles(page, photos);
  await expect(page.locator('#queue [data-status="uploading"]').first()).toBeVisible();
  await expect(page.locator('#tell-me')).toBeHidden();
  await expect(page.locator('#banner')).toContainText('only while a window of this app is open');
  await inspect(page, 'in-page', info.outputPath('pictures'));
  await untilDelivered(server, photos);
  await expect(page.locator('#banner')).toBeHidden();
  await expect(page.locator('#status-line')).toHaveText('Everything is delivered');
});

test('empty, busy, paused, offline, failed and delivered: accessible, and true', async ({
  launch,
  link,
  server,
}, info) => {
  const photos = await makePhotos({ count: 12 });
  const { page, context } = await launch();
  const folder = info.outputPath('pictures');
  await open(page, link.origin);
  await inspect(page, 'empty', folder);

  await addFiles(page, photos);
  await expect(page.locator('#queue [data-status="uploading"]').first()).toBeVisible();
  await inspect(page, 'busy', folder);

  await page.locator('#pause-all').click();
  await expect(page.locator('#queue [data-status="paused"]').first()).toBeVisible();
  await expect(page.locator('#queue [data-status="uploading"]')).toHaveCount(0);
  await inspect(page, 'paused', folder);

  link.blackHoleAll();
  await context.setOffline(true);
  await expect(page.locator('#banner')).toContainText('offline');
  await inspect(page, 'offline', folder);
  link.heal();
  await context.setOffline(false);

  // A server that refuses for good.
  const refused = link.replaceNextAnswer(
    { method: 'POST', path: '/api/upload' },
    { status: 422, body: 'No such album.' },
  );
  await page.locator('#resume-all').click();
  await refused;
  await expect(page.locator('#queue [data-status="failed"]')).toHaveCount(1);
  await expect(page.locator('#queue')).toContainText('refused it (422)');
  await inspect(page, 'failed', folder);

  await page.locator('#retry-all').click();
  await untilDelivered(server, photos);
  await expect(page.locator('#queue [data-upload-id]')).toHaveCount(0);
  await expect(page.locator('#status-line')).toHaveText('Everything is delivered');
  await page.locator('#tab-delivered').click();
  await expect(page.locator('#gallery [data-photo-key]')).toHaveCount(photos.length);
  await inspect(page, 'delivered', folder);
});

test('only on Wi-Fi: a switch where the browser can keep that promise, and "Send now" for each photo', async ({
  launch,
  link,
  server,
}, info) => {
  const photos = await makePhotos({ count: 4 });
  const { page } = await launch({ args: AS_ON_A_PHONE });
  const become = await connectionOf(page);
  await become('wifi');
  await open(page, link.origin);
  await page.getByLabel('Only on Wi-Fi').check();
  await become('cellular4g');
  await addFiles(page, photos);
  await expect(page.locator('#queue [data-reason="metered"]')).toHaveCount(4);
  await expect(page.locator('#queue .words')).toHaveText(Array.from(photos, () => 'Safe, waits for Wi-Fi'));
  await expect(page.locator('#banner')).toBeHidden();
  await inspect(page, 'metered', info.outputPath('pictures'));

  await page.getByRole('button', { name: `Send now: ${photos[1]?.name}` }).click();
  await untilDelivered(server, photos.slice(1, 2));
  await expect(page.locator('#queue [data-reason="metered"]')).toHaveCount(3);
  await page.reload();
  await expect(page.getByLabel('Only on Wi-Fi')).toBeChecked();
  await page.getByLabel('Only on Wi-Fi').uncheck();
  await untilDelivered(server, photos);
});

test('no switch "Only on Wi-Fi" where the browser does not tell what it is connected by', async ({ launch, link }) => {
  const { page } = await launch();
  await open(page, link.origin);
  await expect(page.getByLabel('Tell me when done')).toBeVisible();
  await expect(page.getByLabel('Only on Wi-Fi')).toBeHidden();
});

test('what finds no room is refused in words, with the numbers', async ({ launch, link }, info) => {
  const photos = await makePhotos({ count: 2 });
  const { page, context } = await launch();
  await open(page, link.origin);
  await page.evaluate(async () => void (await navigator.serviceWorker.ready));
  // The app itself takes more than this.
  const session = await context.newCDPSession(page);
  await session.send('Storage.overrideQuotaForOrigin', { origin: link.origin, quotaSize: 100_000 });
  await addFiles(page, photos);
  await expect(page.locator('#refused-title')).toHaveText('2 files were not added');
  const needs = photos.map(
    ({ name, sizeBytes }) =>
      `${name} Needs ${Math.ceil(sizeBytes / 1e6)} MB, less is free. Free some space, then try again.`,
  );
  await expect(page.locator('#refused-list li')).toHaveText(needs);
  await inspect(page, 'refused', info.outputPath('pictures'));
});

test(
  'opens without a network from the first visit on, takes photos, and delivers them later',
  EVERY_ENGINE,
  async ({ open: openBrowser, link, server }) => {
    const photos = await makePhotos({ count: 2 });
    const { page } = await openBrowser();
    await page.goto(link.origin);
    await untilReady(page);
    await workerReady(page);
    await link.refuse();
    await page.reload();
    await untilReady(page);
    await addFiles(page, photos);
    const status = () => page.evaluate(() => document.querySelector('#status-line')?.textContent);
    await expect.poll(status).toContain('2 photos are safe on this device');
    await link.accept();
    await untilDelivered(server, photos);
  },
);

test('opens while the network is silent, however long the browser looks for a newer worker', async ({
  launch,
  link,
  server,
}) => {
  const photos = await makePhotos({ count: 2 });
  const { page } = await launch();
  await open(page, link.origin);
  await page.evaluate(async () => void (await navigator.serviceWorker.ready));
  link.blackHoleAll();
  const looks = link.requests.length;
  await page.reload({ waitUntil: 'commit' });
  await expect.poll(() => link.requests.slice(looks).map(({ path }) => path)).toContain('/sw.js');

  await page.reload({ waitUntil: 'commit' });
  await page.locator('html[data-ready]').waitFor({ timeout: 10_000 });
  await addFiles(page, photos);
  await expect(page.locator('#status-line')).toContainText('2 photos are safe on this device');
  link.heal();
  await untilDelivered(server, photos);
});

test('is installable', async ({ launch, link }) => {
  const { page } = await launch();
  await open(page, link.origin);
  await page.evaluate(async () => void (await navigator.serviceWorker.ready));
  const devtools = await page.context().newCDPSession(page);
  const { installabilityErrors } = await devtools.send('Page.getInstallabilityErrors');
  // A headless browser is one profile away from a real one.
  expect(installabilityErrors.map(({ errorId }) => errorId).filter((id) => id !== 'in-incognito')).toEqual([]);
  const { errors, manifest } = await devtools.send('Page.getAppManifest');
  expect(errors).toEqual([]);
  expect(manifest).toBeDefined();
});

test('a keyboard reaches every photo and every button', async ({ launch, link }) => {
  const photos = await makePhotos({ count: 2 });
  const { page } = await launch();
  await open(page, link.origin);
  await addFiles(page, photos);
  await expect(page.locator('#queue [data-upload-id]')).toHaveCount(2);
  await page.locator('#pause-all').focus();
  await page.keyboard.press('Enter');
  await expect(page.locator('#queue [data-status="paused"]')).toHaveCount(2);
  const unnamed = await page
    .locator('button:visible')
    .evaluateAll(
      (buttons) =>
        buttons.filter((button) => `${button.textContent}${button.getAttribute('aria-label') ?? ''}`.trim() === '')
          .length,
    );
  expect(unnamed).toBe(0);
  const reached = new Set<string>();
  for (let step = 0; step < 30; step += 1) {
    await page.keyboard.press('Tab');
    const tile = await page.evaluate(
      () => document.activeElement?.closest<HTMLElement>('[data-upload-id]')?.dataset['uploadId'],
    );
    if (tile !== undefined) reached.add(tile);
  }
  expect(reached.size).toBe(2);
});
