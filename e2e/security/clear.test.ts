// Signing out wipes: whatever an upload is doing, nothing of it is left in the database, and nothing more of it is sent.

import { openDB } from 'idb';
import { expect, test } from 'vitest';
import { byteOffset } from '../../sw/index.js';
import { Life } from '../engine/life.js';
import type { Fault } from '../engine/plain-server.js';
import { fileOf, type Stage, setStage } from '../engine/stage.js';
import { startWorker } from '../engine/worker.js';

const MINUTE = 60_000;

/** Every record and every byte there is, as text. */
async function dump(databaseName: string): Promise<string> {
  const database = await openDB(databaseName);
  const texts: string[] = [];
  for (const name of database.objectStoreNames) {
    for (const key of await database.getAllKeys(name)) {
      const value: unknown = await database.get(name, key);
      const bytes = value instanceof Blob ? Buffer.from(await value.arrayBuffer()).toString('latin1') : '';
      texts.push(`${name} ${JSON.stringify([key, value])} ${bytes}`);
    }
  }
  database.close();
  return texts.join('\n');
}

const twoEndpoints = () =>
  setStage(
    { pieceSize: 100_000 },
    {
      endpoints: (server) => ({ videos: byteOffset({ ...server.urls, settleMs: 0 }) }),
    },
  );

const clear = (stage: Stage, endpoint = 'photos') => stage.worker.send({ type: 'clear', endpoint });

const DOWN: Fault = { type: 'answer', status: 503 };
const states: readonly [status: string, fault: Fault | undefined, control?: 'pause' | 'cancel'][] = [
  ['uploading', { type: 'hang' }],
  ['waiting', DOWN],
  ['waiting', { type: 'answer', status: 401 }],
  ['paused', DOWN, 'pause'],
  ['cancelled', DOWN, 'cancel'],
  ['failed', { type: 'answer', status: 422 }],
  ['completed', undefined],
];

test.each(states)(
  'clear() wipes an upload that is %s (%j), and leaves other endpoints alone',
  async (status, fault, control) => {
    const stage = await twoEndpoints();
    stage.server.fault = ({ id, kind }) => (id.startsWith('secret') && kind === 'upload' ? fault : undefined);
    const secret = { ...fileOf('secret.bin', 200_000), bytes: new Uint8Array(200_000).fill(0x41) };
    await stage.add([secret, fileOf('secret-small.bin', 100)]);
    await stage.add([fileOf('other.bin', 1000)], { endpoint: 'videos' });
    const { id } = await stage.named('secret.bin');
    if (control) await stage.worker.send({ type: 'control', control, ids: [id] });
    await stage.time.until(status, async () => (await stage.named('secret.bin')).status === status, 10 * MINUTE);
    await clear(stage);
    expect(await dump(stage.databaseName)).not.toMatch(/secret|AAAAAAAA/);
    expect(Object.keys(await stage.statuses())).toEqual(['other.bin']);
    const removed = stage.worker.events.flatMap((event) => (event.type === 'removed' ? event.ids : []));
    expect(removed).toContain(id);
    const seen = stage.server.seen.length;
    await stage.time.until('other.bin', async () => (await stage.named('other.bin')).status === 'completed');
    await stage.time.pass(60 * MINUTE);
    expect(stage.server.seen.slice(seen).filter((asked) => asked.id.startsWith('secret'))).toEqual([]);
    expect(stage.server.hanging).toBe(0);
  },
);

test('clear() ends an upload in the middle of a piece, and nothing more of it is sent', async () => {
  const stage = await twoEndpoints();
  stage.server.fault = ({ kind, nth }) => (kind === 'upload' && nth === 1 ? { type: 'hang' } : undefined);
  await stage.add([fileOf('a.bin', 500_000), fileOf('b.bin', 500_000)]);
  await stage.time.until('the second piece', () => stage.server.hanging > 0);
  await clear(stage);
  await stage.time.until('the end of the request', () => stage.server.hanging === 0);
  const seen = stage.server.seen.length;
  await stage.time.pass(60 * MINUTE);
  expect(stage.server.seen).toHaveLength(seen);
  // The same file again is a new upload.
  stage.server.fault = () => undefined;
  const again = fileOf('a.bin', 500_000);
  await stage.add([again]);
  await stage.delivery(again);
});

test('clear() works offline, and for an endpoint that the worker no longer has', async () => {
  const stage = await twoEndpoints();
  await stage.server.stop();
  await stage.add([fileOf('secret.bin', 1000)], { endpoint: 'videos' });
  const later = stage.another({ endpoints: {}, online: () => false });
  stage.worker.life.end();
  await later.send({ type: 'clear', endpoint: 'videos' });
  expect(await dump(stage.databaseName)).toBe('');
});

test('clear() wipes a damaged record, too', async () => {
  const stage = await twoEndpoints();
  stage.server.fault = () => DOWN;
  await stage.add([fileOf('secret.bin', 1000)]);
  const database = await openDB(stage.databaseName);
  const [record] = await database.getAll('uploads');
  await database.put('uploads', { ...record, course: 'nonsense' });
  database.close();
  await clear(stage);
  expect(await dump(stage.databaseName)).toBe('');
});

test('clear() is whole or not begun, wherever the worker is stopped', async () => {
  const left = new Set<number>();
  for (let stopAt = 1; ; stopAt += 1) {
    const stage = await twoEndpoints();
    stage.server.fault = () => DOWN;
    await stage.add([1, 2, 3].map((nth) => fileOf(`secret-${nth}.bin`, 1000)));
    stage.worker.life.end();
    const life = new Life(stopAt);
    const stopped = startWorker({ databaseName: stage.databaseName, endpoints: {}, life });
    await Promise.race([stopped.send({ type: 'clear', endpoint: 'photos' }), life.died]);
    const text = await dump(stage.databaseName);
    left.add(text.match(/^(uploads|bytes) /gm)?.length ?? 0);
    if (!life.dead) break;
  }
  expect([...left].sort()).toEqual([0, 6]);
});
