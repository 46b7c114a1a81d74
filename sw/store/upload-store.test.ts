// Records and bytes on a real (fake) IndexedDB: what is durable, what follows what, and what garbage does to it.
// Invariants 1, 3, 5, 11, 12.

import 'fake-indexeddb/auto';
import { deleteDB, openDB } from 'idb';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { recordOf } from '../../e2e/engine/record-of.js';
import type { Priority, WaitReason } from '../../src/contracts/upload.js';
import { uploadStatuses } from '../../src/contracts/upload.js';
import { type Clock, systemClock } from '../clock.js';
import { type CourseEvent, initialCourse } from '../core/machine.js';
import { parseRecord, turnOf, type UploadRecord } from './schema.js';
import { createUploadStore, type NewUpload, type UploadStore } from './upload-store.js';

let databases = 0;

function newStore(clock: Clock = systemClock) {
  databases += 1;
  const name = `store-${databases}`;
  const store = createUploadStore(name, clock);
  /** The database as somebody else sees it. */
  const raw = async () => {
    const database = await openDB(name, 1);
    onTestFinished(() => database.close());
    return database;
  };
  return { name, store, raw };
}

const file = (name: string, more: Partial<NewUpload> = {}): NewUpload => ({
  id: `id-${name}` as never,
  endpoint: 'photos',
  fingerprint: name,
  name,
  type: 'image/jpeg',
  sizeBytes: 3,
  lastModifiedMs: 5,
  metadata: {},
  priority: 'normal',
  addedAtMs: 7,
  bytes: new Uint8Array([1, 2, 3]).buffer,
  ...more,
});

const waited = (untilMs?: number, reason: 'backoff' | 'auth' | 'server' = 'backoff'): CourseEvent => ({
  type: 'waited',
  reason,
  atMs: 1,
  untilMs,
});
const done: CourseEvent = { type: 'replied', reply: { done: true, held: [[0, 3]] }, doneAtMs: 100 };

async function to(store: UploadStore, name: string, ...events: readonly CourseEvent[]) {
  for (const event of events) {
    expect(await store.apply(`id-${name}`, event), `${name} ${event.type}`).toBeDefined();
  }
}
const damaged = { state: { status: 'failed', error: { code: 'corrupt-record' } } };
const start: CourseEvent = { type: 'started' };
const ends = {
  completed: [start, done],
  cancelled: [{ type: 'cancelled', atMs: 100 }],
  failed: [{ type: 'failed', error: { code: 'refused', message: 'no' } }],
  lost: [start, { type: 'lost', error: { code: 'bytes-lost', message: 'no' } }],
  paused: [{ type: 'paused' }],
  waiting: [start, waited(500)],
} as const satisfies Record<string, readonly CourseEvent[]>;

const nobody: ReadonlySet<string> = new Set();
const nextName = async (store: UploadStore, nowMs: number, busy: readonly string[] = [], endpoint = 'photos') => {
  const { records, dueAtMs } = await store.next(endpoint, nowMs, new Set(busy.map((name) => `id-${name}`)), 1);
  return records[0]?.name ?? dueAtMs;
};

describe('adding', () => {
  test('stores record and bytes, in the order given', async () => {
    const { store } = newStore();
    const added = await store.add([file('a'), file('b')]);
    expect(added).toMatchObject([
      { id: 'id-a', order: 1, revision: 1, course: initialCourse },
      { id: 'id-b', order: 2, revision: 1, course: initialCourse },
    ]);
    expect(await recordOf(store, 'id-a')).toEqual(added[0]);
    const [bytes] = await store.bytesOf(['id-a']);
    expect([...new Uint8Array((await bytes?.arrayBuffer()) ?? [])]).toEqual([1, 2, 3]);
    expect(bytes?.type).toBe('');
  });

  test('survives another instance, as after a stop', async () => {
    const { store, name } = newStore();
    const [added] = await store.add([file('a', { bytes: new Blob(['abc'], { type: 'image/png' }) })]);
    const later = createUploadStore(name, systemClock);
    expect(await recordOf(later, 'id-a')).toEqual(added);
    const [bytes] = await later.bytesOf(['id-a']);
    expect([await bytes?.text(), bytes?.type]).toEqual(['abc', '']);
  });

  test('nothing is nothing', async () => {
    const { store } = newStore();
    expect(await store.add([])).toEqual([]);
    expect(await store.list(-1, 10)).toEqual([]);
  });

  test('a file that is here already is the same upload, in one call or in two', async () => {
    const { store } = newStore();
    const twins = await store.add([file('a'), file('a', { id: 'other' as never })]);
    expect(twins.map(({ id, revision }) => [id, revision])).toEqual([
      ['id-a', 1],
      ['id-a', 1],
    ]);
    const again = await store.add([file('b'), file('a', { id: 'third' as never })]);
    expect(again.map(({ id, order, revision }) => [id, order, revision])).toEqual([
      ['id-b', 2, 1],
      ['id-a', 1, 1],
    ]);
    expect(await store.list(-1, 10)).toHaveLength(2);
  });

  test('two endpoints have each their own', async () => {
    const { store } = newStore();
    const added = await store.add([
      file('1', { endpoint: 'a', fingerprint: 'bc' }),
      file('2', { endpoint: 'ab', fingerprint: 'c' }),
      file('3', { endpoint: 'b', fingerprint: 'bc' }),
    ]);
    expect(added.map(({ id }) => id)).toEqual(['id-1', 'id-2', 'id-3']);
  });

  test('two calls at once have each their own order', async () => {
    const { store } = newStore();
    await Promise.all(Array.from({ length: 10 }, (_, index) => store.add([file(`${index}`), file('twin')])));
    const orders = (await store.list(-1, 100)).map(({ order }) => order);
    expect(new Set(orders).size).toBe(11);
  });

  test.each(['failed', 'cancelled', 'lost'] as const)(
    'again, one that is %s takes the new bytes and goes on',
    async (status) => {
      const { store } = newStore();
      await store.add([file('a')]);
      await to(store, 'a', start, { type: 'replied', reply: { held: [[0, 1]] } }, ...ends[status]);
      const before = await recordOf(store, 'id-a');
      const [again] = await store.add([file('a', { id: 'new' as never, bytes: new Uint8Array([7, 8, 9]).buffer })]);
      expect(again).toMatchObject({
        id: 'id-a',
        order: 1,
        course: { state: { status: 'queued' }, held: [[0, 1]], restarts: 0 },
      });
      expect(again?.revision).toBeGreaterThan(before?.revision ?? Infinity);
      const [bytes] = await store.bytesOf(['id-a']);
      expect(new Uint8Array((await bytes?.arrayBuffer()) ?? [])[0]).toBe(7);
      expect(await nextName(store, 1)).toBe('a');
    },
  );

  test.each(['completed', 'paused', 'waiting'] as const)('again, one that is %s stays as it is', async (status) => {
    const { store } = newStore();
    await store.add([file('a')]);
    await to(store, 'a', ...ends[status]);
    const before = await recordOf(store, 'id-a');
    const [again] = await store.add([file('a', { id: 'new' as never })]);
    expect(again).toEqual(before);
  });

  test('is all or none, with the reason as a code', async () => {
    const { store } = newStore();
    for (const [name, code] of [
      ['QuotaExceededError', 'quota-exceeded'],
      ['UnknownError', 'storage-failed'],
    ] as const) {
      const put = IDBObjectStore.prototype.put;
      const spy = vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(function (
        this: IDBObjectStore,
        ...args
      ) {
        if (args[1] === 'id-third') throw new DOMException('no', name);
        return put.apply(this, args);
      });
      await expect(store.add([file('first'), file('second'), file('third')])).rejects.toMatchObject({ code });
      spy.mockRestore();
      expect(await store.list(-1, 10)).toEqual([]);
      expect(await store.bytesOf(['id-first'])).toEqual([undefined]);
    }
    expect(await store.add([file('first')])).toHaveLength(1);
  });

  test('that is aborted late says why', async () => {
    const { store } = newStore();
    await store.list(-1, 1);
    const transaction = IDBDatabase.prototype.transaction;
    const spy = vi.spyOn(IDBDatabase.prototype, 'transaction').mockImplementation(function (
      this: IDBDatabase,
      ...args: Parameters<IDBDatabase['transaction']>
    ) {
      const opened = transaction.apply(this, args);
      if (args[1] === 'readwrite') setImmediate(() => opened.abort());
      return opened;
    });
    await expect(store.add(Array.from({ length: 50 }, (_, index) => file(`${index}`)))).rejects.toMatchObject({
      code: 'storage-failed',
    });
    spy.mockRestore();
    expect(await store.list(-1, 10)).toEqual([]);
  });
});

describe('a change', () => {
  test('is committed with a higher revision and its new place in line', async () => {
    const { store } = newStore();
    await store.add([file('a')]);
    const changed = await store.apply('id-a', { type: 'paused' });
    expect(changed).toMatchObject({ revision: 2, course: { state: { status: 'paused' } }, turn: undefined });
    expect(await recordOf(store, 'id-a')).toEqual(changed);
    expect(await store.endpointsWithWork()).toEqual([]);
  });

  test('that does not apply changes nothing', async () => {
    const { store } = newStore();
    await store.add([file('a')]);
    expect(await store.apply('id-a', { type: 'resumed' })).toBeUndefined();
    expect(await store.apply('id-nobody', { type: 'paused' })).toBeUndefined();
    expect((await recordOf(store, 'id-a'))?.revision).toBe(1);
  });

  test('of many is one transaction, and names those that changed', async () => {
    const { store } = newStore();
    await store.add([file('a'), file('b'), file('c')]);
    await to(store, 'b', ...ends.completed);
    const changed = await store.applyAll(['id-a', 'id-b', 'id-nobody', 'id-c'], { type: 'paused' });
    expect(changed.map(({ name }) => name)).toEqual(['a', 'c']);
    expect(await store.applyAll([], { type: 'paused' })).toEqual([]);
  });

  test.each([
    ['completed', true],
    ['cancelled', true],
    ['failed', false],
    ['paused', false],
    ['waiting', false],
  ] as const)('to %s frees the bytes: %s', async (status, freed) => {
    const { store } = newStore();
    await store.add([file('a')]);
    await to(store, 'a', ...ends[status]);
    expect((await store.bytesOf(['id-a']))[0] === undefined).toBe(freed);
  });

  test('by an answer that does not end the upload keeps the bytes, even if all of them are held', async () => {
    const { store } = newStore();
    await store.add([file('a')]);
    await to(store, 'a', start, { type: 'replied', reply: { held: [[0, 3]] } });
    expect((await store.bytesOf(['id-a']))[0]?.size).toBe(3);
  });

  test('that fails to commit leaves record and bytes', async () => {
    const { store } = newStore();
    await store.add([file('a')]);
    await to(store, 'a', start);
    const spy = vi.spyOn(IDBObjectStore.prototype, 'delete').mockImplementation(() => {
      throw new DOMException('no', 'UnknownError');
    });
    await expect(store.apply('id-a', done)).rejects.toMatchObject({ code: 'storage-failed' });
    spy.mockRestore();
    expect((await recordOf(store, 'id-a'))?.course.state.status).toBe('preparing');
    expect((await store.bytesOf(['id-a']))[0]?.size).toBe(3);
  });

  test('of one record from two sides at once loses neither', async () => {
    const { store, name } = newStore();
    const other = createUploadStore(name, systemClock);
    await store.add([file('a')]);
    await to(store, 'a', start);
    await Promise.all([
      store.apply('id-a', { type: 'replied', reply: { held: [[0, 1]] } }),
      other.apply('id-a', { type: 'paused' }),
      store.apply('id-a', { type: 'replied', reply: { held: [[0, 2]] } }),
    ]);
    expect(await recordOf(store, 'id-a')).toMatchObject({
      revision: 5,
      course: { state: { status: 'paused' }, held: [[0, 2]] },
    });
  });
});

describe('the line', () => {
  test('goes by priority, then by order of acceptance', async () => {
    const { store } = newStore();
    const priorities: readonly Priority[] = ['low', 'normal', 'high', 'low', 'normal', 'high'];
    await store.add(priorities.map((priority, index) => file(`${priority}${index}`, { priority })));
    const order: string[] = [];
    for (let count = 0; count < 6; count += 1) order.push(String(await nextName(store, 1, order)));
    expect(order).toEqual(['high2', 'high5', 'normal1', 'normal4', 'low0', 'low3']);
    expect(await nextName(store, 1, order)).toBe(Infinity);
  });

  test('begins with those that have waited, once they are due', async () => {
    const { store } = newStore();
    await store.add([
      file('high', { priority: 'high' }),
      file('late'),
      file('early', { priority: 'low' }),
      file('user'),
    ]);
    await to(store, 'late', start, waited(2000));
    await to(store, 'early', start, waited(1000));
    await to(store, 'user', start, waited(undefined, 'auth'));
    expect(await nextName(store, 999)).toBe('high');
    expect(await nextName(store, 999, ['high'])).toBe(1000);
    expect(await nextName(store, 1000)).toBe('early');
    expect(await nextName(store, 5000)).toBe('early');
    expect(await nextName(store, 5000, ['early'])).toBe('late');
    expect(await nextName(store, 5000, ['early', 'late'])).toBe('high');
    expect(await nextName(store, 5000, ['early', 'late', 'high'])).toBe(Infinity);
  });

  test('hands out as many as there are places', async () => {
    const { store } = newStore();
    await store.add(['a', 'b', 'c', 'd', 'e'].map((name) => file(name)));
    await to(store, 'e', start, waited(500));
    const names = async (limit: number, busy: readonly string[] = []) =>
      (await store.next('photos', 1000, new Set(busy), limit)).records.map(({ name }) => name);
    expect(await names(3)).toEqual(['e', 'a', 'b']);
    expect(await names(3, ['id-e', 'id-a', 'id-b'])).toEqual(['c', 'd']);
    expect(await names(9)).toHaveLength(5);
  });

  test('finds the sound ones behind any number of damaged ones', async () => {
    const { store, raw } = newStore();
    const added = await store.add(Array.from({ length: 8 }, (_, index) => file(`${index}`)));
    const database = await raw();
    for (const record of added.slice(0, 7)) await database.put('uploads', { ...record, course: null });
    const corrupt: string[] = [];
    for (let look = 0; look < 8; look += 1) {
      const [next] = (await store.next('photos', 1, nobody, 1)).records;
      if (next === undefined || next.turn) break;
      corrupt.push(next.name);
      await store.apply(next.id, ...ends.failed);
    }
    expect(corrupt).toHaveLength(7);
    expect(await nextName(store, 1)).toBe('7');
  });

  test('takes an upload that was found in the middle of its work', async () => {
    const { store } = newStore();
    await store.add([file('preparing'), file('uploading'), file('completing')]);
    await to(store, 'preparing', start);
    await to(store, 'uploading', start, { type: 'sending', final: true });
    await to(store, 'completing', start, { type: 'completing' });
    expect(await nextName(store, 1)).toBe('preparing');
    expect(await nextName(store, 1, ['preparing'])).toBe('uploading');
    expect(await nextName(store, 1, ['preparing', 'uploading'])).toBe('completing');
  });

  test('has no place for what needs no work', async () => {
    const { store } = newStore();
    const states = ['completed', 'cancelled', 'failed', 'lost', 'paused'] as const;
    await store.add(states.map((status) => file(status)));
    for (const status of states) await to(store, status, ...ends[status]);
    expect(await nextName(store, 10 ** 15)).toBe(Infinity);
    expect(await store.endpointsWithWork()).toEqual([]);
  });

  test('is each endpoint’s own, whatever its name', async () => {
    const { store } = newStore();
    const endpoints = ['a', 'b', 'a\u0000', '', '猫', 'a b', 'A'];
    await store.add(endpoints.map((endpoint, index) => file(`${index}`, { endpoint })));
    expect(new Set(await store.endpointsWithWork())).toEqual(new Set(endpoints));
    for (const [index, endpoint] of endpoints.entries())
      expect(await nextName(store, 1, [], endpoint)).toBe(`${index}`);
    expect(await nextName(store, 1, [], 'nobody')).toBe(Infinity);
  });

  test('names each endpoint once, waiting or not', async () => {
    const { store } = newStore();
    await store.add(Array.from({ length: 9 }, (_, index) => file(`${index}`, { endpoint: `e${index % 3}` })));
    await to(store, '0', start, waited(500));
    await to(store, '1', start, waited());
    expect(await store.endpointsWithWork()).toEqual(['e0', 'e1', 'e2']);
  });

  test('is cut short for those who wait for a reason that is gone', async () => {
    const { store } = newStore();
    const names = ['backoff', 'auth', 'server', 'tired', 'due', 'elsewhere'];
    await store.add(names.map((name) => file(name, { endpoint: name === 'elsewhere' ? 'other' : 'photos' })));
    await to(store, 'backoff', start, waited(9000));
    await to(store, 'auth', start, waited(undefined, 'auth'));
    await to(store, 'server', start, waited(9000, 'server'));
    await to(store, 'tired', start, waited(1), start, waited(1), start, waited(9000));
    await to(store, 'due', start, waited(50));
    await to(store, 'elsewhere', start, waited(9000));
    const hasten = async (reasons: readonly WaitReason[], mostAttempts?: number) => {
      const event = { type: 'hastened', reasons, ...(mostAttempts === undefined ? {} : { mostAttempts }) } as const;
      return (await store.hasten('photos', event)).map(({ name }) => name).sort();
    };
    expect(await hasten(['backoff', 'auth'], 2)).toEqual(['auth', 'backoff', 'due']);
    expect(await hasten(['backoff'])).toEqual(['tired']);
    expect(await hasten(['offline'])).toEqual([]);
    expect((await recordOf(store, 'id-elsewhere'))?.course.state.status).toBe('waiting');
  });
});

describe('forgetting', () => {
  test('takes record and bytes of what is settled, and nothing else', async () => {
    const { store, raw } = newStore();
    const states = ['completed', 'cancelled', 'failed', 'lost', 'paused', 'waiting'] as const;
    await store.add([...states, 'queued'].map((status) => file(status)));
    for (const status of states) await to(store, status, ...ends[status]);
    const gone = await store.remove([...states, 'queued', 'nobody'].map((name) => `id-${name}`));
    expect(gone).toEqual(['id-completed', 'id-cancelled', 'id-failed', 'id-lost']);
    expect((await store.list(-1, 10)).map(({ name }) => name)).toEqual(['paused', 'waiting', 'queued']);
    expect((await (await raw()).getAllKeys('bytes')).sort()).toEqual(['id-paused', 'id-queued', 'id-waiting']);
  });

  test('prunes what ended before, keeps what failed', async () => {
    const { store } = newStore();
    await store.add(['old', 'new', 'cancelled', 'failed', 'lost'].map((name) => file(name)));
    await to(store, 'old', start, { ...done, doneAtMs: 99 });
    await to(store, 'new', ...ends.completed);
    await to(store, 'cancelled', { type: 'cancelled', atMs: 99 });
    await to(store, 'failed', ...ends.failed);
    await to(store, 'lost', ...ends.lost);
    expect(await store.prune(100, 10)).toEqual(['id-old', 'id-cancelled']);
    expect(await store.prune(100, 10)).toEqual([]);
  });

  test('prunes what ended behind many that have not, a few at a time', async () => {
    const { store, raw } = newStore();
    const [damaged] = await store.add(['a', 'b', 'c', 'old', 'd', 'older', 'damaged'].map((name) => file(name)));
    for (const name of ['old', 'older']) await to(store, name, { type: 'cancelled', atMs: 99 });
    const database = await raw();
    // As the last of all, it is where the next look would begin.
    await database.put('uploads', {
      ...damaged,
      id: 'id-damaged',
      fingerprint: 'damaged',
      order: 'z',
    } as never);
    expect(await store.prune(100, 2)).toEqual(['id-old']);
    expect(await store.prune(100, 2)).toEqual(['id-older']);
    expect(await store.prune(100, 2)).toEqual([]);
    expect(await store.prune(100, 1)).toEqual([]);
  });

  test('gives the order of what is gone to nobody who would come before', async () => {
    const { store } = newStore();
    await store.add([file('a'), file('b')]);
    await to(store, 'a', ...ends.cancelled);
    await store.remove(['id-a']);
    const [added] = await store.add([file('c')]);
    expect(added?.order).toBe(3);
  });
});

describe('a listing', () => {
  test('pages through everything in order of acceptance', async () => {
    const { store } = newStore();
    await store.add(
      Array.from({ length: 25 }, (_, index) => file(`${index}`, { priority: index % 2 ? 'high' : 'low' })),
    );
    const seen: string[] = [];
    let after = -1;
    for (;;) {
      const page = await store.list(after, 10);
      seen.push(...page.map(({ name }) => name));
      const last = page.at(-1);
      if (last === undefined) break;
      after = last.order;
    }
    expect(seen).toEqual(Array.from({ length: 25 }, (_, index) => `${index}`));
  });
});

describe('garbage', () => {
  const garble: readonly (readonly [string, (record: UploadRecord) => unknown])[] = [
    ['no course', ({ course: _, ...rest }) => rest],
    ['a course that is text', (record) => ({ ...record, course: 'rust' })],
    [
      'a state from the future',
      (record) => ({ ...record, course: { ...record.course, state: { status: 'dreaming' } } }),
    ],
    [
      'a failure without an error',
      (record) => ({ ...record, course: { ...record.course, state: { status: 'failed' } } }),
    ],
    ['held as text', (record) => ({ ...record, course: { ...record.course, held: 'all' } })],
    ['held with half a range', (record) => ({ ...record, course: { ...record.course, held: [[5]] } })],
    ['held with an empty range', (record) => ({ ...record, course: { ...record.course, held: [[]] } })],
    ['held with text', (record) => ({ ...record, course: { ...record.course, held: [['0', '5']] } })],
    ['a size that is text', (record) => ({ ...record, sizeBytes: '3' })],
    ['a negative size', (record) => ({ ...record, sizeBytes: -1 })],
    ['no name', (record) => ({ ...record, name: undefined })],
    ['no metadata', (record) => ({ ...record, metadata: null })],
    ['a priority from the future', (record) => ({ ...record, priority: 'urgent' })],
    ['a restart count that is none', (record) => ({ ...record, course: { ...record.course, restarts: NaN } })],
    [
      'a wait until text',
      (record) => ({
        ...record,
        course: { ...record.course, state: { status: 'waiting', reason: 'backoff', untilMs: 'soon' } },
      }),
    ],
  ];

  test.each(garble)('%s: taken out of the line by a failure, listed, and the next one is served', async (_, spoil) => {
    const { store, raw } = newStore();
    const [bad] = await store.add([file('bad'), file('good')]);
    await (await raw()).put('uploads', spoil(bad as UploadRecord));
    const { records } = await store.next('photos', 1, nobody, 2);
    expect(records).toMatchObject([{ id: 'id-bad', order: 1, course: damaged }, { name: 'good' }]);
    expect(await store.apply('id-bad', ...ends.failed)).toBeUndefined();
    expect((await store.next('photos', 1, nobody, 2)).records).toMatchObject([{ name: 'good' }]);
    expect(await store.list(-1, 10)).toMatchObject([{ id: 'id-bad', course: damaged }, { name: 'good' }]);
    // Nothing was thrown away, and no further event touches it.
    expect((await store.bytesOf(['id-bad']))[0]?.size).toBe(3);
    expect(await store.apply('id-bad', { type: 'paused' })).toBeUndefined();
    expect(await recordOf(store, 'id-bad')).toMatchObject({ course: damaged });
    expect(await store.remove(['id-bad'])).toEqual(['id-bad']);
  });

  test('makes way for the same file, and tabs see the new one as newer', async () => {
    const { store, raw } = newStore();
    const [bad] = await store.add([file('bad')]);
    await (await raw()).put('uploads', { ...bad, revision: 41, course: null });
    const [added] = await store.add([file('bad', { id: 'new' as never })]);
    expect(added).toMatchObject({ id: 'id-bad', course: initialCourse });
    expect(added?.revision).toBeGreaterThan(41);
    expect(await nextName(store, 1)).toBe('bad');
  });

  test.each(['z', Infinity, -1, [], new Date(0)])(
    'as an order (%s) does not spoil the order of others',
    async (order) => {
      const { store, raw } = newStore();
      const [bad] = await store.add([file('bad')]);
      await (await raw()).put('uploads', { ...bad, order });
      const added = await store.add([file('a'), file('b')]);
      expect(added.map(({ order }) => Number.isSafeInteger(order))).toEqual([true, true]);
      const names = (await store.list(-Infinity, 10)).map(({ name }) => name);
      expect(names).toEqual(expect.arrayContaining(['a', 'b']));
      expect([await nextName(store, 1, ['bad']), await nextName(store, 1, ['bad', 'a'])]).toEqual(['a', 'b']);
    },
  );

  test.each<[string, unknown]>([
    ['a number', 5],
    ['text', 'photos'],
    ['a date', new Date(0)],
    ['nothing', []],
    ['an endpoint alone', ['photos']],
    ['a due time that is text', ['photos', 'soon', 1, 1]],
    ['an endpoint that is a number', [7, 0, 1, 1]],
    ['an endpoint that is a list', [['photos'], 0, 1, 1]],
  ])('as a turn (%s) does not stop the line', async (_, turn) => {
    const { store, raw } = newStore();
    const [bad] = await store.add([file('bad'), file('good')]);
    await (await raw()).put('uploads', { ...bad, turn });
    expect(await store.endpointsWithWork()).toContain('photos');
    expect(await nextName(store, 1, ['bad'])).toBe('good');
    expect(await store.next('photos', 1, new Set(['id-bad', 'id-good']), 1)).toMatchObject({
      records: [],
      dueAtMs: expect.any(Number),
    });
  });

  test('of any kind never makes parseRecord throw, and what it lets through can be used', () => {
    let seed = 42;
    const random = (below: number) => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed % below;
    };
    const junk = [
      undefined,
      null,
      0,
      -1,
      1.5,
      NaN,
      Infinity,
      '',
      'x',
      true,
      [],
      {},
      [[]],
      [[1, 2, 3]],
      new Date(),
      new Blob(),
    ];
    const record: UploadRecord = {
      ...file('a'),
      order: 1,
      revision: 1,
      course: { ...initialCourse, held: [[0, 1]], remote: { url: 'x' }, limits: { maxBytes: 5 } },
    };
    const spoil = (value: unknown, depth: number): unknown => {
      if (typeof value !== 'object' || value === null || depth === 0 || value instanceof ArrayBuffer)
        return junk[random(junk.length)];
      const keys = Object.keys(value);
      const key = keys[random(keys.length)];
      if (key === undefined) return junk[random(junk.length)];
      const copy: Record<string, unknown> = Array.isArray(value) ? ([...value] as never) : { ...value };
      if (random(5) === 0 && !Array.isArray(copy)) delete copy[key];
      else copy[key] = spoil(copy[key], random(depth + 1));
      return copy;
    };
    let passed = 0;
    for (let run = 0; run < 20_000; run += 1) {
      let value = spoil(structuredClone(record), 4);
      if (random(3) === 0) value = spoil(value, 4);
      const parsed = parseRecord(value);
      if (parsed === undefined) continue;
      passed += 1;
      expect(uploadStatuses).toContain(parsed.course.state.status);
      const turn = turnOf(parsed, parsed.course);
      if (turn !== undefined)
        expect(turn.slice(1).every((part) => typeof part === 'number' && !Number.isNaN(part))).toBe(true);
      for (const range of parsed.course.held) expect(range[1] - range[0]).not.toBeNaN();
    }
    expect(passed).toBeGreaterThan(1000);
    for (const value of junk) expect(parseRecord(value)).toBeUndefined();
    expect(parseRecord(record)).toBe(record);
  });
});

describe('the connection', () => {
  test('that has died is opened anew, for reading as for writing', async () => {
    const { store } = newStore();
    await store.add([file('a')]);
    const dead = new WeakSet<IDBDatabase>();
    const transaction = IDBDatabase.prototype.transaction;
    let kill = true;
    const spy = vi.spyOn(IDBDatabase.prototype, 'transaction').mockImplementation(function (
      this: IDBDatabase,
      ...args: Parameters<IDBDatabase['transaction']>
    ) {
      if (kill) dead.add(this);
      kill = false;
      if (dead.has(this)) throw new DOMException('dead', 'InvalidStateError');
      return transaction.apply(this, args);
    });
    onTestFinished(() => spy.mockRestore());
    await expect(store.list(-1, 1)).rejects.toMatchObject({ code: 'storage-failed' });
    expect(await store.list(-1, 1)).toHaveLength(1);
    kill = true;
    await expect(store.apply('id-a', { type: 'paused' })).rejects.toMatchObject({ code: 'storage-failed' });
    expect(await store.apply('id-a', { type: 'paused' })).toBeDefined();
  });

  test('makes way for a newer version, and for a deletion', async () => {
    const { store, name } = newStore();
    await store.add([file('a')]);
    await new Promise<void>((resolve, reject) => {
      const request = indexedDB.deleteDatabase(name);
      request.onsuccess = () => resolve();
      request.onerror = () => reject(request.error);
    });
    expect(await store.list(-1, 10)).toEqual([]);
    expect(await store.add([file('b')])).toHaveLength(1);
  });

  test('knows when it made the database, and not of one that it found', async () => {
    let nowMs = 100;
    const { store, name } = newStore({ ...systemClock, now: () => nowMs });
    await store.add([file('a')]);
    expect(store.bornAtMs).toBe(100);
    nowMs = 200;
    const later = createUploadStore(name, systemClock);
    expect(await later.list(-1, 10)).toHaveLength(1);
    expect(later.bornAtMs).toBeUndefined();
    await deleteDB(name);
    expect(await store.list(-1, 10)).toEqual([]);
    expect(store.bornAtMs).toBe(200);
  });

  test('to a database of a newer worker is an error with a code, until that is gone', async () => {
    const { store, name } = newStore();
    const newer = await openDB(name, 99);
    await expect(store.list(-1, 1)).rejects.toMatchObject({ code: 'version-mismatch' });
    await expect(store.add([file('a')])).rejects.toMatchObject({ code: 'version-mismatch' });
    expect(newer.version).toBe(99);
    newer.close();
  });

  test('that somebody holds up is an error in the end, and is opened by the first call after', async () => {
    const limits: { readonly afterMs: number; readonly strike: () => void }[] = [];
    const sleep = (afterMs: number) => new Promise<void>((strike) => void limits.push({ afterMs, strike }));
    const { store, name } = newStore({ ...systemClock, sleep });
    const stubborn = await openDB(name, 1);
    // Does not make way, as a page of other code may not; whoever opens waits behind the deletion.
    const deleted = deleteDB(name);
    for (const call of [() => store.list(-1, 1), () => store.add([file('a')])]) {
      const refused = expect(call()).rejects.toMatchObject({ code: 'storage-failed' });
      await vi.waitFor(() => expect(limits.map(({ afterMs }) => afterMs)).toEqual([10_000]));
      limits.pop()?.strike();
      await refused;
    }
    stubborn.close();
    await deleted;
    expect(await store.add([file('a')])).toHaveLength(1);
    // Those that came too late hold nobody up.
    await deleteDB(name);
  });
});
