// The whole engine against the reference chunk server, over real HTTP and a real disk, with all that goes wrong between
// them. Judged by the SHA-256 of what the gallery gives out, and by the server's own count. Invariants 2, 3, 6, 7, 8.

import { createHash } from 'node:crypto';
import { mkdtemp, open, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMD5 } from 'hash-wasm';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { ChunkRecord, ChunkServerOptions } from '../../demo/server/chunk-options.js';
import { type ChunkServer, createChunkServer } from '../../demo/server/chunk-server.js';
import { fileShelf } from '../../demo/server/file-shelf.js';
import { createGallery } from '../../demo/server/gallery.js';
import { type ChunksOptions, chunkList, chunks, contentHash } from '../../sw/index.js';
import { Life } from '../engine/life.js';
import { type File, fileOf, setStage } from '../engine/stage.js';
import { type Fault, FaultyServer, type Seen } from './faulty-server.js';

const CHUNK = 100_000;

async function setChunkStage(options: Partial<ChunksOptions> = {}, serverOptions: Partial<ChunkServerOptions> = {}) {
  const dataDir = await mkdtemp(join(tmpdir(), 'backhaul-chunks-'));
  const records: ChunkRecord[] = [];
  const opened = () =>
    createChunkServer({
      onRequest: (record) => void records.push(record),
      mergeAtOnceBytes: 0,
      ...serverOptions,
      dataDir,
    });
  let chunkServer: ChunkServer = opened();
  const gallery = createGallery(
    '/api/photos',
    fileShelf(() => chunkServer.finished()),
  );
  const server = await new FaultyServer((request, response) => {
    if (!chunkServer.handle(request, response)) gallery(request, response);
  }).start();
  const url = `${server.origin}/api/chunks`;
  const adapterOf = (changed: Partial<ChunksOptions> = {}) => ({
    chunks: chunks({
      chunk: { url },
      ask: chunkList({ url }),
      merge: { url: `${url}/merge` },
      abort: { url },
      chunkSize: CHUNK,
      ...options,
      ...changed,
    }),
  });
  const stage = await setStage({}, { endpoints: () => adapterOf() });
  stage.time.hanging = () => server.hanging;
  onTestFinished(async () => {
    await server.stop();
    await chunkServer.close();
    await rm(dataDir, { recursive: true, force: true });
  });
  return {
    ...stage,
    server,
    records,
    dataDir,
    /** Another worker whose code has changed meanwhile. */
    updated: (changed: Partial<ChunksOptions>, life = new Life()) =>
      stage.another({ endpoints: adapterOf(changed), life }),
    add: (files: readonly File[]) => stage.add(files, { endpoint: 'chunks' }),
    /** As after a SIGKILL and a start, on the same folder. */
    async restart() {
      await chunkServer.close();
      chunkServer = opened();
      await chunkServer.ready;
    },
    leftovers: async () => (await readdir(join(dataDir, 'chunks'))).filter((name) => name !== 'contents.log'),
    async delivered(): Promise<{ name: string; sha256: string }[]> {
      server.fault = () => undefined;
      const photos = (await (await fetch(`${server.origin}/api/photos`)).json()) as { key: string; name: string }[];
      const contents = photos.map(async ({ key, name }) => {
        const bytes = await (await fetch(`${server.origin}/api/photos/${key}`)).arrayBuffer();
        return { name, sha256: sha256(new Uint8Array(bytes)) };
      });
      return Promise.all(contents);
    },
    lines: () => server.seen.map(({ method, url: path }) => `${method} ${path.split('?')[0]}`),
    /** Bytes of chunks that were stored, by the server's own count. */
    accepted: () => records.reduce((sum, { acceptedBytes }) => sum + acceptedBytes, 0),
    sent: () => records.filter(({ event, receivedBytes }) => event === 'chunk' && receivedBytes > 0),
  };
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const expected = (...files: readonly File[]) => files.map(({ name, bytes }) => ({ name, sha256: sha256(bytes) }));
const isChunk = ({ method, url }: Seen) => method === 'POST' && url === '/api/chunks';
const isMerge = ({ url }: Seen) => url.startsWith('/api/chunks/merge');
const isList = ({ method }: Seen) => method === 'GET';
const ANSWER = (status: number, headers: Record<string, string> = {}, body = ''): Fault => ({
  type: 'answer',
  status,
  headers,
  body,
});

describe('a file arrives whole, once', () => {
  test.each([
    [0, 0],
    [1, 1],
    [CHUNK - 1, 1],
    [CHUNK, 1],
    [CHUNK + 1, 2],
    [5 * CHUNK, 5],
    [730_001, 8],
  ])('of %i bytes, in %i chunks and one merge, without a question', async (size, count) => {
    const { add, delivery, delivered, lines, accepted, leftovers, named } = await setChunkStage();
    const file = fileOf('a.bin', size);
    await add([file]);
    await delivery(file);
    expect(lines()).toEqual([...Array(count).fill('POST /api/chunks'), 'POST /api/chunks/merge']);
    expect(await delivered()).toEqual(expected(file));
    expect(accepted()).toBe(size);
    expect(await leftovers()).toEqual([]);
    expect((await named('a.bin')).acknowledgedBytes).toBe(size);
  });

  test('chunks go side by side', async () => {
    const { add, delivery, server } = await setChunkStage();
    const file = fileOf('a.bin', 9 * CHUNK);
    await add([file]);
    await delivery(file);
    expect(server.mostAtOnce).toBe(3);
  });

  test('a small file is one request where the server finishes it by itself', async () => {
    const { add, delivery, delivered, lines } = await setChunkStage({}, { mergeAtOnceBytes: 8_000_000 });
    const files = [fileOf('a.bin', 70_000), fileOf('文件.bin', 30_000)];
    await add(files);
    await delivery(...files);
    expect(lines()).toEqual(['POST /api/chunks', 'POST /api/chunks']);
    expect((await delivered()).sort((a, b) => a.name.localeCompare(b.name))).toEqual(
      expected(...files).sort((a, b) => a.name.localeCompare(b.name)),
    );
  });

  test('as the whole body, with its fields in the query', async () => {
    const stage = await setChunkStage();
    const url = `${stage.server.origin}/api/chunks`;
    const fields = ({
      id,
      index,
      sizeBytes,
      chunkBytes,
      name,
    }: {
      id: string;
      index: number;
      sizeBytes: number;
      chunkBytes: number;
      name: string;
    }) => ({
      id,
      index,
      name,
      size: sizeBytes,
      chunkSize: chunkBytes,
    });
    const raw = { chunk: { url, as: 'query', fields } } as const;
    const file = fileOf('a.bin', 3 * CHUNK);
    stage.worker.life.end();
    const worker = stage.updated(raw);
    const item = {
      file: new Blob([file.bytes]),
      name: 'a.bin',
      type: '',
      sizeBytes: file.bytes.length,
      lastModifiedMs: 1,
      fingerprint: 'a',
    };
    await worker.send({ type: 'enqueue', endpoint: 'chunks', metadata: {}, priority: 'normal', items: [item] });
    await stage.time.until('delivery', async () => (await worker.list())[0]?.status === 'completed');
    expect(await stage.delivered()).toEqual(expected(file));
  });
});

describe('what is lost on the way', () => {
  const COUNT = 4;
  const size = COUNT * CHUNK - 7;

  test.each(Array.from({ length: COUNT + 1 }, (_, nth) => nth))('the answer to request %i', async (lost) => {
    const { server, add, delivery, delivered, accepted, sent } = await setChunkStage();
    const file = fileOf('a.bin', size);
    server.fault = ({ nth }) => (nth === lost ? { type: 'mute' } : undefined);
    await add([file]);
    await delivery(file);
    expect(await delivered()).toEqual(expected(file));
    // Invariant 7: each chunk is taken once, and none is sent again that the server has.
    expect(accepted()).toBe(size);
    expect(sent().filter(({ outcome }) => outcome === 'stored')).toEqual([]);
  });

  test.each([0, 1, 3, 4])('request %i itself', async (lost) => {
    const { server, add, delivery, delivered, accepted } = await setChunkStage();
    const file = fileOf('a.bin', size);
    server.fault = ({ nth }) => (nth === lost ? { type: 'reset' } : undefined);
    await add([file]);
    await delivery(file);
    expect(await delivered()).toEqual(expected(file));
    expect(accepted()).toBe(size);
  });

  test.each([1, 50_000, 99_999])('each chunk once, after %i bytes', async (afterBytes) => {
    const { server, add, delivery, delivered, accepted } = await setChunkStage();
    const file = fileOf('a.bin', size);
    let cuts = 0;
    server.fault = (seen) => {
      if (!isChunk(seen) || cuts >= COUNT) return undefined;
      cuts += 1;
      return { type: 'cut', afterBytes };
    };
    await add([file]);
    await delivery(file);
    expect(cuts).toBe(COUNT);
    expect(await delivered()).toEqual(expected(file));
    expect(accepted()).toBe(size);
  });

  test('the answer to the merge, and then to the list', async () => {
    const { server, add, delivery, delivered, records } = await setChunkStage();
    const file = fileOf('a.bin', size);
    const lost = new Set<string>();
    server.fault = (seen) => {
      const kind = isMerge(seen) ? 'merge' : isList(seen) ? 'list' : '';
      if (kind === '' || lost.has(kind)) return undefined;
      lost.add(kind);
      return { type: 'mute' };
    };
    await add([file]);
    await delivery(file);
    expect(lost).toEqual(new Set(['merge', 'list']));
    expect(records.filter(({ event }) => event === 'merge')).toHaveLength(1);
    expect(await delivered()).toEqual(expected(file));
  });

  test('everything, for a while: it waits, and goes on', async () => {
    const { server, add, delivery, delivered, time, statuses } = await setChunkStage();
    const file = fileOf('a.bin', size);
    server.fault = ({ nth }) => (nth >= 2 ? { type: 'hang' } : undefined);
    await add([file]);
    await time.until('waiting', async () => (await statuses())['a.bin'] === 'waiting');
    server.fault = () => undefined;
    await delivery(file);
    expect(await delivered()).toEqual(expected(file));
  });
});

describe('the server', () => {
  const size = 4 * CHUNK;

  test.each([1, 2, 3, 4])('restarted before request %i', async (at) => {
    const { server, add, delivery, delivered, restart, accepted } = await setChunkStage();
    const file = fileOf('a.bin', size);
    let restarting: Promise<void> | undefined;
    server.fault = ({ nth }) => {
      if (nth < at) return undefined;
      restarting ??= restart();
      return nth === at ? { type: 'reset' } : undefined;
    };
    await add([file]);
    await delivery(file);
    await restarting;
    expect(await delivered()).toEqual(expected(file));
    expect(accepted()).toBe(size);
  });

  test('that has lost the upload gets it again, under another name', async () => {
    const { server, add, delivery, delivered, dataDir, restart, sent } = await setChunkStage();
    const file = fileOf('a.bin', size);
    let lost: Promise<void> | undefined;
    server.fault = (seen) => {
      if (!isMerge(seen) || lost) return undefined;
      lost = rm(join(dataDir, 'chunks'), { recursive: true }).then(restart);
      return { type: 'reset' };
    };
    await add([file]);
    await delivery(file);
    await lost;
    expect(await delivered()).toEqual(expected(file));
    expect(sent().length).toBeGreaterThan(4);
  });

  test('that says "gone" is begun anew', async () => {
    const { server, add, delivery, delivered } = await setChunkStage();
    const file = fileOf('a.bin', size);
    server.fault = (seen) => (isChunk(seen) && seen.nth === 2 ? ANSWER(410) : undefined);
    await add([file]);
    await delivery(file);
    expect((await delivered()).map(({ sha256: hash }) => hash)).toEqual([sha256(file.bytes)]);
  });

  test('that wants a sign-in gets the rest after it, and nothing twice', async () => {
    const { server, add, delivery, delivered, time, named, worker, accepted } = await setChunkStage();
    const file = fileOf('a.bin', size);
    server.fault = ({ nth }) => (nth >= 2 ? ANSWER(401) : undefined);
    await add([file]);
    await time.until('waiting', async () => (await named('a.bin')).status === 'waiting');
    expect(await named('a.bin')).toMatchObject({ reason: 'auth', error: { code: 'unauthorized' } });
    server.fault = () => undefined;
    await worker.send({ type: 'control', control: 'resume', ids: 'all' });
    await delivery(file);
    expect(await delivered()).toEqual(expected(file));
    expect(accepted()).toBe(size);
  });

  test.each([
    [429, 'rate-limited'],
    [503, 'server-error'],
    [423, 'locked'],
  ])('that answers %i with Retry-After is given that time', async (status, code) => {
    const { server, add, delivery, delivered, time, named } = await setChunkStage();
    const file = fileOf('a.bin', size);
    let refused = false;
    server.fault = (seen) => {
      if (refused || !isChunk(seen)) return undefined;
      refused = true;
      return ANSWER(status, { 'Retry-After': '3600' });
    };
    await add([file]);
    await time.until('waiting', async () => (await named('a.bin')).status === 'waiting');
    expect(await named('a.bin')).toMatchObject({ reason: 'server', error: { code }, untilMs: time.now() + 3_600_000 });
    await delivery(file);
    expect(await delivered()).toEqual(expected(file));
  });

  test('that takes no body of this size gets smaller ones, under another name, and the old one is of no harm', async () => {
    const { server, add, delivery, delivered, lines } = await setChunkStage({ chunkSize: 400_000 });
    const file = fileOf('a.bin', 1_000_000);
    server.fault = (seen) => (Number(seen.headers['content-length'] ?? 0) > 120_000 ? ANSWER(413) : undefined);
    await add([file]);
    await delivery(file);
    expect(await delivered()).toEqual(expected(file));
    expect(lines().filter((line) => line === 'POST /api/chunks').length).toBeLessThan(16);
  });

  test('that takes no body at all fails the upload, with a code, at once', async () => {
    const { server, add, time, named, lines } = await setChunkStage();
    server.fault = (seen) => (isChunk(seen) ? ANSWER(413, {}, '<html>413 Request Entity Too Large</html>') : undefined);
    await add([fileOf('a.bin', size)]);
    await time.until('failed', async () => (await named('a.bin')).status === 'failed');
    expect(await named('a.bin')).toMatchObject({ error: { code: 'too-large' } });
    // Three of 100,000 bytes side by side, then of 65,536, below which nothing is cut.
    expect(server.seen.filter(isChunk).length).toBeLessThanOrEqual(6);
    // Whatever the server may have kept of the larger ones is of no use any more, and it is told so, once.
    expect(lines().filter((line) => !line.startsWith('POST'))).toEqual(['DELETE /api/chunks']);
  });

  test('is told to free the chunks that became of no use when smaller ones were wanted', async () => {
    const { server, add, delivery, delivered, leftovers } = await setChunkStage({ chunkSize: 400_000 });
    const file = fileOf('a.bin', 850_000);
    // The last one is small enough, and is taken; the others are refused after it.
    server.fault = (seen) => {
      const sizeBytes = isChunk(seen) ? Number(seen.headers['content-length'] ?? 0) : 0;
      return sizeBytes > 120_000 ? { type: 'answer', status: 413, headers: {} } : undefined;
    };
    await add([file]);
    await delivery(file);
    expect(await delivered()).toEqual(expected(file));
    expect(await leftovers()).toEqual([]);
  });

  test.each([
    // One alone, four times: the third chunk is not sent before the first has passed.
    ['a link of which nothing is known', 0, 4, 5_200_000],
    // Four times two side by side. The third chunk passes at once, says nothing of the others, and is of no use.
    ['a link that is known to be good', 500_000, 8, 5_600_000],
  ])('that cuts off every chunk of more than a megabyte gets smaller ones, on %s', async (_, before, most, taken) => {
    const { server, add, delivery, delivered, accepted } = await setChunkStage({ chunkSize: 2_400_000 });
    const first = fileOf('first.bin', before);
    await add([first]);
    await delivery(first);
    const file = fileOf('a.bin', 5_200_000);
    const tooLarge = (seen: Seen) => isChunk(seen) && Number(seen.headers['content-length'] ?? 0) > 1_048_576;
    server.fault = (seen) => (tooLarge(seen) ? { type: 'reset' } : undefined);
    await add([file]);
    await delivery(file);
    expect(await delivered()).toContainEqual(expected(file)[0]);
    expect(accepted() - before).toBe(taken);
    expect(server.seen.filter(tooLarge).length).toBeLessThanOrEqual(most);
  });

  test('keeps the chunks that it holds, however often connections break after them', async () => {
    const { server, add, time, named, delivery, delivered, accepted } = await setChunkStage({ chunkSize: 1_200_000 });
    const file = fileOf('a.bin', 4_000_000);
    let chunksSeen = 0;
    server.fault = (seen) => (isChunk(seen) && ++chunksSeen > 2 ? { type: 'reset' } : undefined);
    await add([file]);
    await time.pass(60_000);
    expect((await named('a.bin')).status).toBe('waiting');
    server.fault = () => undefined;
    await delivery(file);
    expect(await delivered()).toEqual(expected(file));
    expect(accepted()).toBe(4_000_000);
  });

  test('that takes one chunk, and not the others of its size, under a fixed name: fails, no loop', async () => {
    const { server, add, time, named } = await setChunkStage({ fileId: ({ name }) => name });
    let chunksSeen = 0;
    server.fault = (seen) => (isChunk(seen) && ++chunksSeen > 1 ? ANSWER(413) : undefined);
    await add([fileOf('a.bin', size)]);
    await time.until('failed', async () => (await named('a.bin')).status === 'failed');
    expect(await named('a.bin')).toMatchObject({ error: { code: 'too-large' } });
    expect(server.seen.length).toBeLessThan(16);
  });

  test('that ends every connection is waited for, not hammered', async () => {
    const { server, add, time, named } = await setChunkStage();
    server.fault = (seen) => (isChunk(seen) ? { type: 'reset' } : undefined);
    await add([fileOf('a.bin', size)]);
    await time.pass(600_000);
    expect((await named('a.bin')).status).toBe('waiting');
    expect(server.seen.length).toBeLessThan(200);
  });

  test('behind a sign-in page of a network is waited for', async () => {
    const { server, add, time, named, delivery, delivered } = await setChunkStage();
    const file = fileOf('a.bin', size);
    server.fault = () => ANSWER(200, { 'Content-Type': 'text/html' }, '<!doctype html><h1>Hotel</h1>');
    await add([file]);
    await time.until('waiting', async () => (await named('a.bin')).status === 'waiting');
    expect(await named('a.bin')).toMatchObject({ error: { code: 'unexpected-answer' } });
    server.fault = () => undefined;
    await delivery(file);
    expect(await delivered()).toEqual(expected(file));
  });
});

describe('the size of chunks', () => {
  test('is that of the beginning, though the option has changed meanwhile', async () => {
    const { server, add, time, delivered, updated, worker, records, accepted } = await setChunkStage();
    const file = fileOf('a.bin', 700_000);
    server.fault = ({ nth }) => (nth >= 3 ? { type: 'hang' } : undefined);
    await add([file]);
    await time.until('three chunks', () => records.filter(({ outcome }) => outcome === 'ok').length === 3);
    worker.life.end();
    server.fault = () => undefined;
    const next = updated({ chunkSize: 64_000 });
    await next.engine.scheduler.wake('start');
    await time.until('delivery', async () => (await next.list())[0]?.status === 'completed');
    expect(await delivered()).toEqual(expected(file));
    expect(accepted()).toBe(700_000);
  });

  test('is the server’s, where an upload of that name was begun with another one', async () => {
    const { add, time, delivered, updated, worker, server, records, accepted } = await setChunkStage({
      fileId: ({ name }) => name,
    });
    const file = fileOf('a.bin', 700_000);
    server.fault = ({ nth }) => (nth >= 4 ? { type: 'hang' } : undefined);
    await add([file]);
    await time.until('three chunks', () => records.filter(({ outcome }) => outcome === 'ok').length === 3);
    // Forgotten on the device, without a word to the server.
    worker.life.end();
    server.fault = () => undefined;
    const other = updated({ chunkSize: 64_000, fileId: ({ name }) => name, abort: undefined });
    await other.send({ type: 'control', control: 'cancel', ids: 'all' });
    await other.send({ type: 'control', control: 'remove', ids: 'all' });
    const item = {
      file: new Blob([file.bytes]),
      name: 'a.bin',
      type: '',
      sizeBytes: 700_000,
      lastModifiedMs: 1,
      fingerprint: 'a',
    };
    await other.send({ type: 'enqueue', endpoint: 'chunks', metadata: {}, priority: 'normal', items: [item] });
    await time.until('delivery', async () => (await other.list())[0]?.status === 'completed');
    expect(await delivered()).toEqual(expected(file));
    expect(accepted()).toBe(700_000);
  });
});

describe('a cancel', () => {
  test.each([2, 4])('after %i requests leaves nothing on the server', async (requests) => {
    const { server, add, time, worker, leftovers, delivered, dataDir, records } = await setChunkStage();
    const file = fileOf('a.bin', 4 * CHUNK);
    server.fault = ({ nth, method }) => (nth >= requests && method === 'POST' ? { type: 'hang' } : undefined);
    await add([file]);
    await time.until('some chunks', () => records.filter(({ outcome }) => outcome === 'ok').length === requests);
    expect(await leftovers()).not.toEqual([]);
    await worker.send({ type: 'control', control: 'cancel', ids: 'all' });
    await time.until('freed', () => records.some(({ event }) => event === 'abort'));
    await worker.engine.scheduler.idle();
    expect(await leftovers()).toEqual([]);
    expect(await delivered()).toEqual([]);
    expect((await readdir(dataDir)).filter((name) => name !== 'chunks')).toEqual([]);
  });

  test('and the same file added again is delivered', async () => {
    const { server, add, time, worker, delivered, delivery, records } = await setChunkStage();
    const file = fileOf('a.bin', 4 * CHUNK);
    server.fault = ({ nth, method }) => (nth >= 2 && method === 'POST' ? { type: 'hang' } : undefined);
    await add([file]);
    await time.until('some chunks', () => records.filter(({ outcome }) => outcome === 'ok').length === 2);
    await worker.send({ type: 'control', control: 'cancel', ids: 'all' });
    await time.until('freed', () => records.some(({ event }) => event === 'abort'));
    await worker.engine.scheduler.idle();
    server.fault = () => undefined;
    await add([file]);
    await delivery(file);
    expect(await delivered()).toEqual(expected(file));
  });
});

describe('content that the server has', () => {
  const instant = { hash: contentHash(createMD5) };

  test('is not sent again, whatever its name', async () => {
    const { add, delivery, delivered, lines, records } = await setChunkStage(instant, { contentHash: 'md5' });
    const first = fileOf('a.bin', 250_000);
    await add([first]);
    await delivery(first);
    const before = lines().length;
    const again = { ...first, name: 'copy.bin' };
    await add([again]);
    await delivery(again);
    expect(lines().slice(before)).toEqual(['GET /api/chunks']);
    expect(records.at(-1)).toMatchObject({ event: 'list', outcome: 'merged' });
    expect(await delivered()).toEqual(expected(first));
  });

  test('is asked for again only when the server allows', async () => {
    const { server, add, delivery, time, lines } = await setChunkStage(instant, { contentHash: 'md5' });
    const file = fileOf('a.bin', 50_000);
    server.fault = ({ nth }) => (nth === 0 ? ANSWER(429, { 'Retry-After': '600' }) : undefined);
    await add([file]);
    await time.pass(590_000);
    expect(lines()).toEqual(['GET /api/chunks']);
    await delivery(file);
    expect(lines()).toEqual(['GET /api/chunks', 'GET /api/chunks', 'POST /api/chunks', 'POST /api/chunks/merge']);
  });

  test('is asked for before any byte, even if the first question fails', async () => {
    const { server, add, delivery, lines, records } = await setChunkStage(instant, { contentHash: 'md5' });
    const first = fileOf('a.bin', 250_000);
    await add([first]);
    await delivery(first);
    const before = lines().length;
    server.fault = ({ nth }) => (nth === before || nth === before + 1 ? { type: 'reset' } : undefined);
    const again = { ...first, name: 'copy.bin' };
    await add([again]);
    await delivery(again);
    expect(new Set(lines().slice(before))).toEqual(new Set(['GET /api/chunks']));
    expect(records.at(-1)).toMatchObject({ outcome: 'merged' });
  });

  test('that was damaged on the way is noticed, and sent again', async () => {
    const { add, delivery, delivered, records, dataDir, server } = await setChunkStage(instant, { contentHash: 'md5' });
    const file = fileOf('a.bin', 250_000);
    let damaged: Promise<unknown> | undefined;
    server.fault = (seen) => {
      if (!isMerge(seen) || damaged) return undefined;
      damaged = readdir(join(dataDir, 'chunks')).then(async (names) => {
        const handle = await open(join(dataDir, 'chunks', names.find((name) => name.endsWith('.part')) ?? ''), 'r+');
        await handle.write(Buffer.from('damage'), 0, 6, 1000);
        await handle.close();
      });
      return { type: 'reset' };
    };
    await add([file]);
    await delivery(file);
    expect(records.some(({ outcome }) => outcome === 'wrong-content')).toBe(true);
    expect(await delivered()).toEqual(expected(file));
  });
});
