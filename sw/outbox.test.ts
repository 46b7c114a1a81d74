// The one publisher: every tab is told the newest, in few messages. Invariants 9, 12.

import { expect, test } from 'vitest';
import type { UploadEvent } from '../src/contracts/messages.js';
import { systemClock } from './clock.js';
import { type Course, initialCourse } from './core/machine.js';
import { createOutbox } from './outbox.js';
import type { UploadRecord } from './store/schema.js';

function outboxOf() {
  const events: UploadEvent[] = [];
  const timers: (() => void)[] = [];
  const outbox = createOutbox((event) => void events.push(event), {
    ...systemClock,
    sleep: () => new Promise((resolve) => void timers.push(resolve)),
  });
  const flush = async () => {
    for (const timer of timers.splice(0)) timer();
    await new Promise((resolve) => setImmediate(resolve));
    return events.splice(0);
  };
  return { outbox, events, timers, flush };
}

const record = (name: string, revision: number, course: Partial<Course> = {}): UploadRecord => ({
  id: name as never,
  endpoint: 'photos',
  fingerprint: 'secret',
  name,
  type: '',
  sizeBytes: 100,
  lastModifiedMs: 0,
  metadata: {},
  priority: 'normal',
  addedAtMs: 0,
  order: 1,
  revision,
  turn: ['photos', 0, 1, 1],
  course: { ...initialCourse, ...course },
});

test('a thousand changes are one message, with the newest of each', async () => {
  const { outbox, timers, flush } = outboxOf();
  for (let revision = 1; revision <= 500; revision += 1) outbox.changed(record('a', revision), record('b', revision));
  expect(timers).toHaveLength(1);
  const events = await flush();
  expect(events).toMatchObject([
    {
      type: 'changed',
      snapshots: [
        { name: 'a', revision: 500 },
        { name: 'b', revision: 500 },
      ],
    },
  ]);
});

test('an older record never replaces a newer one', async () => {
  const { outbox, flush } = outboxOf();
  outbox.changed(record('a', 5));
  outbox.changed(record('a', 2));
  expect(await flush()).toMatchObject([{ snapshots: [{ revision: 5 }] }]);
});

test('what changed after a message goes with the next', async () => {
  const { outbox, flush } = outboxOf();
  outbox.changed(record('a', 1));
  await flush();
  outbox.changed(record('a', 2));
  expect(await flush()).toMatchObject([{ snapshots: [{ revision: 2 }] }]);
});

test('what was removed is not published afterwards', async () => {
  const { outbox, flush } = outboxOf();
  outbox.changed(record('a', 1), record('b', 1));
  outbox.removed(['a' as never]);
  expect(await flush()).toMatchObject([
    { type: 'removed', ids: ['a'] },
    { type: 'changed', snapshots: [{ name: 'b' }] },
  ]);
});

test('nothing is not a message', async () => {
  const { outbox, flush } = outboxOf();
  outbox.changed();
  outbox.removed([]);
  expect(await flush()).toEqual([]);
});

test('a page sees the state, not what it is made of', () => {
  const { outbox } = outboxOf();
  const snapshot = outbox.snapshotOf(record('a', 3, { held: [[0, 40]], state: { status: 'waiting', reason: 'auth' } }));
  expect(snapshot).toEqual({
    id: 'a',
    endpoint: 'photos',
    name: 'a',
    type: '',
    sizeBytes: 100,
    lastModifiedMs: 0,
    metadata: {},
    priority: 'normal',
    addedAtMs: 0,
    order: 1,
    revision: 3,
    acknowledgedBytes: 40,
    status: 'waiting',
    reason: 'auth',
  });
});

test('a completed upload has all its bytes, whatever was counted', () => {
  const { outbox } = outboxOf();
  expect(outbox.snapshotOf(record('a', 1, { state: { status: 'completed', atMs: 1 } })).acknowledgedBytes).toBe(100);
});

test('speed and time to go are told while there is speed', () => {
  const { outbox } = outboxOf();
  const uploading = record('a', 1, { held: [[0, 40]], state: { status: 'uploading' } });
  outbox.speed('a', 20);
  expect(outbox.snapshotOf(uploading)).toMatchObject({ bytesPerSecond: 20, remainingMs: 3000 });
  outbox.speed('a', undefined);
  expect(outbox.snapshotOf(uploading)).not.toHaveProperty('bytesPerSecond');
});

test('everything that is published can be cloned, and is JSON', () => {
  const { outbox } = outboxOf();
  const snapshot = outbox.snapshotOf(record('a', 1));
  expect(structuredClone(snapshot)).toEqual(snapshot);
});
