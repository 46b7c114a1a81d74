// What Chromium says it is connected by, to a page and to the worker beside it: its own `navigator.connection`, set through
// its debugger.
import type { Page } from 'playwright';

/** An argument for `launch`: makes `navigator.connection.type` known, as it is on Android and ChromeOS. */
export const AS_ON_A_PHONE = ['--enable-blink-features=NetInfoDownlinkMax'];

/** What it returns puts this page's browser on that kind of connection, and tells so (`change`). */
export async function connectionOf(page: Page): Promise<(connectionType: 'wifi' | 'cellular4g') => Promise<void>> {
  const session = await page.context().newCDPSession(page);
  await session.send('Network.enable');
  return async (connectionType) => {
    // Without a speed it counts as no emulation: some that limits nothing.
    const speeds = { latency: 1, downloadThroughput: 1e8, uploadThroughput: 1e8 };
    await session.send('Network.emulateNetworkConditions', { offline: false, ...speeds, connectionType });
  };
}
