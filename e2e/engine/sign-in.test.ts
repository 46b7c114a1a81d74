// 401: one upload is told, all of its endpoint wait, and after the sign-in all go on from where they were.

import { expect, onTestFinished, test, vi } from 'vitest';
import { byteOffset } from '../../sw/index.js';
import { deliveries, fileOf, setStage } from './stage.js';

const EXPIRED = { type: 'answer', status: 401 } as const;
const HOUR = 3_600_000;

test('a token expires in the middle of 50 uploads: all wait, none asks again, and then all are delivered', async () => {
  let token = 'old';
  const { server, time, worker, add, delivery, statuses } = await setStage({
    pieceSize: 10_000,
    headers: () => ({ Authorization: token }),
  });
  const files = Array.from({ length: 50 }, (_, index) => fileOf(`${index}.bin`, 25_000));
  let refused = 0;
  server.fault = ({ headers }) => {
    if (server.uploads().length < 40 || headers.authorization === 'new') return undefined;
    refused += 1;
    return EXPIRED;
  };
  await add(files);
  const waiting = async () => Object.values(await statuses()).filter((status) => status === 'waiting').length;
  const completed = async () => Object.values(await statuses()).filter((status) => status === 'completed').length;
  await time.until('all wait', async () => (await waiting()) + (await completed()) === 50);
  expect(await completed()).toBeGreaterThan(5);
  await time.pass(HOUR);
  // Those that were under way, each once.
  expect(refused).toBeLessThanOrEqual(3);
  const before = server.uploads().reduce((sum, { bodyBytes, status }) => sum + (status === 200 ? bodyBytes : 0), 0);
  token = 'new';
  await worker.send({ type: 'wake', reason: 'visible' });
  await delivery(...files);
  const after = server.uploads().reduce((sum, { bodyBytes, status }) => sum + (status === 200 ? bodyBytes : 0), 0);
  expect(files.map((file) => deliveries(server, file))).toEqual(files.map(() => 1));
  // No byte that the server had was sent again.
  expect(after).toBe(50 * 25_000);
  expect(after - before).toBeGreaterThan(25_000);
});

test('who is added while a sign-in is due waits for it, too, and a new worker asks no more than before', async () => {
  const { server, time, add, named, worker, another } = await setStage();
  server.fault = () => EXPIRED;
  await add([fileOf('first.bin', 1000)]);
  await time.until('asked', async () => (await named('first.bin')).status === 'waiting');
  await add(Array.from({ length: 20 }, (_, index) => fileOf(`${index}.bin`, 1000)));
  await time.until('waits', async () => (await named('19.bin')).status === 'waiting');
  expect(await named('19.bin')).toMatchObject({ reason: 'auth' });
  const asked = server.seen.length;
  worker.life.end();
  const next = another();
  await next.send({ type: 'wake', reason: 'start' });
  await time.pass(HOUR);
  // As many as are under way at once.
  expect(server.seen.length - asked).toBeLessThanOrEqual(3);
});

test('a pause of what waits for a sign-in is a pause; a cancel frees it', async () => {
  const { server, time, worker, add, named } = await setStage();
  server.fault = () => EXPIRED;
  await add([fileOf('a.bin', 1000), fileOf('b.bin', 1000), fileOf('c.bin', 1000), fileOf('d.bin', 1000)]);
  await time.until('waits', async () => (await named('d.bin')).status === 'waiting');
  const [paused, cancelled] = [await named('c.bin'), await named('d.bin')];
  await worker.send({ type: 'control', control: 'pause', ids: [paused.id] });
  await worker.send({ type: 'control', control: 'cancel', ids: [cancelled.id] });
  server.fault = () => undefined;
  await worker.send({ type: 'wake', reason: 'visible' });
  await time.until('delivered', async () => (await named('b.bin')).status === 'completed');
  expect((await named('c.bin')).status).toBe('paused');
  expect((await named('d.bin')).status).toBe('cancelled');
});

test('an endpoint that waits for a sign-in costs the others no look into the store for each of their uploads', async () => {
  const { server, time, add, named } = await setStage(
    { headers: () => ({ 'X-Who': 'photos' }) },
    { endpoints: ({ urls }) => ({ other: byteOffset({ ...urls, settleMs: 0 }) }) },
  );
  const others = (name: string) => Array.from({ length: 60 }, (_, index) => fileOf(`${name}-${index}.bin`, 10));
  const spy = vi.spyOn(IDBDatabase.prototype, 'transaction');
  onTestFinished(() => spy.mockRestore());
  const transactionsFor = async (files: ReturnType<typeof others>) => {
    const before = spy.mock.calls.length;
    await add(files, { endpoint: 'other' });
    await time.until('delivered', () => files.every((file) => deliveries(server, file) === 1));
    return spy.mock.calls.length - before;
  };
  server.fault = ({ headers }) => (headers['x-who'] === 'photos' ? EXPIRED : undefined);
  const alone = await transactionsFor(others('alone'));
  await add([fileOf('a.bin', 1000), fileOf('b.bin', 1000)]);
  await time.until('parked', async () => (await named('b.bin')).status === 'waiting');
  expect((await transactionsFor(others('beside'))) - alone).toBeLessThan(20);
  expect(await named('a.bin')).toMatchObject({ reason: 'auth' });
});

test('who is next in line there, and gets a free connection only later, waits like all others', async () => {
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const { server, time, add, statuses } = await setStage(
    { headers: () => ({ 'X-Who': 'photos' }) },
    {
      worker: { concurrency: 2 },
      endpoints: ({ urls }) => ({ other: byteOffset({ ...urls, headers: () => released.then(() => ({})) }) }),
    },
  );
  server.fault = ({ headers }) => (headers['x-who'] === 'photos' ? EXPIRED : undefined);
  await Promise.all([
    add([fileOf('x.bin', 100), fileOf('y.bin', 100)], { endpoint: 'other' }),
    add([fileOf('a.bin', 100), fileOf('b.bin', 100)]),
  ]);
  await time.pass(1000);
  expect(await statuses()).toMatchObject({ 'a.bin': 'waiting', 'x.bin': 'uploading', 'y.bin': 'uploading' });
  release();
  await time.until('the others are done', async () => (await statuses())['y.bin'] === 'completed');
  await time.pass(1000);
  expect(await statuses()).toMatchObject({ 'a.bin': 'waiting', 'b.bin': 'waiting' });
});
