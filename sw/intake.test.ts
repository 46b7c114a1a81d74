// Accepting files while a runner is already at work on them, and after a worker was stopped in the middle.
// Invariants 1, 9, 11.

import 'fake-indexeddb/auto';
import { expect, test } from 'vitest';
import { recordOf } from '../e2e/engine/record-of.js';
import { UploadError } from '../src/contracts/errors.js';
import type { UploadEvent } from '../src/contracts/messages.js';
import type { UploadSnapshot } from '../src/contracts/upload.js';
import { systemClock } from './clock.js';
import { acceptFiles, type IntakeTools } from './intake.js';
import { createOutbox } from './outbox.js';
import { byteOffset } from './protocols/byte-offset.js';
import { roomBy } from './room.js';
import { createUploadStore } from './store/upload-store.js';

const LARGE = 600_000;
let databases = 0;

function tools(estimate: () => Promise<StorageEstimate> = async () => ({})) {
  databases += 1;
  const store = createUploadStore(`intake-${databases}`, systemClock);
  const events: UploadEvent[] = [];
  let flush = () => {};
  const outbox = createOutbox((event) => void events.push(event), {
    ...systemClock,
    sleep: () =>
      new Promise((resolve) => {
        flush = resolve;
      }),
  });
  let ids = 0;
  const intake: IntakeTools = {
    store,
    outbox,
    clock: systemClock,
    room: roomBy(estimate),
    newId: () => {
      ids += 1;
      return `id-${ids}`;
    },
    adapterOf: (name) => (name === 'photos' ? byteOffset({ statusUrl: '/', uploadUrl: '/' }) : undefined),
  };
  /** What a tab shows once everything was published. */
  const shown = async (): Promise<ReadonlyMap<string, UploadSnapshot>> => {
    flush();
    await new Promise((resolve) => setImmediate(resolve));
    const snapshots = events.flatMap((event) => (event.type === 'changed' ? event.snapshots : []));
    return new Map(snapshots.map((snapshot) => [snapshot.name, snapshot]));
  };
  return { store, outbox, intake, events, shown };
}

const enqueue = (...items: readonly { readonly name: string; readonly file: Blob }[]) => ({
  type: 'enqueue' as const,
  endpoint: 'photos',
  metadata: {},
  priority: 'normal' as const,
  items: items.map(({ name, file }) => ({
    file,
    name,
    type: file.type,
    sizeBytes: file.size,
    lastModifiedMs: 1,
    fingerprint: name,
  })),
});
const blob = (sizeBytes: number) => new Blob([new Uint8Array(sizeBytes)]);

/** Makes the runner faster than the intake: whatever is stored is delivered before `add` is told so. */
function deliverAtOnce({ store, outbox }: ReturnType<typeof tools>): void {
  const add = store.add.bind(store);
  store.add = async (uploads) => {
    const added = await add(uploads);
    for (const record of added) {
      for (const event of [
        { type: 'started' },
        { type: 'sending', final: true },
        { type: 'replied', reply: { held: [[0, record.sizeBytes]] }, doneAtMs: 5 },
      ] as const) {
        const changed = await store.apply(record.id, event);
        if (changed !== undefined) outbox.changed(changed);
      }
    }
    return added;
  };
}

test.each([10, 100_000, LARGE])(
  'a file of %i bytes that is delivered before it was verified is accepted, not refused',
  async (size) => {
    const world = tools();
    deliverAtOnce(world);
    const outcomes = await acceptFiles(enqueue({ name: 'a', file: blob(size) }), world.intake);
    expect(outcomes).toMatchObject([{ type: 'accepted' }]);
    expect(await recordOf(world.store, 'id-1')).toMatchObject({ course: { state: { status: 'completed' } } });
    expect((await world.shown()).get('a')).toMatchObject({ status: 'completed' });
  },
);

test.each([
  ['stores them as bytes', LARGE, ['accepted', 'accepted']],
  ['refuses them where it cannot store bytes either', 0, ['rejected', 'rejected']],
])('a browser that stores no Blob (a private window of WebKit) %s', async (_, storableBytes, expected) => {
  const world = tools();
  const add = world.store.add.bind(world.store);
  world.store.add = (uploads) =>
    uploads.some(({ bytes }) => bytes instanceof Blob || bytes.byteLength > storableBytes)
      ? Promise.reject(new UploadError('storage-failed', 'Error preparing Blob/File data'))
      : add(uploads);
  const files = [new Blob(['x'.repeat(LARGE)]), new Blob(['y'.repeat(LARGE)])] as const;
  const outcomes = await acceptFiles(
    enqueue({ name: 'a', file: files[0] }, { name: 'b', file: files[1] }),
    world.intake,
  );
  expect(outcomes.map(({ type }) => type)).toEqual(expected);
  const stored = await world.store.bytesOf(['id-1', 'id-2']);
  expect(await Promise.all(stored.map((bytes) => bytes?.text()))).toEqual(
    storableBytes > 0 ? await Promise.all(files.map((file) => file.text())) : [undefined, undefined],
  );
});

test('a file that no transaction takes and that cannot be read as a whole is refused for what the storage said', async () => {
  const world = tools();
  world.store.add = () => Promise.reject(new UploadError('storage-failed', 'no'));
  const file = blob(LARGE);
  file.arrayBuffer = () => Promise.reject(new DOMException('too large', 'NotReadableError'));
  expect(await acceptFiles(enqueue({ name: 'a', file }), world.intake)).toMatchObject([
    { type: 'rejected', error: { code: 'storage-failed' } },
  ]);
});

test.each([10, LARGE])(
  'a twin of %i bytes that is delivered meanwhile is accepted, and tabs show what is',
  async (size) => {
    const world = tools();
    await acceptFiles(enqueue({ name: 'a', file: blob(size) }), world.intake);
    deliverAtOnce(world);
    const outcomes = await acceptFiles(enqueue({ name: 'a', file: blob(size) }), world.intake);
    expect(outcomes).toMatchObject([{ type: 'accepted', snapshot: { id: 'id-1' } }]);
    expect((await world.shown()).get('a')).toMatchObject({ status: 'completed' });
  },
);

test('a copy that was stored but cannot be read is refused and leaves nothing; its neighbours stay', async () => {
  const { store, intake, shown } = tools();
  const bytesOf = store.bytesOf.bind(store);
  store.bytesOf = async (ids) => {
    const blobs = await bytesOf(ids);
    return blobs.map((stored, index) => (ids[index] === 'id-2' ? new Blob(['short']) : stored));
  };
  const outcomes = await acceptFiles(
    enqueue({ name: 'a', file: blob(LARGE) }, { name: 'b', file: blob(LARGE) }, { name: 'c', file: blob(LARGE) }),
    intake,
  );
  expect(outcomes).toMatchObject([
    { type: 'accepted' },
    { type: 'rejected', error: { code: 'file-changed', message: expect.stringContaining('"b"') } },
    { type: 'accepted' },
  ]);
  expect((await store.list(-1, 10)).map(({ name }) => name)).toEqual(['a', 'c']);
  expect([...(await shown()).keys()]).toEqual(['a', 'c']);
});

test('a copy that has its size, but whose end cannot be read, is refused and leaves nothing', async () => {
  const { store, intake } = tools();
  const bytesOf = store.bytesOf.bind(store);
  const unreadable = Object.assign(new Blob(['x']), {
    arrayBuffer: async () => {
      throw new DOMException('gone', 'NotReadableError');
    },
  });
  store.bytesOf = async (ids) => {
    const blobs = await bytesOf(ids);
    return blobs.map((stored) => stored && Object.assign(stored, { slice: () => unreadable }));
  };
  const outcomes = await acceptFiles(enqueue({ name: 'a', file: blob(LARGE) }), intake);
  expect(outcomes).toMatchObject([{ type: 'rejected', error: { code: 'file-changed' } }]);
  expect(await store.list(-1, 10)).toEqual([]);
});

test('a copy that a stopped worker left unverified is looked at when the page asks again', async () => {
  const { store, intake } = tools();
  await acceptFiles(enqueue({ name: 'a', file: blob(LARGE) }), intake);
  let broken = true;
  const bytesOf = store.bytesOf.bind(store);
  store.bytesOf = async (ids) => (broken ? ids.map(() => undefined) : bytesOf(ids));
  const again = await acceptFiles(enqueue({ name: 'a', file: blob(LARGE) }), intake);
  // Refused or stored anew, but never "accepted" with bytes that are not there.
  broken = false;
  const [bytes] = await store.bytesOf(
    again.flatMap((outcome) => (outcome.type === 'accepted' ? [outcome.snapshot.id] : [])),
  );
  if (again[0]?.type === 'accepted') expect(bytes?.size).toBe(LARGE);
  else expect(again).toMatchObject([{ error: { code: 'file-changed' } }]);
});

test('a file that was accepted before, and whose copy is gone when it comes again, is not forgotten but `lost`', async () => {
  const { store, intake, shown } = tools();
  await acceptFiles(enqueue({ name: 'a', file: blob(LARGE) }), intake);
  const { bytesOf } = store;
  store.bytesOf = async (ids) => ids.map(() => undefined);
  const again = enqueue({ name: 'a', file: blob(LARGE) }, { name: 'b', file: blob(LARGE) });
  expect(await acceptFiles(again, intake)).toMatchObject([
    { type: 'rejected', error: { code: 'file-changed' } },
    { type: 'rejected', error: { code: 'file-changed' } },
  ]);
  expect(await store.list(-1, 10)).toMatchObject([
    { name: 'a', course: { state: { status: 'lost', error: { code: 'bytes-lost', uploadId: 'id-1' } } } },
  ]);
  expect([...(await shown()).values()]).toMatchObject([{ name: 'a', status: 'lost' }]);
  store.bytesOf = bytesOf;
  expect(await acceptFiles(again, intake)).toMatchObject([
    { type: 'accepted', snapshot: { id: 'id-1', status: 'queued' } },
    { type: 'accepted' },
  ]);
});

test('a failing storage refuses each file by itself, and keeps those that it takes', async () => {
  const { store, intake } = tools();
  const add = store.add.bind(store);
  let calls = 0;
  store.add = async (uploads) => {
    calls += 1;
    if (uploads.some(({ name }) => name === '5')) throw new UploadError('storage-failed', 'no');
    return add(uploads);
  };
  const names = Array.from({ length: 16 }, (_, index) => `${index}`);
  const outcomes = await acceptFiles(enqueue(...names.map((name) => ({ name, file: blob(10) }))), intake);
  expect(outcomes.map(({ type }) => type)).toEqual(names.map((name) => (name === '5' ? 'rejected' : 'accepted')));
  expect(outcomes[5]).toMatchObject({ error: { code: 'storage-failed' } });
  expect(calls).toBeLessThan(12);
});

test('an answer does not wait until the files behind it are stored', async () => {
  const { store, intake } = tools();
  const order: string[] = [];
  const add = store.add.bind(store);
  store.add = async (uploads) => {
    const added = await add(uploads);
    order.push(`stored ${uploads[0]?.name}`);
    return added;
  };
  await Promise.all(
    ['a', 'b'].map(async (name) => {
      await acceptFiles(enqueue({ name, file: blob(100_000) }), intake);
      order.push(`answered ${name}`);
    }),
  );
  expect(order).toEqual(['stored a', 'answered a', 'stored b', 'answered b']);
});

test('nothing to accept is accepted', async () => {
  const { intake } = tools();
  expect(await acceptFiles(enqueue(), intake)).toEqual([]);
});

const filesOf = (...names: readonly string[]) =>
  enqueue(...names.map((name) => ({ name, file: new Blob([new Uint8Array(1_200_000)]) })));
const room = (freeBytes: number) => async () => ({ usage: 500, quota: 500 + freeBytes });

test('what does not fit beside the others is refused with numbers', async () => {
  const { intake } = tools(room(3_500_000));
  const outcomes = await acceptFiles(filesOf('a.bin', 'b.bin', 'c.bin'), intake);
  expect(outcomes).toMatchObject([
    { type: 'accepted' },
    { type: 'accepted' },
    {
      type: 'rejected',
      error: {
        code: 'quota-exceeded',
        message: '"c.bin" needs 2 MB, 1 MB free',
      },
    },
  ]);
});

test('the same file again needs no room', async () => {
  const { intake } = tools();
  await acceptFiles(filesOf('a.bin'), intake);
  const again = await acceptFiles(filesOf('a.bin', 'b.bin'), { ...intake, room: roomBy(room(0)) });
  expect(again).toMatchObject([{ type: 'accepted' }, { type: 'rejected', error: { code: 'quota-exceeded' } }]);
});

test.each<[string, () => Promise<StorageEstimate>]>([
  ['is missing', async () => Promise.reject(new TypeError('navigator.storage is undefined'))],
  ['never answers', () => new Promise(() => {})],
  ['says nothing', async () => ({})],
])('an estimate that %s stops no file', async (_, estimate) => {
  const { intake } = tools(estimate);
  expect(await acceptFiles(filesOf('a.bin'), intake)).toMatchObject([{ type: 'accepted' }]);
});

test('10 GiB free is what Chromium always says: a larger file is tried', async () => {
  const { intake } = tools(room(10 * 2 ** 30));
  const file = new Blob(['x']);
  Object.defineProperty(file, 'size', { value: 11 * 2 ** 30 });
  const [outcome] = await acceptFiles(enqueue({ name: 'film.mp4', file }), intake);
  // Not a byte of it is there to be read back.
  expect(outcome).toMatchObject({ type: 'rejected', error: { code: 'file-changed' } });
});
