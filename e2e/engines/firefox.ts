// Owns one driven Firefox ESR from Debian's package on a profile that outlives it. Playwright speaks WebDriver BiDi to it;
// 1.65 sends a command to every new page that ESR 153 does not know, so package.json keeps to 1.64.
import { firefox, type Page } from 'playwright';
import { findChild, killTree } from '../harness/processes.js';
import { type EngineBrowser, type EngineOptions, NoMeans } from './engine.js';

export const FIREFOX = '/usr/bin/firefox-esr';

export interface FirefoxBrowser extends EngineBrowser {
  readonly page: Page;
}

export async function openFirefox({
  profileDir,
  private: isPrivate = false,
  quota,
}: EngineOptions): Promise<FirefoxBrowser> {
  const context = await firefox.launchPersistentContext(profileDir, {
    channel: 'moz-firefox',
    executablePath: FIREFOX,
    headless: true,
    firefoxUserPrefs: {
      'browser.privatebrowsing.autostart': isPrivate,
      // In kB, for all origins together.
      ...(quota && { 'dom.quotaManager.temporaryStorage.fixedLimit': Math.round(quota.sizeBytes / 1024) }),
    },
  });
  const pid = await findChild(profileDir);
  if (pid === undefined) {
    await context.close();
    throw new Error(`Firefox on ${profileDir} started, but its process was not found.`);
  }
  let over = false;
  return {
    context,
    page: context.pages()[0] ?? (await context.newPage()),
    pid,
    newPage: () => context.newPage(),
    async kill() {
      over = true;
      await killTree(pid);
      await context.close().catch(() => undefined);
    },
    async stopWorkers() {
      throw new NoMeans('WebDriver BiDi stops no worker, and where its process is killed, Playwright has Firefox end.');
    },
    setOffline: (offline) => context.setOffline(offline),
    async reloadPastCaches() {
      throw new NoMeans('WebDriver BiDi in Firefox ESR reloads no page past its caches.');
    },
    async close() {
      if (over) return;
      over = true;
      await context.close();
    },
  };
}
