// Owns one run of one case, from an empty folder to the verdict, with everything closed and deleted after it.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type OpenBrowser, openBrowser } from '../harness/browser.js';
import { makeFile } from '../harness/files.js';
import { startLink } from '../harness/link.js';
import { startServer } from '../harness/server.js';
import type { SurvivalCase } from './cases.js';
import { makePlainApp } from './plain-app.js';
import { Stage } from './stage.js';
import { judge, type Verdict } from './verdict.js';

export interface RunOptions {
  /** Default 20 MB. */
  readonly sizeBytes?: number;
  /** Default 20 Mbit/s. */
  readonly uplinkBitsPerSecond?: number;
  readonly seed: number;
  /** Against a server as javascript.info's instead of the reference server. */
  readonly plain: boolean;
}

/** From the end of the fault; the file itself takes 8 s, and one case sends all of it again. A guess. */
const DELIVERY_LIMIT_MS = 90_000;

export async function runCase(play: SurvivalCase, options: RunOptions): Promise<Verdict> {
  const { sizeBytes = 20_000_000, uplinkBitsPerSecond = 20_000_000, seed, plain } = options;
  const root = await mkdtemp(join(tmpdir(), 'backhaul-survival-'));
  const file = await makeFile(join(root, `IMG_${seed}.jpg`), sizeBytes, seed);
  const server = await startServer({ dataDir: join(root, 'data'), ...(plain ? await makePlainApp(root) : {}) });
  const link = await startLink({ targetPort: server.port, uplinkBitsPerSecond });
  const browsers: OpenBrowser[] = [];
  const launch = async () => {
    const browser = await openBrowser({ profileDir: join(root, 'profile') });
    browsers.push(browser);
    return browser;
  };
  const stage = new Stage({ server, link, file, launch });
  try {
    return await playCase(play, stage);
  } finally {
    stage.close();
    for (const browser of browsers) await browser.close();
    await link.close();
    await server.kill();
    await rm(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

/** The play itself: half of the file, the harm, the rest. */
export async function playCase(play: SurvivalCase, stage: Stage): Promise<Verdict> {
  await stage.openBrowser();
  await stage.openApp();
  const sprung = Promise.resolve(play.trap?.(stage));
  await stage.sendUntil(stage.file.sizeBytes / 2);
  const { carrier } = stage;
  const fault = await play.inject(stage, sprung);
  const givenUp = await stage.untilDelivered(DELIVERY_LIMIT_MS).then(
    () => ({}),
    (error: unknown) => ({ givenUp: String(error) }),
  );
  return judge(play, stage, { fault, carrier, endedAtMs: Date.now(), ...givenUp });
}
