// How much more memory the whole browser takes while it adds, stores and delivers a file of 1 GB than while it is idle: all
// processes, without mapped files (TreeMemory.ownBytes). `npx tsx e2e/bench/memory.ts [MB]`; exit code 1 above the limit.
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { makeFile } from '../harness/files.js';
import { processTreeMemory } from '../harness/processes.js';
import { bench, median, printTable } from './kit.js';

const FILE_BYTES = Number(process.argv[2] ?? 1000) * 1_000_000;
const LIMIT_BYTES = 60_000_000;
const SAMPLE_MS = 200;
/** Idle: so many samples in a row that differ by less than this. */
const CALM_SAMPLES = 15;
const CALM_BYTES = 2_000_000;

type Phase = 'idle' | 'add and store' | 'upload' | 'done';
const mb = (bytes: number) => `${(bytes / 1_000_000).toFixed(1)} MB`;

await bench(async ({ dir, origin, browser, server }) => {
  const { page, pid } = browser;
  const samples: { readonly phase: Phase; readonly bytes: number; readonly processes: number }[] = [];
  let phase: Phase = 'idle';
  let over = false;
  const sampling = (async () => {
    while (!over) {
      const { ownBytes: bytes, kind, processes } = await processTreeMemory(pid);
      if (kind !== 'pss') throw new Error('This machine tells no PSS; RSS counts shared pages many times.');
      samples.push({ phase, bytes, processes });
      await delay(SAMPLE_MS);
    }
  })();
  const of = (wanted: Phase) => samples.filter((sample) => sample.phase === wanted).map(({ bytes }) => bytes);
  const calm = async () => {
    for (const from = samples.length; ; await delay(SAMPLE_MS)) {
      const last = samples
        .slice(from)
        .slice(-CALM_SAMPLES)
        .map(({ bytes }) => bytes);
      if (last.length === CALM_SAMPLES && Math.max(...last) - Math.min(...last) < CALM_BYTES) return median(last);
    }
  };

  const file = await makeFile(join(dir, 'big.bin'), FILE_BYTES);
  const warm = await makeFile(join(dir, 'warm.bin'), 300_000);
  await page.goto(`${origin}/?worker=/worker.js`);
  await page.locator('html[data-ready]').waitFor();
  const deliver = async (path: string, stored: () => void) => {
    await page.locator('#file-input').setInputFiles(path);
    await page.evaluate(
      async () => void (await window.lab.backhaul?.enqueue(window.lab.chosen(), { endpoint: 'photos' })),
    );
    stored();
    await page.evaluate(() =>
      Promise.all(
        (window.lab.backhaul?.getSnapshot().uploads ?? []).map(({ id }) => window.lab.backhaul?.get(id)?.finished),
      ),
    );
  };
  // One small delivery first: what the browser loads once for any upload is no matter of the file's size.
  await deliver(warm.path, () => {});
  const idle = await calm();

  phase = 'add and store';
  await deliver(file.path, () => {
    phase = 'upload';
  });
  phase = 'done';
  const after = await calm();
  over = true;
  await sampling;

  const held = await server.heldFiles(({ sizeBytes }) => sizeBytes === FILE_BYTES);
  if (held[0]?.sha256 !== file.sha256) throw new Error('The server holds other bytes.');

  const busy = [...of('add and store'), ...of('upload'), ...of('done')];
  const growth = Math.max(...busy) - idle;
  printTable([
    ['phase', 'samples', 'processes', 'median', 'peak', 'over idle'],
    ...(['idle', 'add and store', 'upload', 'done'] as const).map((name) => {
      const values = of(name);
      const peak = Math.max(...values);
      const counts = samples.filter((sample) => sample.phase === name).map(({ processes }) => processes);
      const processes = `${Math.min(...counts)}-${Math.max(...counts)}`;
      return [
        name,
        String(values.length),
        processes,
        mb(median(values)),
        mb(peak),
        name === 'idle' ? '' : mb(peak - idle),
      ];
    }),
  ]);
  console.log(
    `idle ${mb(idle)}, peak ${mb(Math.max(...busy))}, growth ${mb(growth)} (limit ${mb(LIMIT_BYTES)}), after ${mb(after)}`,
  );
  if (growth > LIMIT_BYTES) process.exitCode = 1;
});
