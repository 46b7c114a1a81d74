// A photographer turns the switch on and closes the app: Chromium shows one notification when the last photo is delivered.
// Judged by what the browser itself lists. Clicks and badges are no part of what a headless browser has; see
// e2e/engine/notify.test.ts.
import AxeBuilder from '@axe-core/playwright';
import type { BrowserContext, Page } from 'playwright';
import { addFiles, expect, test, untilDelivered } from './harness/fixtures.js';
import { makePhotos } from './harness/photos.js';

test.use({ linkOptions: { uplinkBitsPerSecond: 20_000_000 } });

async function open(page: Page, origin: string): Promise<void> {
  await page.goto(origin);
  await page.locator('html[data-ready]').waitFor();
}

/** Asked of the worker: a page of the app that asked would be a visible one. */
async function notifications(context: BrowserContext) {
  const [worker] = context.serviceWorkers();
  return worker?.evaluate(async () => {
    const { registration } = self as unknown as { registration: ServiceWorkerRegistration };
    const shown = await registration.getNotifications();
    return shown.map(({ title, body, tag }) => ({ title, body, tag }));
  });
}

test('with the app closed, one notification says that all is delivered; visible, it says nothing', async ({
  launch,
  link,
  server,
}, info) => {
  const photos = await makePhotos({ count: 6 });
  const [seen, ...unseen] = photos;
  if (seen === undefined) throw new Error('no photos');
  const { page, context } = await launch();
  await context.grantPermissions(['notifications'], { origin: link.origin });
  await open(page, link.origin);
  const box = page.getByRole('checkbox', { name: 'Tell me when done' });
  await expect(box).not.toBeChecked();
  await box.check();
  for (const [device, viewport] of Object.entries({
    phone: { width: 390, height: 844 },
    desktop: { width: 1280, height: 800 },
  })) {
    await page.setViewportSize(viewport);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await page.screenshot({ path: info.outputPath(`switch-${device}-${colorScheme}.png`) });
      const { violations } = await new AxeBuilder({ page }).include('.hero').analyze();
      expect(violations.map(({ id }) => id)).toEqual([]);
    }
  }
  // It is remembered.
  await page.reload();
  await expect(box).toBeChecked();

  await addFiles(page, [seen]);
  await untilDelivered(server, [seen]);
  await expect(page.locator('#status-line')).toHaveText('Everything is delivered');
  expect(await notifications(context)).toEqual([]);

  await addFiles(page, unseen);
  await expect(page.locator('#queue [data-upload-id]').first()).toBeVisible();
  await context.newPage();
  await page.close();
  await untilDelivered(server, photos);
  await expect
    .poll(() => notifications(context))
    .toEqual([{ title: '5 files are delivered', body: 'They are safe on the server.', tag: 'backhaul' }]);
});

test('the switch says so if the browser blocks notifications', async ({ launch, link }) => {
  const { page } = await launch();
  await open(page, link.origin);
  // Headless Chromium denies what was not granted.
  await page.getByRole('checkbox', { name: 'Tell me when done' }).click();
  await expect(page.locator('#tell-me-hint')).toContainText('Notifications are blocked');
  await expect(page.getByRole('checkbox')).not.toBeChecked();
});
