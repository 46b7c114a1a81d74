// What a released version has written is read by every later one. Each fixture is frozen: written out, not imported,
// and never changed, whatever becomes of the schema. A new version adds its own beside them.

import 'fake-indexeddb/auto';
import { expect, test } from 'vitest';
import type { UploadId } from '../../src/contracts/upload.js';
import { systemClock } from '../clock.js';
import { createUploadStore, type NewUpload } from './upload-store.js';

/** As version 1 wrote: a photo in the middle, one that waits for a sign-in, a small one, and a delivered one. */
async function writeVersion1(name: string): Promise<void> {
  const info = {
    endpoint: 'photos',
    type: 'image/jpeg',
    lastModifiedMs: 5,
    metadata: { album: '7' },
    priority: 'normal',
    addedAtMs: 7,
  };
  const course = {
    held: [],
    remote: null,
    limits: {},
    tried: false,
    finalSent: false,
    attempt: 0,
    failingSinceMs: null,
    restarts: 0,
  };
  const records = [
    {
      ...info,
      id: 'a',
      name: 'a.jpg',
      fingerprint: 'a',
      sizeBytes: 9,
      order: 1,
      revision: 4,
      turn: ['photos', 0, 1, 1],
      course: { ...course, state: { status: 'uploading' }, tried: true, remote: { url: '/files/1' }, held: [[0, 4]] },
    },
    {
      ...info,
      id: 'b',
      name: 'b.jpg',
      fingerprint: 'b',
      sizeBytes: 3,
      order: 2,
      revision: 2,
      turn: ['photos', Infinity, 1, 2],
      course: { ...course, state: { status: 'waiting', reason: 'auth' }, tried: true, attempt: 1, failingSinceMs: 8 },
    },
    {
      ...info,
      id: 'c',
      name: 'c.jpg',
      fingerprint: 'c',
      sizeBytes: 3,
      order: 3,
      revision: 1,
      turn: ['photos', 0, 1, 3],
      course: { ...course, state: { status: 'queued' } },
    },
    {
      ...info,
      id: 'd',
      name: 'd.jpg',
      fingerprint: 'd',
      sizeBytes: 3,
      order: 4,
      revision: 3,
      course: { ...course, state: { status: 'completed', atMs: 9 }, tried: true, held: [[0, 3]], finalSent: true },
    },
  ];
  const bytes = { a: new Blob(['123456789']), b: new Blob(['bbb']), c: new TextEncoder().encode('ccc').buffer };
  const request = indexedDB.open(name, 1);
  request.onupgradeneeded = () => {
    const uploads = request.result.createObjectStore('uploads', { keyPath: 'id' });
    uploads.createIndex('byFingerprint', ['endpoint', 'fingerprint'], { unique: true });
    uploads.createIndex('byOrder', 'order', { unique: true });
    uploads.createIndex('byTurn', 'turn');
    request.result.createObjectStore('bytes');
  };
  await new Promise<void>((resolve, reject) => {
    request.onerror = () => reject(request.error);
    request.onsuccess = () => {
      const transaction = request.result.transaction(['uploads', 'bytes'], 'readwrite');
      for (const record of records) transaction.objectStore('uploads').put(record);
      for (const [id, value] of Object.entries(bytes)) transaction.objectStore('bytes').put(value, id);
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error);
    };
  });
  request.result.close();
}

const file = (name: string): NewUpload => ({
  id: `new-${name}` as UploadId,
  endpoint: 'photos',
  fingerprint: name,
  name: `${name}.jpg`,
  type: 'image/jpeg',
  sizeBytes: 3,
  lastModifiedMs: 5,
  metadata: {},
  priority: 'normal',
  addedAtMs: 10,
  bytes: new Blob([name.repeat(3)]),
});

test('version 1: every upload is listed as it stood, has its bytes and its place, and goes on', async () => {
  await writeVersion1('version-1');
  const store = createUploadStore('version-1', systemClock);

  const listed = await store.list(-1, 10);
  expect(listed.map((item) => [item.name, 'course' in item && item.course.state])).toEqual([
    ['a.jpg', { status: 'uploading' }],
    ['b.jpg', { status: 'waiting', reason: 'auth' }],
    ['c.jpg', { status: 'queued' }],
    ['d.jpg', { status: 'completed', atMs: 9 }],
  ]);
  expect(listed[0]).toMatchObject({
    course: { held: [[0, 4]], remote: { url: '/files/1' } },
    metadata: { album: '7' },
  });
  const bytes = await store.bytesOf(['a', 'b', 'c', 'd']);
  expect(await Promise.all(bytes.map((blob) => blob?.text()))).toEqual(['123456789', 'bbb', 'ccc', undefined]);

  const { records, dueAtMs } = await store.next('photos', 100, new Set(), 10);
  expect([records.map(({ id }) => id), dueAtMs]).toEqual([['a', 'c'], Infinity]);
  expect(await store.apply('a', { type: 'started' })).toMatchObject({ revision: 5, course: { held: [[0, 4]] } });
  const added = await store.add([file('e'), file('b')]);
  expect(added.map(({ id, order }) => [id, order])).toEqual([
    ['new-e', 5],
    ['b', 2],
  ]);
});
