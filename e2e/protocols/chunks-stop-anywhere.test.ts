// Invariant 5 for chunks: the worker is stopped at the k-th await of storing, sending and merging, for every k there is, and
// started again. No file is lost or made twice, and no chunk that the server has is taken again.

import { createHash, randomBytes } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import { type ChunkKit, startChunkKit } from '../../demo/server/chunk-kit.js';
import { chunkList, chunks } from '../../sw/index.js';
import { Life } from '../engine/life.js';
import { itemOf, startWorker, until } from '../engine/worker.js';

const sources = [
  { name: 'empty', bytes: new Uint8Array(0) },
  { name: 'one', bytes: new Uint8Array(randomBytes(50_000)) },
  { name: 'three', bytes: new Uint8Array(randomBytes(200_000)) },
];
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

async function start(): Promise<ChunkKit> {
  // Nothing by itself: the merge is to be stopped, too.
  const kit = await startChunkKit({ mergeAtOnceBytes: 0, maxUploads: 100_000 });
  onTestFinished(() => kit.close());
  return kit;
}

/** What a page does: hands over until it is told that everything is accepted, then leaves the rest to the worker. */
async function deliver(kit: ChunkKit, run: string, lives: readonly Life[]): Promise<void> {
  const endpoints = {
    chunks: chunks({
      chunk: { url: kit.urls.chunk },
      ask: chunkList({ url: kit.urls.chunk }),
      merge: { url: kit.urls.merge },
      chunkSize: 80_000,
    }),
  };
  const items = sources.map(({ name, bytes }) => itemOf(`${run}-${name}`, bytes));
  let accepted = false;
  for (const life of lives) {
    const worker = startWorker({ databaseName: `chunks-${run}`, life, endpoints });
    const work = async () => {
      if (accepted) await worker.engine.scheduler.wake('start');
      else {
        await worker.send({ type: 'enqueue', endpoint: 'chunks', metadata: {}, priority: 'normal', items });
        accepted = true;
      }
      await until(`delivery of ${run}`, async () => {
        if (life.dead) return true;
        const list = await worker.list();
        return list.length === sources.length && list.every(({ status }) => status === 'completed');
      });
    };
    // What a dead worker had promised never settles.
    await Promise.race([work(), life.died]);
  }
}

async function judge(kit: ChunkKit, run: string): Promise<void> {
  const files = (await kit.server.finished()).filter(({ meta }) => meta.metadata['filename']?.startsWith(`${run}-`));
  const photo = async (key: string) => (await fetch(`http://127.0.0.1:${kit.port}/api/photos/${key}`)).arrayBuffer();
  for (const { name, bytes } of sources) {
    const made = files.filter(({ meta }) => meta.metadata['filename'] === `${run}-${name}`);
    expect(made.length, `${run} ${name}: times made`).toBe(1);
    for (const { key, meta } of made) {
      expect(sha256(new Uint8Array(await photo(key))), `${run} ${name}`).toBe(sha256(bytes));
      const taken = kit.records.filter(({ fileId, acceptedBytes }) => fileId === meta.id && acceptedBytes > 0);
      expect(taken.length, `${run} ${name}: chunks taken`).toBe(Math.ceil(bytes.length / 80_000));
    }
  }
}

test('a worker stopped at any await delivers everything once it is started again', { timeout: 300_000 }, async () => {
  const kit = await start();
  const whole = new Life();
  await deliver(kit, 'whole', [whole]);
  await judge(kit, 'whole');
  // Fewer would mean that the seams no longer see the engine's awaits.
  expect(whole.crossings).toBeGreaterThan(100);
  for (let stopAt = 1; stopAt <= whole.crossings; stopAt += 1) {
    const run = `at${stopAt}`;
    await deliver(kit, run, [new Life(stopAt), new Life()]);
    await judge(kit, run);
  }
  expect(await kit.leftovers()).toEqual([]);
});
