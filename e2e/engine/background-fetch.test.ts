// Background Fetch, the worker's part: one driver, and nothing that the browser says of the end is believed. The server is
// the reference server.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Kit, keyOf, post, startKit } from '../../demo/server/test-kit.js';
import { fetchIdOf } from '../../src/contracts/hand-over.js';
import { carry } from '../../sw/background-fetch.js';
import { type ByteOffsetOptions, byteOffsetPieces, type Io, ProtocolFailure, tus } from '../../sw/index.js';
import type { UploadRecord } from '../../sw/store/schema.js';
import { BackgroundBrowser } from './background-browser.js';
import { type File, fileOf, setStage } from './stage.js';
import type { TestWorker } from './worker.js';

const PIECE = 10_000;
const nobody = new ProtocolFailure('auth', 'unauthorized', 'nobody');
const SIZE = 35_000;

interface SceneOptions extends Pick<ByteOffsetOptions, 'headers'> {
  readonly location?: string;
  readonly sizeBytes?: number;
}

async function scene({ location, headers, sizeBytes = SIZE }: SceneOptions = {}) {
  const kit = await startKit();
  onTestFinished(() => kit.close());
  const origin = `http://127.0.0.1:${kit.port}`;
  const urls = { statusUrl: `${origin}/api/status`, uploadUrl: `${origin}/api/upload` };
  // The loop is about to send its first byte when the page hands over.
  let release = () => {};
  let gate: Promise<void> | undefined = new Promise((resolve) => {
    release = resolve;
  });
  let arrive = () => {};
  const arrived = new Promise<void>((resolve) => {
    arrive = resolve;
  });
  const gated: NonNullable<typeof headers> = async (upload) => {
    arrive();
    await gate;
    return (await headers?.(upload)) ?? {};
  };
  const photos = () => byteOffsetPieces({ ...urls, settleMs: 0, headers: gated });
  const stage = await setStage({}, { endpoints: () => ({ photos: photos(), other: tus({ endpoint: '/' }) }) });
  const browser = new BackgroundBrowser(location ?? `${origin}/sw.js`);
  const carryFor = (worker: TestWorker) =>
    worker.life.run(() => carry(worker.engine, { endpoints: ['photos'], pieceSize: 2 * PIECE }, browser.desk));
  const carrying = carryFor(stage.worker);
  const file = fileOf('film.bin', sizeBytes);
  /** Accepted; from now on, hooks answer. */
  const accepted = async () => {
    const [outcome] = await stage.add([file]);
    if (outcome?.type !== 'accepted') throw new Error('not accepted');
    await arrived;
    gate = undefined;
    return outcome.snapshot.id;
  };
  const handedOver = async () => {
    const id = await accepted();
    await browser.handOver(carrying, id);
    release();
    return id;
  };
  const state = async () => {
    const snapshot = await stage.named(file.name);
    return [snapshot.status, snapshot.status === 'waiting' && snapshot.reason, snapshot.acknowledgedBytes];
  };
  return { ...stage, kit, browser, carrying, carryFor, file, accepted, handedOver, state };
}

const posts = (kit: Kit) => kit.uploads().map(({ startByte, receivedBytes }) => [startByte, receivedBytes]);
const stored = (kit: Kit, { id }: File) => readFile(join(kit.dataDir, `${keyOf(id)}.data`));
const inPieces = [
  [0, PIECE],
  [PIECE, PIECE],
  [2 * PIECE, PIECE],
  [3 * PIECE, 5000],
];

describe('while the browser sends', () => {
  test('the loop sends nothing, whoever wakes it; after the end, the server has the word', async () => {
    const { browser, carrying, handedOver, state, worker, time, kit, delivery, file } = await scene();
    const id = await handedOver();
    expect(await state()).toEqual(['waiting', 'browser', 0]);
    for (const reason of ['online', 'visible', 'start', 'sync', 'command'] as const) {
      await worker.send({ type: 'wake', reason });
    }
    await worker.send({ type: 'control', control: 'resume', ids: [id] });
    await time.pass(3_600_000);
    expect(posts(kit)).toEqual([]);
    expect(await state()).toEqual(['waiting', 'browser', 0]);
    expect(await browser.send(id)).toEqual([200, 200, 200, 200]);
    await browser.end(carrying, id, 'backgroundfetchsuccess');
    await delivery(file);
    expect(posts(kit)).toEqual(inPieces);
    expect(Buffer.compare(await stored(kit, file), file.bytes)).toBe(0);
    expect(await state()).toEqual(['completed', false, SIZE]);
  });

  test('a run that was begun before asks and sends nothing more, between any two of its steps', async () => {
    const { browser, handedOver, worker } = await scene();
    const id = await handedOver();
    const adapter = worker.engine.adapterOf('photos');
    const { value: page } = await worker.life.run(() => worker.engine.store.pages().next());
    const record = (page ?? []).find((each: UploadRecord) => each.id === id);
    if (!adapter || !record) throw new Error('nothing to try');
    const io = { request: () => Promise.reject(new Error('asked')) } as unknown as Io;
    const context = { unsettled: true, finalSent: true, heldBytes: 0 };
    const steps = () => [
      adapter.probe(record, {}, io, context),
      adapter.send(record, {}, [0, PIECE], new Blob([new Uint8Array(PIECE)]), io),
    ];
    for (const step of steps()) await expect(step).rejects.toMatchObject({ code: 'locked' });
    browser.registrations.clear();
    for (const step of steps()) await expect(step).rejects.toMatchObject({ message: 'asked' });
  });

  test('a new worker finds the registration, and sends nothing either', async () => {
    const { browser, handedOver, worker, another, carryFor, time, kit } = await scene();
    const id = await handedOver();
    worker.life.end();
    const next = another();
    const carrying = carryFor(next);
    await next.send({ type: 'wake', reason: 'start' });
    await time.pass(3_600_000);
    expect(posts(kit)).toEqual([]);
    const [snapshot] = await next.list();
    expect(snapshot).toMatchObject({ status: 'waiting', reason: 'browser' });
    await browser.send(id, 3);
    await browser.end(carrying, id, 'backgroundfetchfail');
    await time.until('delivered', async () => (await next.list())[0]?.status === 'completed');
    expect(posts(kit)).toEqual(inPieces);
  });
});

describe('a background fetch that lies', () => {
  test.each(['backgroundfetchsuccess', 'backgroundfetchfail'] as const)(
    '%s, and the server has less: the loop sends the rest, and no byte again',
    async (said) => {
      const { browser, carrying, handedOver, kit, delivery, file } = await scene();
      const id = await handedOver();
      await browser.send(id, 2);
      await browser.end(carrying, id, said);
      await delivery(file);
      expect(posts(kit)).toEqual([...inPieces.slice(0, 2), [2 * PIECE, 15_000]]);
      expect(Buffer.compare(await stored(kit, file), file.bytes)).toBe(0);
    },
  );

  test('that it failed, and the server has all: nothing is sent', async () => {
    const { browser, carrying, handedOver, kit, delivery, file } = await scene();
    const id = await handedOver();
    await browser.send(id);
    await browser.end(carrying, id, 'backgroundfetchfail');
    await delivery(file);
    expect(posts(kit)).toEqual(inPieces);
  });

  test('that says nothing at all: the next page finds out', async () => {
    const { browser, handedOver, kit, delivery, file, worker } = await scene();
    const id = await handedOver();
    await browser.send(id, 1);
    browser.registrations.clear();
    await worker.send({ type: 'wake', reason: 'visible' });
    await delivery(file);
    expect(posts(kit)).toEqual([
      [0, PIECE],
      [PIECE, 25_000],
    ]);
  });
});

describe('a user', () => {
  test.each(['pause', 'cancel'] as const)('who says %s ends it in the browser, too', async (control) => {
    const { browser, carrying, handedOver, worker, state, kit, time } = await scene();
    const id = await handedOver();
    await browser.send(id, 1);
    await worker.send({ type: 'control', control, ids: [id] });
    expect(browser.aborted).toEqual([fetchIdOf(id)]);
    // As the browser then says.
    await browser.end(carrying, id, 'backgroundfetchabort');
    await time.pass(60_000);
    expect((await state())[0]).toBe(control === 'pause' ? 'paused' : 'cancelled');
    expect(posts(kit)).toEqual([[0, PIECE]]);
  });

  test('who ends it in the browser pauses it: no byte is lost, and none is sent before resume()', async () => {
    const { browser, carrying, handedOver, worker, state, kit, time, delivery, file } = await scene();
    const id = await handedOver();
    await browser.send(id, 1);
    await browser.end(carrying, id, 'backgroundfetchabort');
    await time.pass(3_600_000);
    expect((await state())[0]).toBe('paused');
    await worker.send({ type: 'control', control: 'resume', ids: [id] });
    await delivery(file);
    expect(posts(kit)).toEqual([
      [0, PIECE],
      [PIECE, 25_000],
    ]);
  });

  test('who goes on at once after a pause is not paused again by the late word of its end', async () => {
    const { carrying, handedOver, worker, delivery, file } = await scene();
    const id = await handedOver();
    await worker.send({ type: 'control', control: 'pause', ids: [id] });
    await worker.send({ type: 'control', control: 'resume', ids: [id] });
    await carrying.ended('backgroundfetchabort', fetchIdOf(id));
    await delivery(file);
  });

  test('who hands it over again at once keeps that one, whatever is said of the one before', async () => {
    const { browser, carrying, handedOver, worker, state, time, kit } = await scene();
    const id = await handedOver();
    await worker.send({ type: 'control', control: 'pause', ids: [id] });
    await worker.send({ type: 'control', control: 'resume', ids: [id] });
    await browser.handOver(carrying, id);
    const before = posts(kit).length;
    await carrying.ended('backgroundfetchabort', fetchIdOf(id));
    await carrying.ended('backgroundfetchfail', fetchIdOf(id));
    await time.pass(3_600_000);
    expect((await state()).slice(0, 2)).toEqual(['waiting', 'browser']);
    expect(posts(kit)).toHaveLength(before);
  });

  test('who signs out ends it: clear() leaves nothing on its way', async () => {
    const { browser, handedOver, worker } = await scene();
    const id = await handedOver();
    await worker.send({ type: 'clear', endpoint: 'photos' });
    expect(browser.aborted).toEqual([fetchIdOf(id)]);
  });

  test('who pauses in the moment of the hand-over has it paused', async () => {
    const { browser, carrying, worker, accepted, state } = await scene();
    const id = await accepted();
    const pause = () => worker.send({ type: 'control', control: 'pause', ids: [id] });
    await browser.handOver(carrying, id, { meanwhile: pause });
    expect(browser.aborted).toEqual([fetchIdOf(id)]);
    expect((await state())[0]).toBe('paused');
  });
});

describe('the hand-over', () => {
  test('of what a browser then refuses leaves all to the loop', async () => {
    const { browser, carrying, accepted, file, delivery, kit } = await scene();
    await browser.handOver(carrying, await accepted(), { accepts: false });
    await delivery(file);
    expect(posts(kit)).toEqual([[0, SIZE]]);
  });

  test('asks the app for a token for each piece, then and not before', async () => {
    let asked = 0;
    const headers = () => {
      asked += 1;
      return { Authorization: `Bearer ${asked}` };
    };
    const { browser, carrying, accepted } = await scene({ headers });
    const id = await accepted();
    const before = asked;
    const handed = await browser.handOver(carrying, id);
    const tokens = 'pieces' in handed ? handed.pieces.map((piece) => piece.headers['Authorization']) : [];
    // The first is for the question where the server stands.
    expect(tokens).toEqual([2, 3, 4, 5].map((nth) => `Bearer ${before + nth}`));
  });

  test('waits for an older version of the worker that is at work', async () => {
    const { carryFor, accepted, worker, another, time } = await scene();
    const id = await accepted();
    const carrying = carryFor(another());
    let isAnswered = false;
    const answered = new Promise<void>((resolve) => {
      void carrying.handOver(id, () => {
        isAnswered = true;
        resolve();
      });
    });
    // Until nothing is under way but what waits for the lock.
    await time.pass(1000);
    expect(isAnswered).toBe(false);
    worker.life.end();
    await answered;
  });

  test.each([
    ['never answers', 'timeout', () => new Promise<never>(() => {})],
    ['throws', 'network', () => Promise.reject(new TypeError('no token'))],
    ['says that nobody is signed in', 'unauthorized', () => Promise.reject(nobody)],
  ] as const)('for which a hook of the app %s leaves all to the loop: %s', async (_, code, hook) => {
    let isBad = true;
    const { browser, carrying, accepted, worker, file, delivery, kit, time } = await scene({
      headers: () => (isBad ? hook() : {}),
    });
    const id = await accepted();
    const handed = browser.handOver(carrying, id);
    await time.pass(60_000);
    expect(await handed).toMatchObject({ code });
    isBad = false;
    await worker.send({ type: 'wake', reason: 'visible' });
    await worker.send({ type: 'control', control: 'resume', ids: [id] });
    await delivery(file);
    expect(posts(kit)).toEqual([[0, SIZE]]);
  });

  test('carries what the adapter itself would send, from where the server stands', async () => {
    const { browser, carrying, accepted, file, kit } = await scene();
    await post(kit.port, file.id, 0, SIZE, file.bytes.subarray(0, 12_345));
    const handed = await browser.handOver(carrying, await accepted());
    const origin = `http://127.0.0.1:${kit.port}`;
    expect('pieces' in handed && handed.pieces[0]).toEqual({
      url: `${origin}/api/upload`,
      method: 'POST',
      headers: { 'X-File-Id': file.id, 'X-Start-Byte': '12345', 'X-File-Size': String(SIZE), 'X-Piece': '1' },
      credentials: 'same-origin',
      start: 12_345,
      end: 12_345 + PIECE,
    });
  });

  test('of what is paused, unknown, or of an endpoint that is not named, is refused', async () => {
    const { browser, carrying, accepted, add, file, named, worker } = await scene();
    const id = await accepted();
    await worker.send({ type: 'control', control: 'pause', ids: [id] });
    expect(await browser.handOver(carrying, id)).toMatchObject({ code: 'invalid-transition' });
    expect((await named(file.name)).status).toBe('paused');
    expect(await browser.handOver(carrying, 'nobody')).toMatchObject({ code: 'unknown-upload' });
    await add([fileOf('other.bin', 10)], { endpoint: 'other' });
    const other = await named('other.bin');
    expect(await browser.handOver(carrying, other.id)).toMatchObject({ code: 'invalid-option' });
    expect(browser.registrations.size).toBe(0);
  });

  test.each([
    ['0, 1, 2 ... 10', (a: number, b: number) => a - b],
    ['0, 1, 10, 2 ... (Chromium)', (a: number, b: number) => (String(a) < String(b) ? -1 : 1)],
  ])('of many pieces keeps the order of the bytes in a browser that goes by %s', async (_, order) => {
    const { browser, carrying, accepted } = await scene({ sizeBytes: 2_000_000 });
    const handed = await browser.handOver(carrying, await accepted());
    const pieces = 'pieces' in handed ? handed.pieces : [];
    const sent = [...pieces.keys()].sort(order).flatMap((index) => pieces[index] ?? []);
    let held = 0;
    for (const { start, end } of sent.filter((piece) => piece.end > piece.start)) {
      expect(start).toBe(held);
      held = end;
    }
    expect([held, pieces.length]).toEqual([2_000_000, 100]);
  });

  test('to another origin is refused, and the loop goes on', async () => {
    const { carrying, accepted, file, delivery, browser, kit } = await scene({ location: 'https://app.example/sw.js' });
    expect(await browser.handOver(carrying, await accepted())).toMatchObject({ code: 'invalid-option' });
    await delivery(file);
    expect(posts(kit)).toEqual([[0, SIZE]]);
  });
});

test('registrations of the app itself are left alone', async () => {
  const { browser, carrying, handedOver, worker, kit } = await scene();
  browser.register('podcast-7');
  const id = await handedOver();
  await carrying.ended('backgroundfetchabort', 'podcast-7');
  await worker.send({ type: 'control', control: 'pause', ids: [id] });
  expect([...browser.registrations.keys()]).toEqual(['podcast-7']);
  expect(posts(kit)).toEqual([]);
});

test('an endpoint that there is not, or whose requests cannot be made in advance, is refused when the worker starts', async () => {
  const { worker, browser } = await scene();
  const on = (endpoint: string) => () => carry(worker.engine, { endpoints: [endpoint] }, browser.desk);
  expect(on('nowhere')).toThrow(expect.objectContaining({ code: 'unknown-endpoint' }));
  expect(on('other')).toThrow(expect.objectContaining({ code: 'invalid-option' }));
});
