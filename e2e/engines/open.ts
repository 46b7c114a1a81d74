// One word for all engines: opens the named one on a profile.
import { openBrowser } from '../harness/browser.js';
import type { EngineBrowser, EngineName, EngineOptions } from './engine.js';
import { openFirefox } from './firefox.js';
import { openWebKit } from './webkit.js';

const openers: Readonly<Record<EngineName, (options: EngineOptions) => Promise<EngineBrowser>>> = {
  async chromium({ profileDir, private: isPrivate, quota }) {
    const browser = await openBrowser({ profileDir, args: isPrivate ? ['--incognito'] : [] });
    if (quota === undefined) return browser;
    const session = await browser.context.newCDPSession(browser.page);
    await session.send('Storage.overrideQuotaForOrigin', { origin: quota.origin, quotaSize: quota.sizeBytes });
    return browser;
  },
  firefox: openFirefox,
  webkit: openWebKit,
};

export function openEngine(name: EngineName, options: EngineOptions): Promise<EngineBrowser> {
  return openers[name](options);
}
