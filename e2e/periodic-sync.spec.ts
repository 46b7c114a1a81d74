// Periodic Background Sync, for uploads that wait when no page and no other event is left to wake the worker.
import { join } from 'node:path';
import { type CDPSession, chromium, type Page } from 'playwright';
import type { Tab } from './engines/engine.js';
import { makeFile } from './harness/files.js';
import { untilDelivered, untilSent } from './harness/fixtures.js';
import { acknowledgedBytesSentAgain, fileIds } from './harness/ledger.js';
import { openRawBrowser } from './harness/raw-browser.js';
import { choose, enqueueChosen, expect, openLab, test } from './pages/fixtures.js';
import { makeSite } from './soak/site.js';

type Registration = ServiceWorkerRegistration & { readonly periodicSync: { getTags(): Promise<string[]> } };

const tagsIn = (tab: Tab) => tab.evaluate(() => (window.lab.registration as Registration).periodicSync.getTags());

/** Chromium grants it by itself to installed apps that are used now and then. */
const grant = (session: CDPSession, origin: string) =>
  session.send('Browser.grantPermissions', { permissions: ['periodicBackgroundSync'], origin });

test('a periodic sync is asked for while uploads wait, and no longer', async ({ launch, link, server, filesDir }) => {
  const file = await makeFile(join(filesDir, 'photo.jpg'), 300_000);
  const { page, context } = await launch();
  await grant(await context.newCDPSession(page as Page), link.origin);
  await openLab(page, link.origin);
  link.blackHoleAll();
  await choose(page, [file]);
  await enqueueChosen(page);
  await expect.poll(() => tagsIn(page)).toHaveLength(1);
  link.heal();
  await untilDelivered(server, [file]);
  await openLab(page, link.origin);
  await expect.poll(() => tagsIn(page)).toEqual([]);
});

test.describe('no tab', () => {
  const SIZE_BYTES = 12_000_000;
  /** 48 s, more than a worker lives that nothing holds. */
  test.use({
    linkOptions: { uplinkBitsPerSecond: 2_000_000 },
    // The server looks for its app when it starts.
    serverEnv: async ({ appDir }, use) => {
      await makeSite(appDir, SIZE_BYTES);
      await use({ APP_DIR: appDir });
    },
  });

  test('a periodic sync wakes a stopped worker, and keeps it until all is delivered', async ({
    appDir,
    link,
    server,
  }) => {
    const file = await makeFile(join(appDir, 'source.bin'), SIZE_BYTES, 'soak');
    const browser = await openRawBrowser('about:blank');
    try {
      const app = await browser.openTab(`${link.origin}/`);
      await untilSent(link, 1_000_000);
      await browser.closeTab(app);

      // A debugger keeps a worker alive, so it is there for a moment only.
      const debugging = await chromium.connectOverCDP(browser.debuggingUrl);
      const [empty] = debugging.contexts()[0]?.pages() ?? [];
      const session = await debugging.contexts()[0]?.newCDPSession(empty as Page);
      const found = new Promise<string>((resolve) =>
        session?.on('ServiceWorker.workerRegistrationUpdated', ({ registrations }) => {
          for (const { registrationId } of registrations) resolve(registrationId);
        }),
      );
      await session?.send('ServiceWorker.enable');
      const registrationId = await found;
      await session?.send('ServiceWorker.stopAllWorkers');
      await session?.send('ServiceWorker.dispatchPeriodicSyncEvent', {
        origin: link.origin,
        registrationId,
        tag: 'backhaul:/',
      });
      await debugging.close();

      await untilDelivered(server, [file], { timeoutMs: 90_000 });
      const [fileId = ''] = fileIds(server.ledger);
      expect(acknowledgedBytesSentAgain(server.ledger, fileId)).toBe(0);
    } finally {
      await browser.kill();
    }
  });
});
