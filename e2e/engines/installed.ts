// Owns one question: which engines can run on this machine? Asked once, by global setup; processes that it starts inherit
// the answers.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { type Software, whyMissing } from '../harness/debian-install.js';
import type { EngineName } from './engine.js';

const software: Readonly<Record<Exclude<EngineName, 'chromium'>, Software>> = {
  firefox: { programs: ['firefox-esr'], packages: ['firefox-esr'], variable: 'FIREFOX' },
  webkit: {
    programs: ['WebKitWebDriver', 'Xvfb', 'gjs'],
    // WebKitWebDriver brings no browser that keeps what is stored: ours is a script on the same library.
    works: () =>
      promisify(execFile)('gjs', ['-c', "imports.gi.versions.WebKit2 = '4.1'; imports.gi.WebKit2;"]).then(
        () => true,
        () => false,
      ),
    packages: ['webkit2gtk-driver', 'xvfb', 'gjs', 'gir1.2-webkit2-4.1'],
    variable: 'WEBKIT',
  },
};

const answerOf = (engine: EngineName) => `BACKHAUL_WITHOUT_${engine.toUpperCase()}`;

/** Installs what is missing, where that is allowed. Chromium is chromium.ts's business: without it there is no run. */
export async function settleEngines(): Promise<void> {
  for (const [engine, wanted] of Object.entries(software))
    process.env[answerOf(engine as EngineName)] = (await whyMissing(wanted)) ?? '';
}

/** Why `engine` can not run here; undefined if it can. */
export function whyAbsent(engine: EngineName): string | undefined {
  return process.env[answerOf(engine)] || undefined;
}
