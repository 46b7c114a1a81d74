// Invariant 5, literally: the worker is stopped at the k-th await of storing, sending and finishing, for every k there
// is, and started again. No accepted file is lost, none is delivered twice, no acknowledged byte is sent again.

import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Kit, startKit } from '../../demo/server/test-kit.js';
import { byteOffset } from '../../sw/index.js';
import { Life } from './life.js';
import { fileIdOf, itemOf, startWorker, type TestWorker, until } from './worker.js';

let kit: Kit;
beforeAll(async () => {
  kit = await startKit();
});
afterAll(async () => {
  await kit.close();
});

const sources = [
  { name: 'empty', bytes: new Uint8Array(0) },
  { name: 'inline', bytes: new Uint8Array(randomBytes(10_000)) },
  { name: 'pieces', bytes: new Uint8Array(randomBytes(200_000)) },
];

function start(run: string, life: Life): TestWorker {
  return startWorker({
    databaseName: `stop-${run}`,
    life,
    endpoints: {
      photos: byteOffset({
        statusUrl: `http://127.0.0.1:${kit.port}/api/status`,
        uploadUrl: `http://127.0.0.1:${kit.port}/api/upload`,
        pieceSize: 80_000,
        settleMs: 0,
        fileId: ({ name, sizeBytes, lastModifiedMs }) => `${run}-${name}-${sizeBytes}-${lastModifiedMs}`,
      }),
    },
  });
}

/** What a page does: hands over until it is told that everything is accepted, then leaves the rest to the worker. */
async function deliver(run: string, lives: Life[]): Promise<void> {
  const items = sources.map(({ name, bytes }) => itemOf(name, bytes));
  let accepted = false;
  for (const life of lives) {
    const worker = start(run, life);
    const work = async () => {
      if (!accepted) {
        const { outcomes } = await worker.send({
          type: 'enqueue',
          endpoint: 'photos',
          metadata: {},
          priority: 'normal',
          items,
        });
        expect(outcomes.map(({ type }) => type)).toEqual(['accepted', 'accepted', 'accepted']);
        accepted = true;
      } else await worker.engine.scheduler.wake('start');
      await until(`delivery of ${run}`, async () => life.dead || (await allCompleted(worker))).catch(
        async (cause: unknown) => {
          throw new Error(JSON.stringify(await worker.list()), { cause });
        },
      );
    };
    // What a dead worker had promised never settles.
    await Promise.race([work(), life.died, tooLong(run)]);
  }
}

async function tooLong(run: string): Promise<never> {
  const limit = AbortSignal.timeout(20_000);
  return new Promise((_, reject) => limit.addEventListener('abort', () => reject(new Error(`${run} hangs`))));
}

async function allCompleted(worker: TestWorker): Promise<boolean> {
  const list = await worker.list();
  return list.length === sources.length && list.every(({ status }) => status === 'completed');
}

async function judge(run: string): Promise<void> {
  for (const { name, bytes } of sources) {
    const fileId = `${run}-${fileIdOf(name, bytes.length)}`;
    const path = join(kit.dataDir, `${createHash('sha256').update(fileId).digest('hex')}.data`);
    expect(Buffer.compare(await readFile(path), bytes), `${run} ${name}`).toBe(0);
    const posts = kit.uploads().filter((record) => record.fileId === fileId);
    const kept = posts.reduce((sum, record) => sum + record.acceptedBytes, 0);
    expect(kept, `${run} ${name}: bytes kept`).toBe(bytes.length);
    // An empty file is made by a request without a byte, which may be repeated; others are complete once.
    const finishing = posts.filter((record) => record.acceptedBytes > 0 && record.heldBytes === bytes.length);
    expect(finishing.length, `${run} ${name}: deliveries`).toBe(bytes.length === 0 ? 0 : 1);
  }
}

async function crossingsOfAWholeRun(): Promise<number> {
  const life = new Life();
  await deliver('whole', [life]);
  await judge('whole');
  return life.crossings;
}

test('a worker stopped at any await delivers everything once it is started again', { timeout: 300_000 }, async () => {
  const crossings = await crossingsOfAWholeRun();
  // Fewer would mean that the seams no longer see the engine's awaits.
  expect(crossings).toBeGreaterThan(100);
  for (let stopAt = 1; stopAt <= crossings; stopAt += 1) {
    const run = `at-${stopAt}`;
    await deliver(run, [new Life(stopAt), new Life()]);
    await judge(run);
  }
});

test('and so does one that is stopped again and again', { timeout: 120_000 }, async () => {
  for (let seed = 1; seed <= 30; seed += 1) {
    const run = `again-${seed}`;
    const lives = Array.from({ length: 8 }, (_, index) => new Life(5 + ((seed * 7919 + index * 104_729) % 61)));
    await deliver(run, [...lives, new Life()]);
    await judge(run);
  }
});
