// The three engines without any driver: each opens one page, which asks with `open()` for a tab in front of itself.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EngineName } from '../engines/engine.js';
import { FIREFOX } from '../engines/firefox.js';
import { openScreen, WEBKIT, webkitEnvironment } from '../engines/webkit.js';
import { killTree } from '../harness/processes.js';
import { openRawBrowser } from '../harness/raw-browser.js';

export interface SoakBrowser {
  /** Puts a tab in front of the page, where the engine does not let the page itself do so. */
  cover(): Promise<void>;
  /** SIGKILL for all of it. */
  kill(): Promise<void>;
}

export const soakBrowsers: Readonly<Record<EngineName, (url: string) => Promise<SoakBrowser>>> = {
  async chromium(url) {
    const browser = await openRawBrowser(url);
    return { cover: async () => void (await browser.openTab('about:blank')), kill: browser.kill };
  },
  async firefox(url) {
    const profileDir = await mkdtemp(join(tmpdir(), 'backhaul-firefox-'));
    const prefs = {
      // The page opens the tab in front of itself without a click.
      'dom.disable_open_during_load': false,
      'datareporting.policy.dataSubmissionEnabled': false,
      'browser.shell.checkDefaultBrowser': false,
      'browser.aboutwelcome.enabled': false,
    };
    const lines = Object.entries(prefs).map(([name, value]) => `user_pref("${name}", ${JSON.stringify(value)});\n`);
    await writeFile(join(profileDir, 'user.js'), lines.join(''));
    const child = spawn(FIREFOX, ['--headless', '--no-remote', '--profile', profileDir, url], silent);
    return { cover: async () => {}, kill: () => end(child, profileDir) };
  },
  async webkit(url) {
    const profileDir = await mkdtemp(join(tmpdir(), 'backhaul-webkit-'));
    const screen = await openScreen();
    const env = webkitEnvironment(profileDir, screen.display);
    const child = spawn(WEBKIT, [profileDir, 'alone', url], { ...silent, env });
    return {
      cover: async () => {},
      async kill() {
        await end(child, profileDir);
        await killTree(screen.pid);
      },
    };
  },
};

const silent = { stdio: 'ignore', detached: true } as const;

async function end({ pid }: ChildProcess, profileDir: string): Promise<void> {
  if (pid !== undefined) await killTree(pid);
  await rm(profileDir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}
