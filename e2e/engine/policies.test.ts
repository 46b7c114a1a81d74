// Policies: uploads wait while theirs says so and say why, go on by themselves, lose neither an attempt nor a byte, and
// what the user wants for one upload or for all of an endpoint counts, also after a restart.

import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Policy, PolicyMessage } from '../../src/contracts/policy.js';
import { byteOffset } from '../../sw/index.js';
import { enforce } from '../../sw/policies.js';
import { createPolicyStore, type PolicyStore } from '../../sw/store/policy-store.js';
import { heed } from '../../sw/user-wishes.js';
import { deliveries, fileOf, type Stage, setStage } from './stage.js';
import type { TestWorkerOptions } from './worker.js';

const HOUR = 3_600_000;
const PIECE = 10_000;
const hours = { from: '22:00', to: '07:00' };

/** `navigator.connection`, and whoever owns it. */
class FakeConnection extends EventTarget {
  type = 'wifi';
  saveData = false;

  become(type: string, saveData = false): void {
    Object.assign(this, { type, saveData });
    this.dispatchEvent(new Event('change'));
  }
}

interface Device extends Stage {
  readonly connection: FakeConnection;
  battery: { low: boolean };
  /** What is stored of the user's wishes. */
  readonly kept: PolicyStore;
  /** What a page says to the worker that runs now. */
  say(message: PolicyMessage): Promise<Policy>;
  /** The worker was stopped; the next one has these policies in its code. */
  restart(wanted: Readonly<Record<string, Policy>>): Stage['worker'];
  /** How many wait for that reason. */
  waiting(reason: string, worker?: Stage['worker']): Promise<number>;
  /** Bytes of answered uploads. */
  acknowledgedBytes(): number;
}

let devices = 0;

async function setDevice(
  wanted: Readonly<Record<string, Policy>>,
  connected = true,
  more: Parameters<typeof setStage>[1] = {},
): Promise<Device> {
  devices += 1;
  const store = createPolicyStore(`device-${process.pid}-${devices}`);
  const connection = new FakeConnection();
  const battery = { low: false };
  const batteryLow = async () => battery.low;
  let obey: Device['say'];
  const additions =
    (policies: typeof wanted): TestWorkerOptions['additions'] =>
    (engine) => {
      obey = heed(enforce(policies, engine, connected ? connection : undefined, batteryLow), store);
    };
  const stage = await setStage({ pieceSize: PIECE }, { ...more, worker: { additions: additions(wanted) } });
  let current = stage.worker;
  const device: Device = Object.assign(stage, {
    connection,
    battery,
    kept: store,
    say: (message: PolicyMessage) => current.life.run(() => obey(message)),
    restart: (policies: typeof wanted) => {
      current.life.end();
      current = stage.another({ additions: additions(policies) });
      void current.send({ type: 'wake', reason: 'start' });
      return current;
    },
    waiting: async (reason: string) =>
      (await current.list()).filter((upload) => upload.status === 'waiting' && upload.reason === reason).length,
    acknowledgedBytes: () =>
      stage.server.uploads().reduce((sum, { bodyBytes, status }) => sum + (status === 200 ? bodyBytes : 0), 0),
  });
  return device;
}

const many = (count: number, sizeBytes = 1000) =>
  Array.from({ length: count }, (_, index) => fileOf(`${index}.bin`, sizeBytes));

/** The next moment at which the device's own clock shows that time. */
function at(hour: number, nowMs: number): number {
  const date = new Date(nowMs);
  date.setHours(hour, 0, 0, 0);
  return date.getTime() > nowMs ? date.getTime() : date.setDate(date.getDate() + 1);
}

describe('a connection that costs money', () => {
  test('nothing is sent on it; with the connection, everything goes on at once', async () => {
    const { connection, time, server, add, waiting, delivery } = await setDevice({ photos: { unmetered: true } });
    connection.become('cellular');
    const files = many(40);
    await add(files);
    await time.until('all wait', async () => (await waiting('metered')) === 40);
    await time.pass(HOUR);
    expect(server.seen).toEqual([]);
    const beforeMs = time.now();
    connection.become('wifi');
    await delivery(...files);
    expect(time.now() - beforeMs).toBeLessThan(1000);
    expect(files.map((file) => deliveries(server, file))).toEqual(files.map(() => 1));
  });

  test('what is under way stops at once and goes on from its byte: no attempt counts, no byte goes twice', async () => {
    const device = await setDevice({ photos: { unmetered: true } });
    const { connection, time, server, add, worker, delivery } = device;
    const files = [fileOf('a.bin', 10 * PIECE), fileOf('b.bin', 10 * PIECE), fileOf('c.bin', 10 * PIECE)];
    server.fault = () => {
      if (server.uploads().length === 9) connection.become('cellular');
      return undefined;
    };
    await add(files);
    await time.until('all wait', async () => (await device.waiting('metered')) === 3);
    const asked = server.seen.length;
    expect(asked).toBeLessThan(15);
    await time.pass(HOUR);
    expect(server.seen.length).toBe(asked);
    for (const { course } of await worker.engine.store.list(-1, 3)) {
      expect(course).toMatchObject({ attempt: 0, failingSinceMs: null, restarts: 0, tried: true, finalSent: false });
    }
    server.fault = () => undefined;
    connection.become('wifi');
    await delivery(...files);
    expect(device.acknowledgedBytes()).toBe(30 * PIECE);
    expect(files.map((file) => deliveries(server, file))).toEqual([1, 1, 1]);
  });

  test('so does what is the trial of an endpoint that was out of reach', async () => {
    const { connection, time, server, add, named, delivery } = await setDevice({ photos: { unmetered: true } });
    const file = fileOf('a.bin', 1000);
    server.fault = () => ({ type: 'answer', status: 503 });
    await add([file]);
    await time.until('failed', async () => (await named('a.bin')).status === 'waiting');
    // The trial hangs.
    server.fault = () => ({ type: 'hang' });
    const { length } = server.seen;
    await time.until('tried', () => server.seen.length > length);
    connection.become('cellular');
    await time.pass(1000);
    expect(await named('a.bin')).toMatchObject({ status: 'waiting', reason: 'metered' });
    expect(server.hanging).toBe(0);
    server.fault = () => undefined;
    connection.become('wifi');
    await delivery(file);
  });

  test('what changes without a word is seen at the next tick, under a request that lasts', async () => {
    const { connection, time, server, add, named, worker } = await setDevice({ photos: { unmetered: true } });
    server.fault = () => ({ type: 'hang' });
    await add([fileOf('a.bin', 1000)]);
    await time.until('sent', () => server.hanging > 0);
    connection.type = 'cellular';
    worker.life.run(() => worker.engine.outbox.tick());
    await time.pass(1000);
    expect(await named('a.bin')).toMatchObject({ status: 'waiting', reason: 'metered' });
    expect(server.hanging).toBe(0);
  });

  test('flips again and again, in the middle of everything: delivered once, no byte twice', {
    timeout: 30_000,
  }, async () => {
    const device = await setDevice({ photos: { unmetered: true } });
    const { connection, time, server, add, delivery } = device;
    const files = many(12, 5 * PIECE);
    server.fault = () => {
      if (time.random() < 0.4) connection.become(connection.type === 'wifi' ? 'cellular' : 'wifi');
      return undefined;
    };
    await add(files);
    for (let round = 0; round < 400; round += 1) {
      await time.pass(1000);
      if (files.every((file) => deliveries(server, file) === 1)) break;
      if (connection.type !== 'wifi') connection.become('wifi');
    }
    server.fault = () => undefined;
    connection.become('wifi');
    await delivery(...files);
    expect(device.acknowledgedBytes()).toBe(12 * 5 * PIECE);
    expect(files.map((file) => deliveries(server, file))).toEqual(files.map(() => 1));
  });

  test('a user who saves data is heard on any connection; news of the speed alone mean nothing', async () => {
    const { connection, time, server, add, waiting, delivery, worker } = await setDevice({
      photos: { unmetered: true },
    });
    connection.become('wifi', true);
    const files = many(5);
    await add(files);
    await time.until('all wait', async () => (await waiting('metered')) === 5);
    await time.pass(1000);
    const { length } = worker.events;
    connection.become('wifi', true);
    await time.pass(1000);
    expect(worker.events).toHaveLength(length);
    expect(server.seen).toEqual([]);
    connection.become('ethernet', false);
    await delivery(...files);
  });

  test('a browser that tells of no connection holds nothing up', async () => {
    const { add, delivery } = await setDevice({ photos: { unmetered: true } }, false);
    const files = many(3);
    await add(files);
    await delivery(...files);
  });

  test('an upload that waits out a failure meanwhile is not tried, and what the server asked for is kept to', async () => {
    const { connection, time, server, add, named, delivery } = await setDevice({ photos: { unmetered: true } });
    const file = fileOf('a.bin', 1000);
    server.fault = () => ({ type: 'answer', status: 503, headers: { 'Retry-After': '600' } });
    await add([file]);
    await time.until('told to wait', async () => (await named('a.bin')).status === 'waiting');
    const { length } = server.seen;
    connection.become('cellular');
    await time.pass(300_000);
    expect(await named('a.bin')).toMatchObject({ status: 'waiting', reason: 'server' });
    connection.become('wifi');
    await time.pass(1000);
    expect(server.seen).toHaveLength(length);
    connection.become('cellular');
    await time.pass(HOUR);
    expect(await named('a.bin')).toMatchObject({ status: 'waiting', reason: 'metered' });
    expect(server.seen).toHaveLength(length);
    server.fault = () => undefined;
    connection.become('wifi');
    await delivery(file);
  });

  test('the user who comes back, and `resume()`, change nothing about it', async () => {
    const { connection, time, server, add, waiting, worker } = await setDevice({ photos: { unmetered: true } });
    connection.become('cellular');
    await add(many(5));
    await time.until('all wait', async () => (await waiting('metered')) === 5);
    await time.pass(1000);
    const { length } = worker.events;
    await worker.send({ type: 'wake', reason: 'visible' });
    await worker.send({ type: 'wake', reason: 'online' });
    await time.pass(1000);
    // Nobody is told of changes that are none.
    expect(worker.events.slice(length).map(({ type }) => type)).not.toContain('changed');
    await worker.send({ type: 'control', control: 'resume', ids: 'all' });
    await time.pass(1000);
    expect(await waiting('metered')).toBe(5);
    expect(server.seen).toEqual([]);
  });

  test('the worker rests while all wait, and the next one goes on where this one was stopped', async () => {
    const { connection, time, server, add, waiting, worker, restart } = await setDevice({
      photos: { unmetered: true },
    });
    connection.become('cellular');
    const files = many(5);
    await add(files);
    await time.until('all wait', async () => (await waiting('metered')) === 5);
    await worker.engine.scheduler.idle();
    expect(await worker.send({ type: 'wake', reason: 'heartbeat' })).toEqual({ working: false });
    restart({ photos: { unmetered: true } });
    await time.pass(1000);
    expect(server.seen).toEqual([]);
    // No event was heard: the browser had stopped the worker.
    connection.type = 'wifi';
    restart({ photos: { unmetered: true } });
    await time.until('delivery', () => files.every((file) => deliveries(server, file) === 1));
  });

  test('an update of the app that wants nothing any more sends what waited', async () => {
    const { connection, time, server, add, waiting, restart } = await setDevice({ photos: { unmetered: true } });
    connection.become('cellular');
    const files = many(5);
    await add(files);
    await time.until('all wait', async () => (await waiting('metered')) === 5);
    restart({ photos: {} });
    await time.until('delivery', () => files.every((file) => deliveries(server, file) === 1));
  });

  test('costs the others one look into the store at most for each of their uploads, and no change', async () => {
    const { connection, time, server, add, waiting } = await setDevice({ photos: { unmetered: true } }, true, {
      endpoints: ({ urls }) => ({ other: byteOffset({ ...urls, settleMs: 0 }) }),
    });
    const others = (name: string) => Array.from({ length: 60 }, (_, index) => fileOf(`${name}-${index}.bin`, 10));
    const spy = vi.spyOn(IDBDatabase.prototype, 'transaction');
    onTestFinished(() => spy.mockRestore());
    const transactionsFor = async (files: ReturnType<typeof others>) => {
      spy.mockClear();
      await add(files, { endpoint: 'other' });
      await time.until('delivered', () => files.every((file) => deliveries(server, file) === 1));
      const changes = spy.mock.calls.filter(([, mode]) => mode === 'readwrite').length;
      return { changes, looks: spy.mock.calls.length - changes };
    };
    const alone = await transactionsFor(others('alone'));
    connection.become('cellular');
    await add(many(5));
    await time.until('all wait', async () => (await waiting('metered')) === 5);
    const beside = await transactionsFor(others('beside'));
    expect(beside.changes - alone.changes).toBeLessThan(20);
    expect(beside.looks - alone.looks).toBeLessThan(90);
    expect(await waiting('metered')).toBe(5);
  });
});

describe('a long queue', () => {
  const count = 300;

  test('that is held up comes to rest after few requests for it, and in pages; it goes on as a whole', {
    timeout: 30_000,
  }, async () => {
    const device = await setDevice({ photos: { unmetered: true } });
    const { connection, time, server, add, worker, waiting, delivery } = device;
    connection.become('cellular');
    const files = many(count, 100);
    const apply = vi.spyOn(worker.engine.store, 'applyAll');
    const next = vi.spyOn(worker.engine.store, 'next');
    await add(files);
    await time.until('all wait', async () => (await waiting('metered')) === count);
    await time.pass(HOUR);
    expect(Math.max(...apply.mock.calls.map(([ids]) => ids.length))).toBeLessThanOrEqual(100);
    // Each once, and some steps more for those that the loop had read ahead.
    const written = (await worker.list()).reduce((sum, { revision }) => sum + revision - 1, 0);
    expect(written).toBeLessThan(count + 32 * 6);
    expect(next.mock.calls.length).toBeLessThan(30);
    next.mockClear();
    for (const reason of ['visible', 'online', 'heartbeat', 'command'] as const)
      await worker.send({ type: 'wake', reason });
    await time.pass(HOUR);
    // None is due, whoever looks.
    for (const { value } of next.mock.results) expect((await value).records).toEqual([]);
    expect(server.seen).toEqual([]);
    connection.become('wifi');
    await delivery(...files);
    expect(files.map((file) => deliveries(server, file))).toEqual(files.map(() => 1));
  });

  test('whose user keeps adding to it meanwhile rests again each time', async () => {
    const { connection, time, server, add, worker, waiting } = await setDevice({ photos: { unmetered: true } });
    connection.become('cellular');
    for (let round = 1; round <= 5; round += 1) {
      await add(Array.from({ length: 20 }, (_, index) => fileOf(`${round}-${index}.bin`, 100)));
      await time.until('all wait', async () => (await waiting('metered')) === 20 * round);
    }
    await worker.engine.scheduler.idle();
    expect(server.seen).toEqual([]);
  });

  test('what its user pauses or cancels while it is taken out of line stays so', async () => {
    const { connection, time, server, add, worker, waiting, statuses } = await setDevice({
      photos: { unmetered: true },
    });
    const files = many(40, 3 * PIECE);
    let said: Promise<unknown> | undefined;
    server.fault = () => {
      // Some of them are under way, and the others in line.
      if (server.uploads().length === 4 && !said) {
        connection.become('cellular');
        const control = (name: 'pause' | 'cancel', from: number) =>
          worker.send({ type: 'control', control: name, ids: ids.slice(from, from + 10) });
        said = Promise.all([control('pause', 0), control('cancel', 10)]);
      }
      return undefined;
    };
    const outcomes = await add(files);
    const ids = outcomes.flatMap((outcome) => (outcome.type === 'accepted' ? [outcome.snapshot.id] : []));
    await time.until('all wait', async () => said && (await waiting('metered')) === 20);
    await said;
    await time.pass(HOUR);
    const all = Object.values(await statuses());
    expect(all.filter((status) => status === 'paused')).toHaveLength(10);
    expect(all.filter((status) => status === 'cancelled')).toHaveLength(10);
    expect(await waiting('metered')).toBe(20);
  });
});

describe('send now', () => {
  test('sends that upload alone, also after a restart in its middle', async () => {
    const { connection, time, server, add, named, waiting, worker, restart, say } = await setDevice({
      photos: { unmetered: true },
    });
    connection.become('cellular');
    const files = many(5, 10 * PIECE);
    await add(files);
    await time.until('all wait', async () => (await waiting('metered')) === 5);
    const { id } = await named('3.bin');
    server.fault = () => {
      if (server.uploads().length === 4) worker.life.end();
      return undefined;
    };
    await say({ endpoint: 'photos', id });
    await time.until('stopped', () => worker.life.dead);
    server.fault = () => undefined;
    restart({ photos: { unmetered: true } });
    await time.until('delivered', () => deliveries(server, files[3] as (typeof files)[number]) === 1);
    await time.pass(HOUR);
    expect(await waiting('metered')).toBe(4);
    expect(new Set(server.seen.map((asked) => asked.id))).toEqual(new Set([files[3]?.id]));
  });

  test('however many are wanted at once', async () => {
    const { connection, time, server, add, waiting, named, say } = await setDevice({ photos: { unmetered: true } });
    connection.become('cellular');
    const files = many(80);
    await add(files);
    await time.until('all wait', async () => (await waiting('metered')) === 80);
    const ids = await Promise.all(files.slice(0, 70).map(async ({ name }) => (await named(name)).id));
    for (const id of ids) await say({ endpoint: 'photos', id });
    await time.until('delivery', () => files.slice(0, 70).every((file) => deliveries(server, file) === 1));
    expect(await waiting('metered')).toBe(10);
  });

  test('also goes on with a paused one; what was cancelled in between is another wish', async () => {
    const { connection, time, server, add, named, waiting, worker, say } = await setDevice({
      photos: { unmetered: true },
    });
    connection.become('cellular');
    const [file] = many(1) as [ReturnType<typeof fileOf>];
    await add([file]);
    await time.until('waits', async () => (await waiting('metered')) === 1);
    const { id } = await named(file.name);
    server.fault = () => ({ type: 'answer', status: 422 });
    await say({ endpoint: 'photos', id });
    await time.until('tried', async () => (await named(file.name)).status === 'failed');
    await worker.send({ type: 'control', control: 'cancel', ids: [id] });
    server.fault = () => undefined;
    await add([file]);
    await time.until('waits again', async () => (await waiting('metered')) === 1);
    await worker.send({ type: 'control', control: 'pause', ids: [id] });
    await say({ endpoint: 'photos', id });
    await time.until('delivery', () => deliveries(server, file) === 1);
  });
});

describe('battery', () => {
  test('waits while it is low, and goes on when a page says that it is not', async () => {
    const { battery, time, server, add, waiting, worker, delivery } = await setDevice({
      photos: { batteryNotLow: true },
    });
    battery.low = true;
    const files = many(20);
    await add(files);
    await time.until('all wait', async () => (await waiting('battery')) === 20);
    expect(server.seen).toEqual([]);
    battery.low = false;
    await worker.send({ type: 'wake', reason: 'visible' });
    await delivery(...files);
  });
});

describe('quiet hours', () => {
  test('what is under way at their begin stops within a tick, says until when, and goes on by itself', {
    timeout: 30_000,
  }, async () => {
    const device = await setDevice({ photos: { quietHours: hours } });
    const { time, server, add, named, delivery } = device;
    await time.pass(at(22, time.now()) - 5000 - time.now());
    const file = fileOf('a.bin', 10 * PIECE);
    let hangs = true;
    server.fault = ({ startByte }) => (hangs && startByte === 3 * PIECE ? { type: 'hang' } : undefined);
    await add([file]);
    await time.until('waits', async () => (await named('a.bin')).status === 'waiting');
    const endMs = at(7, time.now());
    expect(await named('a.bin')).toMatchObject({ reason: 'quiet-hours', untilMs: endMs });
    expect(time.now() - at(22, time.now() - 12 * HOUR)).toBeLessThanOrEqual(20_000);
    const { length } = server.seen;
    hangs = false;
    await time.pass(endMs - time.now() - 1000);
    expect(server.seen).toHaveLength(length);
    await delivery(file);
    expect(time.now() - endMs).toBeLessThan(20_000);
    expect(device.acknowledgedBytes()).toBe(10 * PIECE);
  });

  test('one reason after the other holds, and each is told', async () => {
    const { connection, time, server, add, waiting } = await setDevice({
      photos: { quietHours: hours, unmetered: true },
    });
    connection.become('cellular');
    await time.pass(at(22, time.now()) + HOUR - time.now());
    await add(many(3));
    await time.until('metered', async () => (await waiting('metered')) === 3);
    connection.become('wifi');
    await time.until('quiet', async () => (await waiting('quiet-hours')) === 3);
    connection.become('cellular');
    await time.pass(at(7, time.now()) + HOUR - time.now());
    expect(await waiting('metered')).toBe(3);
    expect(server.seen).toEqual([]);
  });
});

describe('what the user wants', () => {
  test('counts field by field over the app, at once and after a restart, until it is taken back', {
    timeout: 30_000,
  }, async () => {
    const { connection, time, server, add, waiting, restart, say } = await setDevice({
      photos: { quietHours: hours },
    });
    connection.become('cellular');
    const file = fileOf('a.bin', 10 * PIECE);
    let wished: Promise<Policy | undefined> | undefined;
    server.fault = () => {
      if (server.uploads().length === 3) {
        wished = say({ endpoint: 'photos', change: { unmetered: true } });
      }
      return undefined;
    };
    await add([file]);
    await time.until('waits', async () => (await waiting('metered')) === 1);
    expect(await wished).toEqual({ quietHours: hours, unmetered: true });
    server.fault = () => undefined;
    // An update of the app changes what it wants itself: the user's word stays.
    restart({ photos: { unmetered: false } });
    await time.pass(HOUR);
    expect(await waiting('metered')).toBe(1);
    expect(await say({ endpoint: 'photos' })).toEqual({ unmetered: true });
    const back = await say({ endpoint: 'photos', change: { unmetered: undefined } });
    expect(back).toEqual({ unmetered: false });
    await time.until('delivery', () => deliveries(server, file) === 1);
  });

  test('may differ by person, and goes with the person', async () => {
    const { connection, worker, add, time, server, waiting, say } = await setDevice({ photos: { unmetered: true } });
    connection.become('cellular');
    await say({ endpoint: 'photos@ann', change: { unmetered: false } });
    const [ann, bob] = many(2) as [ReturnType<typeof fileOf>, ReturnType<typeof fileOf>];
    await add([ann], { endpoint: 'photos@ann' });
    await add([bob], { endpoint: 'photos@bob' });
    await time.until('delivery', () => deliveries(server, ann) === 1);
    expect(await waiting('metered')).toBe(1);
    await worker.send({ type: 'clear', endpoint: 'photos@ann' });
    expect(await say({ endpoint: 'photos@ann' })).toEqual({ unmetered: true });
  });

  test('is refused where it makes no sense, and then nothing is stored', async () => {
    const { say } = await setDevice({ photos: {} });
    for (const change of [
      { unmetered: 'yes' },
      { quietHours: { from: '22:00', to: '24:00' } },
      { quietHours: { from: '22:00', to: '22:00' } },
      { quietHours: true },
      { quietHours: { from: ['22:00'], to: '07:00' } },
      { wifi: true },
    ]) {
      const sent = say({ endpoint: 'photos', change: change as unknown as Policy });
      await expect(sent).rejects.toMatchObject({ code: 'invalid-option' });
    }
    expect(await say({ endpoint: 'photos' })).toEqual({});
    await expect(setDevice({ photos: { quietHours: { from: '22', to: '7' } } })).rejects.toMatchObject({
      code: 'invalid-option',
    });
  });

  test('what another version, or a script, has left there is passed over', async () => {
    const { connection, time, add, waiting, kept } = await setDevice({ photos: { unmetered: true } });
    await kept({ photos: { unmetered: false, quietHours: 5 }, 'photos@ann': 'odd', papers: null });
    connection.become('cellular');
    await add(many(2));
    await time.until('all wait', async () => (await waiting('metered')) === 2);
  });

  test('that cannot be read leaves the app its own', async () => {
    const { connection, time, add, waiting, worker } = await setDevice({ photos: { unmetered: true } });
    const open = vi.spyOn(IDBFactory.prototype, 'open');
    onTestFinished(() => open.mockRestore());
    connection.become('cellular');
    await worker.list();
    open.mockImplementation(() => {
      throw new DOMException('no', 'UnknownError');
    });
    await add(many(2));
    await time.until('all wait', async () => (await waiting('metered')) === 2);
  });
});
