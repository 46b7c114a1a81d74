// What is made on a server, made anew and freed again, by a server of our own that keeps its books in memory.

import { expect, test } from 'vitest';
import { type Adapter, inParts, ProtocolFailure } from '../../sw/index.js';
import { fileOf, setStage } from './stage.js';

interface Books {
  /** Parts by upload, as they were received. */
  readonly held: Map<string, Map<number, Uint8Array>>;
  readonly finished: Map<string, Uint8Array>;
  readonly trace: string[];
}

/** A server of parts that lives in the test; `refuse` may throw before anything is done. */
function partServer(options: { refuse?: (call: string) => void; partBytes?: number; largest?: number } = {}) {
  const { refuse = () => {}, partBytes = 1000, largest = Infinity } = options;
  const books: Books = { held: new Map(), finished: new Map(), trace: [] };
  const called = (call: string) => {
    books.trace.push(call);
    refuse(call);
  };
  let made = 0;
  const adapter: Adapter = {
    parts: inParts,
    limits: {},
    async create(_upload, _io, { maxBytes = Infinity }) {
      called('create');
      const url = `u${++made}`;
      books.held.set(url, new Map());
      return { state: { url }, limits: { partBytes: Math.min(partBytes, maxBytes) } };
    },
    async probe(_upload, { url }) {
      called('probe');
      const parts = books.held.get(String(url));
      if (!parts) throw new ProtocolFailure('restart', 'server-lost-bytes', 'gone');
      return { held: [...parts].map(([start, bytes]) => [start, start + bytes.length] as const) };
    },
    async send(_upload, { url }, [start], bytes) {
      called(`send ${start}`);
      if (bytes.size > largest) throw new ProtocolFailure('smaller', 'too-large', 'too large', { httpStatus: 413 });
      books.held.get(String(url))?.set(start, new Uint8Array(await bytes.arrayBuffer()));
      return {};
    },
    async complete({ name }, { url }) {
      called('complete');
      const parts = [...(books.held.get(String(url)) ?? [])].sort(([a], [b]) => a - b);
      books.finished.set(name, new Uint8Array(Buffer.concat(parts.map(([, bytes]) => bytes))));
      books.held.delete(String(url));
      return { done: true };
    },
    async abort(_upload, { url }) {
      called('abort');
      books.held.delete(String(url));
    },
  };
  return { adapter, books };
}

const unreachable = () => new ProtocolFailure('unreachable', 'network', 'no network');

test('a cancel frees what the server holds, also when it is out of reach and the worker ends meanwhile', async () => {
  let away = false;
  const { adapter, books } = partServer({
    refuse: (call) => {
      if (call === 'send 4000') throw new ProtocolFailure('busy', 'server-error', 'not this one', { httpStatus: 500 });
      if (away) throw unreachable();
    },
  });
  const stage = await setStage({}, { endpoints: () => ({ parts: adapter }) });
  const file = fileOf('a.bin', 5000);
  await stage.add([file], { endpoint: 'parts' });
  await stage.time.until('all parts but one', () => [...books.held.values()].some((parts) => parts.size === 4));
  away = true;
  const { id } = await stage.named('a.bin');
  await stage.worker.send({ type: 'control', control: 'cancel', ids: [id] });
  await stage.time.until('a first try', () => books.trace.includes('abort'));
  expect(books.held.size).toBe(1);
  expect(await stage.named('a.bin')).toMatchObject({ status: 'cancelled' });
  stage.worker.life.end();
  const second = stage.another();
  away = false;
  await second.send({ type: 'wake', reason: 'start' });
  await stage.time.until('it is freed', () => books.held.size === 0);
  await stage.time.until('it is told', async () => {
    const [snapshot] = await second.list();
    return snapshot?.status === 'cancelled' && snapshot.freed;
  });
  const asked = books.trace.length;
  await second.send({ type: 'wake', reason: 'start' });
  await stage.time.pass(3_600_000);
  expect(books.trace).toHaveLength(asked);
});

test('a server that refuses to free is not asked for ever, and holds up nobody', async () => {
  const { adapter, books } = partServer({
    refuse: (call) => {
      if (call === 'abort') throw new ProtocolFailure('fatal', 'refused', 'no', { httpStatus: 405 });
      if (call === 'complete' && !books.trace.includes('abort')) throw unreachable();
    },
  });
  const stage = await setStage({}, { endpoints: () => ({ parts: adapter }) });
  await stage.add([fileOf('a.bin', 500)], { endpoint: 'parts' });
  await stage.time.until('all is sent', () => books.trace.includes('complete'));
  const { id } = await stage.named('a.bin');
  await stage.worker.send({ type: 'control', control: 'cancel', ids: [id] });
  const other = fileOf('b.bin', 500);
  await stage.add([other], { endpoint: 'parts' });
  await stage.delivery(other);
  await stage.time.until('it has given up', async () => {
    const snapshot = await stage.named('a.bin');
    return snapshot.status === 'cancelled' && snapshot.freed;
  });
  expect(books.trace.filter((call) => call === 'abort')).toHaveLength(1);
});

test('what was never sent anywhere is cancelled without a request', async () => {
  const { adapter, books } = partServer({
    refuse: () => {
      throw unreachable();
    },
  });
  const stage = await setStage({}, { endpoints: () => ({ parts: adapter }), worker: { concurrency: 1 } });
  const files = Array.from({ length: 5 }, (_, index) => fileOf(`${index}.bin`, 500));
  await stage.add(files, { endpoint: 'parts' });
  await stage.time.until('the first is tried', () => books.trace.length > 0);
  const { id } = await stage.named('4.bin');
  await stage.worker.send({ type: 'control', control: 'cancel', ids: [id] });
  await stage.time.pass(60_000);
  expect(books.trace).not.toContain('abort');
});

test('parts that are too large are made anew and smaller, and sent once', async () => {
  const { adapter, books } = partServer({ partBytes: 400_000, largest: 100_000 });
  const stage = await setStage({}, { endpoints: () => ({ parts: adapter }) });
  const file = fileOf('a.bin', 1_000_000);
  await stage.add([file], { endpoint: 'parts' });
  await stage.delivery(file);
  expect(Buffer.compare(books.finished.get('a.bin') ?? new Uint8Array(), file.bytes)).toBe(0);
  expect(books.trace.filter((call) => call === 'create')).toHaveLength(2);
  const [snapshot] = await stage.worker.list();
  expect(snapshot).toMatchObject({ status: 'completed', acknowledgedBytes: 1_000_000 });
});

test('what the server forgets again and again is made anew three times, then it fails', async () => {
  const { adapter, books } = partServer({
    refuse: (call) => {
      if (call !== 'send 1000') return;
      throw new ProtocolFailure('restart', 'server-lost-bytes', 'gone', { httpStatus: 404 });
    },
  });
  const stage = await setStage({}, { endpoints: () => ({ parts: adapter }) });
  await stage.add([fileOf('a.bin', 2000)], { endpoint: 'parts' });
  await stage.time.until('failure', async () => (await stage.named('a.bin')).status === 'failed');
  expect(await stage.named('a.bin')).toMatchObject({ error: { code: 'server-lost-bytes' } });
  expect(books.trace.filter((call) => call === 'create')).toHaveLength(1 + 3);
});

test('a refusal that ends the upload on the server is final, and a retry makes a new one', async () => {
  let refuse = true;
  const { adapter, books } = partServer({
    refuse: (call) => {
      if (call === 'complete' && refuse)
        throw new ProtocolFailure('fatal', 'refused', 'no photo', { httpStatus: 422, forget: true });
    },
  });
  const stage = await setStage({}, { endpoints: () => ({ parts: adapter }) });
  const file = fileOf('a.bin', 2500);
  await stage.add([file], { endpoint: 'parts' });
  const { id } = await stage.time.until('it fails', async () => {
    const snapshot = await stage.named('a.bin');
    return snapshot.status === 'failed' && snapshot;
  });
  refuse = false;
  await stage.worker.send({ type: 'control', control: 'retry', ids: [id] });
  await stage.delivery(file);
  expect(books.trace.filter((call) => call === 'create')).toHaveLength(2);
});

test('of two parts that are refused, the one with the longer Retry-After decides', async () => {
  const refused = (retryAfterMs?: number) =>
    new ProtocolFailure('unreachable', 'server-error', 'not now', { httpStatus: 503, retryAfterMs });
  const askedAtMs: number[] = [];
  let away = true;
  const { adapter, books } = partServer();
  const send: Adapter['send'] = async (upload, state, range, bytes, io) => {
    askedAtMs.push(io.nowMs());
    if (!away) return adapter.send(upload, state, range, bytes, io);
    // All of them are under way before the first is refused.
    await io.sleep(10 + range[0] / 1000);
    throw refused(range[0] === 1000 ? 600_000 : undefined);
  };
  const stage = await setStage({}, { endpoints: () => ({ parts: { ...adapter, send } }) });
  const file = fileOf('a.bin', 3000);
  await stage.add([file], { endpoint: 'parts' });
  await stage.time.until('it waits', async () => (await stage.named('a.bin')).status === 'waiting');
  away = false;
  await stage.delivery(file);
  expect(books.finished.has('a.bin')).toBe(true);
  expect((askedAtMs[3] ?? 0) - (askedAtMs[0] ?? 0)).toBeGreaterThanOrEqual(600_000);
});
