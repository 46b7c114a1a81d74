// The real engine against the real reference server, in Node: what is delivered, and what happens to bad input.

import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Kit, startKit } from '../../demo/server/test-kit.js';
import { byteOffset } from '../../sw/index.js';
import { fileIdOf, itemOf, startWorker, until } from './worker.js';

let kit: Kit;
beforeAll(async () => {
  kit = await startKit();
});
afterAll(async () => {
  await kit.close();
});

const endpoints = () => ({
  photos: byteOffset({
    statusUrl: `http://127.0.0.1:${kit.port}/api/status`,
    uploadUrl: `http://127.0.0.1:${kit.port}/api/upload`,
    settleMs: 0,
  }),
});

const enqueue = (items: ReturnType<typeof itemOf>[]) =>
  ({ type: 'enqueue', endpoint: 'photos', metadata: {}, priority: 'normal', items }) as const;

test('files of any size and name are delivered, byte for byte, one request a small file', async () => {
  const worker = startWorker({ databaseName: 'delivery', endpoints: endpoints() });
  const files = [
    ['空.bin', 0],
    ['文件 1.bin', 1],
    ['عربي.bin', 70_000],
    ['😀%"\\.bin', 3_000_000],
    ['a\uD800b.bin', 200_000],
  ] as const satisfies (readonly [name: string, sizeBytes: number])[];
  const sources = files.map(([name, size]: readonly [string, number]) => ({
    name,
    bytes: new Uint8Array(randomBytes(size)),
  }));
  const reply = await worker.send(enqueue(sources.map(({ name, bytes }) => itemOf(name, bytes))));
  expect(reply.outcomes.map(({ type }) => type)).toEqual(files.map(() => 'accepted'));
  const done = await until('all completed', async () => {
    const list = await worker.list();
    return list.every(({ status }) => status === 'completed') && list;
  });
  expect(done.map(({ acknowledgedBytes }) => acknowledgedBytes)).toEqual(files.map(([, size]) => size));
  for (const { name, bytes } of sources) {
    const id = encodeURIComponent(`${name.toWellFormed()}-${bytes.length}-1700000000000`);
    const hash = createHash('sha256').update(id).digest('hex');
    const posts = kit.uploads().filter(({ fileId }) => fileId === id);
    expect(
      posts.map(({ outcome }) => outcome),
      name,
    ).toEqual(bytes.length > 524_288 ? expect.arrayContaining(['ok']) : ['ok']);
    expect(await readFile(join(kit.dataDir, `${hash}.data`)).then(sha), name).toBe(sha(bytes));
  }
});

test('the same file added twice is one upload, and after completion it is not sent again', async () => {
  const worker = startWorker({ databaseName: 'twice', endpoints: endpoints() });
  const bytes = new Uint8Array(randomBytes(100_000));
  const first = await worker.send(enqueue([itemOf('twice.bin', bytes), itemOf('twice.bin', bytes)]));
  const ids = first.outcomes.map((outcome) => outcome.type === 'accepted' && outcome.snapshot.id);
  expect(ids[0]).toBe(ids[1]);
  await until('completed', async () => (await worker.list())[0]?.status === 'completed');
  await worker.send(enqueue([itemOf('twice.bin', bytes)]));
  await worker.engine.scheduler.idle();
  expect(await worker.list()).toHaveLength(1);
  expect(kit.uploads().filter(({ fileId }) => fileId === fileIdOf('twice.bin', 100_000))).toHaveLength(1);
});

const sha = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
