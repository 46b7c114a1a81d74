// MB/s of Backhaul, from `enqueue` until the last file is confirmed, against six parallel XHR POSTs of the same files to
// the same server in the same browser. `npx tsx e2e/bench/throughput.ts [rounds]`. No limit: it tells where time goes.
import { join } from 'node:path';
import { makeFile } from '../harness/files.js';
import { writeWorker } from '../pages/build.js';
import { type Bench, bench, median, printTable } from './kit.js';

const ROUNDS = Number(process.argv[2] ?? 3);
const LOADS = [
  { name: '1 x 500 MB', count: 1, bytes: 500_000_000 },
  { name: '20 x 10 MB', count: 20, bytes: 10_000_000 },
  { name: '1000 x 100 KB', count: 1000, bytes: 100_000 },
] as const;

type Load = (typeof LOADS)[number];
const scope = (load: Load, round: number) => `/w${LOADS.indexOf(load)}-${round}/`;

async function prepare(appDir: string): Promise<void> {
  for (const load of LOADS) {
    for (let round = 0; round < ROUNDS; round += 1)
      await writeWorker(join(appDir, scope(load, round), 'worker.js'), { version: '1', takeOver: true });
  }
}

async function measure(load: Load, round: number, { dir, origin, browser }: Bench) {
  const { page } = browser;
  const id = `${LOADS.indexOf(load)}-${round}`;
  const paths: string[] = [];
  for (let index = 0; index < load.count; index += 1)
    paths.push((await makeFile(join(dir, 'files', `${id}-${index}.bin`), load.bytes, `${id}/${index}`)).path);

  await page.goto(`${origin}/?worker=${scope(load, round)}worker.js`);
  await page.locator('html[data-ready]').waitFor();
  await page.locator('#file-input').setInputFiles(paths);
  // Both first in turn: the first one reads from a colder disk.
  const xhr = () => page.evaluate((prefix) => window.lab.measureXhr(window.lab.chosen(), prefix), `xhr-${id}`);
  const before = round % 2 === 0 ? await xhr() : undefined;
  const backhaul = await page.evaluate(async () => {
    const { lab } = window;
    const startedAt = performance.now();
    const uploads = (await lab.backhaul?.enqueue(lab.chosen(), { endpoint: 'photos' })) ?? [];
    const storedMs = performance.now() - startedAt;
    await Promise.all(uploads.map(({ finished }) => finished));
    return { storedMs, totalMs: performance.now() - startedAt };
  });
  const xhrMs = before ?? (await xhr());
  await page.evaluate(() => window.lab.registration?.unregister());
  return { ...backhaul, xhrMs };
}

await bench(async (context) => {
  const rows: string[][] = [['files', 'stored', 'all confirmed', 'backhaul', 'plain XHR', 'ratio']];
  for (const load of LOADS) {
    const rounds: Awaited<ReturnType<typeof measure>>[] = [];
    for (let round = 0; round < ROUNDS; round += 1) rounds.push(await measure(load, round, context));
    const storedMs = median(rounds.map((each) => each.storedMs));
    const totalMs = median(rounds.map((each) => each.totalMs));
    const xhrMs = median(rounds.map((each) => each.xhrMs));
    const speed = (ms: number) => `${((load.count * load.bytes) / 1000 / ms).toFixed(0)} MB/s`;
    rows.push([
      load.name,
      `${storedMs.toFixed(0)} ms`,
      `${totalMs.toFixed(0)} ms`,
      speed(totalMs),
      speed(xhrMs),
      (xhrMs / totalMs).toFixed(2),
    ]);
  }
  printTable(rows);
  console.log(`medians of ${ROUNDS}; ratio: Backhaul's speed by plain XHR's`);
}, prepare);
