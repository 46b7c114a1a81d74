// The whole engine against servers that were written for other clients, unchanged: resumable.js, flow.js,
// simple-uploader.js, and those that know a file only by its MD5. Judged by the files that they made.

import { createHash } from 'node:crypto';
import { createMD5 } from 'hash-wasm';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  type ChunksOptions,
  chunkList,
  chunks,
  contentHash,
  flowJs,
  resumableJs,
  simpleUploader,
} from '../../sw/index.js';
import { Life } from '../engine/life.js';
import { type File, fileOf, setStage } from '../engine/stage.js';
import { type FamilyOptions, FamilyServer } from './family-server.js';
import { FaultyServer, type Seen } from './faulty-server.js';
import { Md5Server } from './md5-server.js';

const CHUNK = 100_000;
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

async function stageFor(listener: FaultyServer, options: (origin: string) => ChunksOptions) {
  const server = await listener.start();
  onTestFinished(() => server.stop());
  const endpoints = (changed: Partial<ChunksOptions> = {}) => ({
    chunks: chunks({ chunkSize: CHUNK, ...options(server.origin), ...changed }),
  });
  const stage = await setStage({}, { endpoints: () => endpoints() });
  stage.time.hanging = () => server.hanging;
  return {
    ...stage,
    server,
    add: (files: readonly File[]) => stage.add(files, { endpoint: 'chunks' }),
    /** Another worker, as after a stop, whose code has changed meanwhile. */
    async again(changed: Partial<ChunksOptions> = {}) {
      stage.worker.life.end();
      const next = stage.another({ endpoints: endpoints(changed), life: new Life() });
      await next.engine.scheduler.wake('start');
      await stage.time.until('delivery', async () => (await next.list())[0]?.status === 'completed');
    },
  };
}

type Kind = readonly [name: string, preset: (url: string) => ChunksOptions, server: FamilyOptions];
const kinds: readonly Kind[] = [
  ['resumable.js', resumableJs, { prefix: 'resumable', missing: 404, refused: 200 }],
  ['flow.js', flowJs, { prefix: 'flow', missing: 204, refused: 500 }],
  ['simple-uploader.js', simpleUploader, { prefix: '', missing: 404, refused: 200 }],
];

const isPost = ({ method }: Seen) => method === 'POST';

describe.each(kinds)('a server for %s', (_, preset, kind) => {
  async function family(more: Partial<FamilyOptions> = {}, options: Partial<ChunksOptions> = {}) {
    const files = new FamilyServer({ ...kind, ...more });
    const stage = await stageFor(new FaultyServer(files.listener), (origin) => ({
      ...preset(`${origin}/upload`),
      ...options,
    }));
    const made = (file: File) => (files.made.get(file.name) ?? []).map(sha256);
    return { ...stage, files, made };
  }

  test.each([
    [1, [1]],
    [CHUNK - 1, [CHUNK - 1]],
    [CHUNK, [CHUNK]],
    [2 * CHUNK - 1, [2 * CHUNK - 1]],
    [2 * CHUNK, [CHUNK, CHUNK]],
    [2 * CHUNK + 1, [CHUNK, CHUNK + 1]],
    [750_001, [CHUNK, CHUNK, CHUNK, CHUNK, CHUNK, CHUNK, 150_001]],
  ])('gets %i bytes in chunks of %j, without a question', async (size, sizes) => {
    const { add, delivery, made, files, server } = await family();
    const file = fileOf('文件.bin', size);
    await add([file]);
    await delivery(file);
    expect(made(file).at(-1)).toBe(sha256(file.bytes));
    expect([...files.received].sort((a, b) => a[0] - b[0]).map(([, bytes]) => bytes)).toEqual(sizes);
    expect(server.seen.map(({ method, url }) => `${method} ${url}`)).toEqual(sizes.map(() => 'POST /upload'));
  });

  test('gets chunks that are never larger, if it was set so', async () => {
    const { add, delivery, made, files } = await family({ smallerLast: true }, { lastChunk: 'smaller' });
    const file = fileOf('a.bin', 250_000);
    await add([file]);
    await delivery(file);
    expect(made(file)).toEqual([sha256(file.bytes)]);
    expect(files.received.map(([, bytes]) => bytes).sort()).toEqual([CHUNK, CHUNK, 50_000]);
  });

  test('is asked for each chunk after a failure, and gets only what it lacks', async () => {
    const { add, delivery, made, files, server } = await family();
    const file = fileOf('a.bin', 450_000);
    server.fault = ({ nth }) =>
      nth === 1 ? { type: 'cut', afterBytes: 1000 } : nth === 2 ? { type: 'mute' } : undefined;
    await add([file]);
    await delivery(file);
    expect(made(file)).toEqual([sha256(file.bytes)]);
    expect(files.received.map(([number]) => number).sort()).toEqual([1, 2, 3, 4]);
    expect(server.seen.filter(({ method }) => method === 'GET')).toHaveLength(4);
  });

  test.each([0, 1, 2])('when the answer to chunk %i of 3 is lost', async (lost) => {
    const { add, delivery, made, server, files } = await family();
    const file = fileOf('a.bin', 350_000);
    server.fault = ({ nth }) => (nth === lost ? { type: 'mute' } : undefined);
    await add([file]);
    await delivery(file);
    expect(made(file)).toEqual([sha256(file.bytes)]);
    expect(files.received).toHaveLength(3);
  });

  test('that has forgotten its chunks gets them again', async () => {
    const { add, delivery, made, server, files } = await family();
    const file = fileOf('a.bin', 550_000);
    server.fault = ({ nth }) => {
      if (nth !== 3) return undefined;
      files.forget();
      return { type: 'reset' };
    };
    await add([file]);
    await delivery(file);
    expect(made(file).at(-1)).toBe(sha256(file.bytes));
  });

  test('that clears its chunks away: what an answer lost at the end means is an option', async () => {
    const options = { noneAfterLastChunk: 'done' } as const;
    const { add, delivery, made, server, files } = await family({ clears: true }, options);
    const file = fileOf('a.bin', 550_000);
    let posts = 0;
    server.fault = (seen) => {
      if (!isPost(seen)) return undefined;
      posts += 1;
      return posts === 5 ? { type: 'mute' } : undefined;
    };
    await add([file]);
    await delivery(file);
    expect(made(file)).toEqual([sha256(file.bytes)]);
    expect(files.received).toHaveLength(5);
  });

  test('that clears its chunks away gets the file again without that option, but not for ever', async () => {
    const { add, time, made, server, named } = await family({ clears: true });
    const file = fileOf('a.bin', 250_000);
    // The second chunk's answer is always lost, and the first one's never.
    let posts = 0;
    server.fault = (seen) => {
      if (!isPost(seen)) return undefined;
      posts += 1;
      return posts % 2 === 0 ? { type: 'mute' } : undefined;
    };
    await add([file]);
    await time.until('failure', async () => (await named('a.bin')).status === 'failed');
    expect(await named('a.bin')).toMatchObject({ error: { code: 'server-lost-bytes' } });
    expect(new Set(made(file))).toEqual(new Set([sha256(file.bytes)]));
    expect(posts).toBeLessThan(20);
  });

  test('keeps its chunks as they were though the options have changed meanwhile', async () => {
    const { add, time, made, files, server, again } = await family();
    const file = fileOf('a.bin', 650_000);
    server.fault = ({ nth }) => (nth >= 3 ? { type: 'hang' } : undefined);
    await add([file]);
    await time.until('three chunks', () => files.received.length === 3);
    server.fault = () => undefined;
    await again({ chunkSize: 64_000, lastChunk: 'smaller' });
    expect(made(file)).toEqual([sha256(file.bytes)]);
    expect(files.received).toHaveLength(6);
  });

  test('that cannot be asked is believed', async () => {
    const { add, delivery, made, files, server } = await family({}, { ask: undefined });
    const file = fileOf('a.bin', 350_000);
    server.fault = ({ nth }) => (nth === 1 ? { type: 'reset' } : undefined);
    await add([file]);
    await delivery(file);
    expect(made(file)).toEqual([sha256(file.bytes)]);
    expect(files.received).toHaveLength(3);
    expect(server.seen.every(isPost)).toBe(true);
  });

  test('that takes no body of this size gets smaller ones, the last one, too', async () => {
    const { add, delivery, made, server } = await family({}, { chunkSize: 400_000 });
    const file = fileOf('a.bin', 990_000);
    const tooLarge = ({ headers }: Seen) => Number(headers['content-length'] ?? 0) > 150_000;
    server.fault = (seen) => (tooLarge(seen) ? { type: 'answer', status: 413 } : undefined);
    await add([file]);
    await delivery(file);
    expect(made(file)).toEqual([sha256(file.bytes)]);
  });

  test('that refuses empty files says so', async () => {
    const { add, time, named, made, server } = await family();
    const file = fileOf('empty.bin', 0);
    await add([file]);
    // A 500 may pass, a word does not.
    const status = kind.refused === 500 ? 'waiting' : 'failed';
    await time.until(status, async () => (await named('empty.bin')).status === status);
    expect(await named('empty.bin')).toMatchObject({
      error: { code: kind.refused === 500 ? 'server-error' : 'refused' },
    });
    expect(server.seen).toHaveLength(1);
    expect(made(file)).toEqual([]);
  });

  test('goes on after a sign-in, with nothing sent twice', async () => {
    const { add, delivery, made, files, server, time, named, worker } = await family();
    const file = fileOf('a.bin', 450_000);
    server.fault = ({ nth }) => (nth >= 1 ? { type: 'answer', status: 401 } : undefined);
    await add([file]);
    await time.until('waiting', async () => (await named('a.bin')).status === 'waiting');
    expect(await named('a.bin')).toMatchObject({ reason: 'auth' });
    server.fault = () => undefined;
    await worker.send({ type: 'control', control: 'resume', ids: 'all' });
    await delivery(file);
    expect(made(file)).toEqual([sha256(file.bytes)]);
    expect(files.received).toHaveLength(4);
  });
});

/** A server of the tutorials, by options alone. */
const md5Options = (origin: string): ChunksOptions => ({
  hash: contentHash(createMD5),
  ask: chunkList({
    url: `${origin}/upload_already`,
    fields: ({ hash }) => ({ HASH: hash }),
    read: (json) => {
      const { fileList, intact } = json as { fileList: string[]; intact?: number };
      return { chunks: fileList.map((name) => Number(/_(\d+)/.exec(name)?.[1]) - 1), merged: intact === 1 };
    },
  }),
  chunk: {
    url: `${origin}/upload_chunk`,
    fields: ({ hash, index, name }) => ({ filename: `${hash}_${index + 1}.${/\.(\w+)$/.exec(name)?.[1] ?? 'bin'}` }),
  },
  merge: { url: `${origin}/upload_merge`, fields: ({ hash, count }) => ({ HASH: hash, count }) },
  means: ({ text }, step) => (JSON.parse(text).code === 0 ? undefined : step === 'merge' ? 'resync' : 'busy'),
  noneAfterLastChunk: 'done',
});

describe('a server that knows a file by its MD5', () => {
  const md5 = (file: File) => createHash('md5').update(file.bytes).digest('hex');

  async function tutorial(options: { tells?: boolean } = {}) {
    const files = new Md5Server(options);
    const stage = await stageFor(new FaultyServer(files.listener), md5Options);
    const held = (file: File) => {
      const bytes = files.files.get(`${md5(file)}.png`);
      return bytes && sha256(bytes);
    };
    return { ...stage, files, held };
  }

  test.each([1, CHUNK, CHUNK + 1, 450_000])('gets %i bytes', async (size) => {
    const { add, delivery, held, files, server } = await tutorial();
    const file = fileOf('照片.png', size);
    await add([file]);
    await delivery(file);
    expect(held(file)).toBe(sha256(file.bytes));
    const names = Array.from({ length: Math.ceil(size / CHUNK) }, (_, at) => `${md5(file)}_${at + 1}.png`);
    expect([...files.received].sort()).toEqual(names);
    expect(server.seen[0]).toMatchObject({ method: 'GET', url: `/upload_already?HASH=${md5(file)}` });
  });

  test.each(Array.from({ length: 6 }, (_, nth) => nth))('when the answer to request %i is lost', async (lost) => {
    const { add, delivery, held, files, server } = await tutorial();
    const file = fileOf('a.png', 350_000);
    server.fault = ({ nth }) => (nth === lost ? { type: 'mute' } : undefined);
    await add([file]);
    await delivery(file);
    // Merged twice, it would be twice as long.
    expect(held(file)).toBe(sha256(file.bytes));
    expect(files.received).toHaveLength(4);
  });

  test('that has lost its chunks gets them again', async () => {
    const { add, delivery, held, files, server } = await tutorial();
    const file = fileOf('a.png', 450_000);
    server.fault = ({ nth }) => {
      if (nth !== 3) return undefined;
      files.forget();
      return { type: 'reset' };
    };
    await add([file]);
    await delivery(file);
    expect(held(file)).toBe(sha256(file.bytes));
  });

  test('gets no byte of what it has, if it says so', async () => {
    const { add, delivery, files, server } = await tutorial({ tells: true });
    const file = fileOf('a.png', 350_000);
    await add([file]);
    await delivery(file);
    const before = server.seen.length;
    const copy = { ...file, name: 'copy.png' };
    await add([copy]);
    await delivery(copy);
    expect(server.seen.slice(before).map(({ method, url }) => `${method} ${url}`)).toEqual([
      `GET /upload_already?HASH=${md5(file)}`,
    ]);
    expect(files.received).toHaveLength(4);
  });

  test('that cannot merge an empty file says so', async () => {
    const { add, time, named } = await tutorial();
    await add([fileOf('empty.png', 0)]);
    await time.until('failed', async () => (await named('empty.png')).status === 'failed');
    expect(await named('empty.png')).toMatchObject({ error: { code: 'refused' } });
  });
});
