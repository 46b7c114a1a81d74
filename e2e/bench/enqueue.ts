// How long `enqueue` of 1,000 photos takes, against one bare transaction of as many Files in the same browser, and
// whether the page stays responsive meanwhile. `npx tsx e2e/bench/enqueue.ts [rounds]`; exit code 1 if a limit is missed.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFile } from '../harness/files.js';
import { writeBareWorker, writeWorker } from '../pages/build.js';
import type { EnqueueFigures } from '../pages/measure.js';
import { bench, median, printTable } from './kit.js';

const ROUNDS = Number(process.argv[2] ?? 5);
const FILES = 1000;
const FILE_BYTES = 100_000;
const LONGEST_RATIO = 1.5;
const LONGEST_TASK_MS = 50;

/** Every round has its own scope: a new worker, a new database. */
const backhaulScope = (round: number) => `/backhaul-${round}/`;
const bareScope = (round: number) => `/bare-${round}/`;

async function prepare(appDir: string): Promise<void> {
  for (let round = 0; round < ROUNDS; round += 1) {
    await writeWorker(join(appDir, backhaulScope(round), 'worker.js'), { version: '1', takeOver: true });
    await writeBareWorker(join(appDir, bareScope(round), 'worker.js'));
  }
}

await bench(async ({ dir, origin, browser }) => {
  const { page } = browser;

  const choose = async (name: string) => {
    const folder = join(dir, 'files', name);
    await mkdir(folder, { recursive: true });
    const paths: string[] = [];
    for (let index = 0; index < FILES; index += 1) {
      const { path } = await makeFile(join(folder, `${name}-${index}.jpg`), FILE_BYTES, `${name}/${index}`);
      paths.push(path);
    }
    await page.locator('#file-input').setInputFiles(paths);
  };

  const measureBackhaul = async (round: number): Promise<EnqueueFigures> => {
    await page.goto(`${origin}/?worker=${backhaulScope(round)}worker.js`);
    await page.locator('html[data-ready]').waitFor();
    await choose(`backhaul-${round}`);
    const figures = await page.evaluate(() => {
      const { lab } = window;
      if (lab.backhaul === undefined) throw new Error('No Backhaul.');
      return lab.measureEnqueue(lab.backhaul, lab.chosen());
    });
    // Nothing of this round may run in the next.
    await page.evaluate(async () => {
      await window.lab.backhaul?.cancel();
      await window.lab.registration?.unregister();
    });
    return figures;
  };

  const measureBare = async (round: number): Promise<EnqueueFigures> => {
    await page.goto(`${origin}/`);
    await page.locator('html[data-ready]').waitFor();
    await choose(`bare-${round}`);
    return page.evaluate(
      (url) => window.lab.measureBareStore(url, window.lab.chosen()),
      `${bareScope(round)}worker.js`,
    );
  };

  const rounds: { backhaul: EnqueueFigures; bare: EnqueueFigures }[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    // The first of a pair finds a quieter disk: each is first in turn.
    if (round % 2 === 0) {
      const bare = await measureBare(round);
      rounds.push({ bare, backhaul: await measureBackhaul(round) });
    } else {
      const backhaul = await measureBackhaul(round);
      rounds.push({ backhaul, bare: await measureBare(round) });
    }
  }

  const ms = (value: number) => `${value.toFixed(0)} ms`;
  printTable([
    ['round', 'bare store', 'backhaul', 'ratio', 'longest task', 'longest gap', 'gap of bare'],
    ...rounds.map(({ bare, backhaul }, round) => [
      String(round + 1),
      ms(bare.elapsedMs),
      ms(backhaul.elapsedMs),
      (backhaul.elapsedMs / bare.elapsedMs).toFixed(2),
      ms(backhaul.longestTaskMs),
      ms(backhaul.longestGapMs),
      ms(bare.longestGapMs),
    ]),
  ]);
  const bareMs = median(rounds.map(({ bare }) => bare.elapsedMs));
  const backhaulMs = median(rounds.map(({ backhaul }) => backhaul.elapsedMs));
  const ratio = backhaulMs / bareMs;
  const longestTaskMs = Math.max(...rounds.map(({ backhaul }) => backhaul.longestTaskMs));
  console.log(
    `median of ${ROUNDS}: bare ${ms(bareMs)}, backhaul ${ms(backhaulMs)}, ratio ${ratio.toFixed(2)} (limit ${LONGEST_RATIO}); ` +
      `longest task ${ms(longestTaskMs)} (limit ${LONGEST_TASK_MS} ms)`,
  );
  if (ratio >= LONGEST_RATIO || longestTaskMs > LONGEST_TASK_MS) process.exitCode = 1;
}, prepare);
