// What a page can ask for, in every state and in every wrong form; and what two workers do to one queue. Judged by the
// replies and by what the server received. Invariants 1, 4, 6, 10, 11, 12.

import { openDB } from 'idb';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { type Control, envelope, WIRE_VERSION } from '../../src/contracts/messages.js';
import { parseCommand } from '../../sw/commands.js';
import { byteOffset } from '../../sw/index.js';
import type { Adapter } from '../../sw/protocols/adapter.js';
import { inParts } from '../../sw/protocols/parts.js';
import type { Fault, PlainServer } from './plain-server.js';
import { deliveries, fileOf, type Stage, setStage } from './stage.js';
import { itemOf } from './worker.js';

const DOWN: Fault = { type: 'answer', status: 503 };
const HOUR = 3_600_000;

describe('a message', () => {
  test.each([
    undefined,
    null,
    0,
    'hello',
    [],
    {},
    { type: 'list', afterOrder: -1 },
    { source: 'workbox', wire: 1, body: { type: 'list', afterOrder: -1 } },
    { source: 'backhaul', body: { type: 'list', afterOrder: -1 } },
    { source: 'backhaul', wire: '1', body: { type: 'list', afterOrder: -1 } },
  ])('of a stranger is ignored: %j', (data) => {
    expect(parseCommand(data)).toBeUndefined();
  });

  test.each([0, WIRE_VERSION + 1, -1, 1.5])('of another wire version (%d) is told so, whatever it carries', (wire) => {
    for (const body of [{ type: 'list', afterOrder: -1 }, { type: 'of the future' }, null]) {
      expect(() => parseCommand({ source: 'backhaul', wire, body })).toThrow(
        expect.objectContaining({ code: 'version-mismatch' }),
      );
    }
  });

  const item = { file: new Blob(), name: 'a', type: '', sizeBytes: 0, lastModifiedMs: 0, fingerprint: 'a' };
  const good = {
    clear: { type: 'clear', endpoint: 'photos' },
    enqueue: { type: 'enqueue', endpoint: 'photos', metadata: { a: 'b' }, priority: 'low', items: [item] },
    list: { type: 'list', afterOrder: -1 },
    control: { type: 'control', control: 'pause', ids: ['a'] },
    'control of all': { type: 'control', control: 'pause', ids: 'all' },
    wake: { type: 'wake', reason: 'online' },
  };
  test.each(Object.entries(good))('%s is understood', (_, body) => {
    expect(parseCommand(envelope(body))).toEqual(body);
  });

  const junk = [undefined, null, 0, -1, 1.5, NaN, Infinity, '', 'x', true, [], {}, [null], { a: 1 }, 'x'.repeat(5000)];
  test('that is malformed in any field is refused as such, and nothing else is thrown', () => {
    let refused = 0;
    const check = (body: unknown) => {
      try {
        const command = parseCommand(envelope(body));
        expect(command).toBe(body);
      } catch (cause) {
        expect(cause).toMatchObject({ code: 'invalid-message' });
        refused += 1;
      }
    };
    for (const wrong of junk) check(wrong);
    for (const body of Object.values(good)) {
      for (const key of Object.keys(body)) {
        const { [key as keyof typeof body]: _, ...rest } = body;
        check(rest);
        for (const wrong of junk) check({ ...body, [key]: wrong });
      }
    }
    for (const key of Object.keys(item)) {
      for (const wrong of junk) check({ ...good.enqueue, items: [item, { ...item, [key]: wrong }] });
    }
    expect(refused).toBeGreaterThan(150);
  });

  test.each<[string, object]>([
    ['a number that is none', { ...good.list, afterOrder: NaN }],
    ['an id that is no text', { ...good.control, ids: [1] }],
    ['a control that there is not', { ...good.control, control: 'explode' }],
    ['a reason that there is not', { ...good.wake, reason: 'because' }],
    ['an inherited reason', { ...good.wake, reason: 'constructor' }],
    ['an inherited command', { type: 'constructor' }],
    ['a negative size', { ...good.enqueue, items: [{ ...item, sizeBytes: -1 }] }],
    ['a date that is none', { ...good.enqueue, items: [{ ...item, lastModifiedMs: NaN }] }],
    ['too many files', { ...good.enqueue, items: Array.from({ length: 1001 }, () => item) }],
    ['metadata with a number', { ...good.enqueue, metadata: { a: 1 } }],
    ['metadata that is a list', { ...good.enqueue, metadata: ['a'] }],
    ['too much metadata', { ...good.enqueue, metadata: { a: 'x'.repeat(4096) } }],
    ['a priority that there is not', { ...good.enqueue, priority: 'urgent' }],
  ])('is refused: %s', (_, body) => {
    expect(() => parseCommand(envelope(body))).toThrow(expect.objectContaining({ code: 'invalid-message' }));
  });
});

/** A Blob as browsers have it once its file is gone: it can neither be read nor stored. */
class Unreadable extends Blob {
  constructor(
    readonly reason: string,
    size: number,
  ) {
    super([new Uint8Array(size)]);
  }
  override arrayBuffer(): Promise<ArrayBuffer> {
    return Promise.reject(new DOMException('gone', this.reason));
  }
  override slice(): Blob {
    return new Unreadable(this.reason, 1);
  }
}

/** Makes the browser refuse to store what `refuses` says, by `name`. */
function refuseToStore(name: string, refuses: (value: unknown) => boolean): void {
  const put = IDBObjectStore.prototype.put;
  const spy = vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(function (
    this: IDBObjectStore,
    ...args: Parameters<IDBObjectStore['put']>
  ) {
    if (refuses(args[0])) throw new DOMException('no', name);
    return put.apply(this, args);
  });
  onTestFinished(() => spy.mockRestore());
}

describe('a file that cannot be accepted', () => {
  const enqueue = (stage: Stage, items: readonly object[], endpoint = 'photos') =>
    stage.worker.send({ type: 'enqueue', endpoint, metadata: {}, priority: 'normal', items: items as never });
  const good = () => itemOf('good.bin', new Uint8Array(1000));
  const sized = (file: unknown, sizeBytes: number) => ({
    ...itemOf('bad.bin', new Uint8Array(0)),
    file,
    sizeBytes,
    fingerprint: 'bad',
  });

  test.each<[string, object, string]>([
    ['nothing', sized(undefined, 0), 'not-a-file'],
    ['text', sized('bytes', 5), 'not-a-file'],
    ['something like a Blob', sized({ size: 5, arrayBuffer: () => new ArrayBuffer(5) }, 5), 'not-a-file'],
    ['a small file of another size', sized(new Blob(['abc']), 4), 'file-changed'],
    ['a large file of another size', sized(new Blob([new Uint8Array(100_000)]), 100_001), 'file-changed'],
    ['a file that is gone', sized(new Unreadable('NotFoundError', 5), 5), 'file-missing'],
    ['a file that changed', sized(new Unreadable('NotReadableError', 5), 5), 'file-changed'],
    ['a file that may not be read', sized(new Unreadable('NotAllowedError', 5), 5), 'file-unreadable'],
  ])('%s is refused with its code; its neighbours are delivered', async (_, bad, code) => {
    const stage = await setStage();
    const { outcomes } = await enqueue(stage, [bad, good(), bad]);
    expect(outcomes).toMatchObject([
      { type: 'rejected', error: { code } },
      { type: 'accepted', snapshot: { name: 'good.bin', status: 'queued' } },
      { type: 'rejected', error: { code } },
    ]);
    await stage.time.until('delivery', async () => (await stage.named('good.bin')).status === 'completed');
    expect(await stage.worker.list()).toHaveLength(1);
  });

  test('an endpoint that there is not is refused as a whole', async () => {
    const stage = await setStage();
    for (const endpoint of ['elsewhere', '__proto__', 'constructor', 'https://evil.example/']) {
      await expect(enqueue(stage, [good()], endpoint)).rejects.toMatchObject({ code: 'unknown-endpoint' });
    }
    expect(await stage.worker.list()).toEqual([]);
  });

  test('no room: the files that fit are stored, the one that does not is named', async () => {
    const stage = await setStage();
    refuseToStore('QuotaExceededError', (value) => value instanceof Blob && value.size > 100_000);
    const big = itemOf('big.bin', new Uint8Array(100_001));
    const items = [good(), big, itemOf('other.bin', new Uint8Array(70_000)), itemOf('third.bin', new Uint8Array(5))];
    const { outcomes } = await enqueue(stage, items);
    expect(outcomes).toMatchObject([
      { type: 'accepted' },
      {
        type: 'rejected',
        error: { code: 'quota-exceeded', message: expect.stringContaining('"big.bin" needs 1 MB, less is free') },
      },
      { type: 'accepted' },
      { type: 'accepted' },
    ]);
    await stage.time.until('delivery', async () =>
      (await stage.worker.list()).every(({ status }) => status === 'completed'),
    );
    expect((await stage.worker.list()).map(({ name }) => name)).toEqual(['good.bin', 'other.bin', 'third.bin']);
  });

  test.each([
    ['NotFoundError', 'file-missing'],
    ['NotReadableError', 'file-changed'],
    ['SecurityError', 'file-unreadable'],
  ])('a large file whose storing fails because of %s has the code %s', async (reason, code) => {
    const stage = await setStage();
    refuseToStore('DataError', (value) => value instanceof Unreadable);
    const { outcomes } = await enqueue(stage, [sized(new Unreadable(reason, 700_000), 700_000), good()]);
    expect(outcomes).toMatchObject([{ type: 'rejected', error: { code } }, { type: 'accepted' }]);
  });

  test('a storage that refuses everything refuses files, and goes on as soon as it can', async () => {
    const stage = await setStage();
    let full = true;
    refuseToStore('UnknownError', () => full);
    const { outcomes } = await enqueue(stage, [good()]);
    expect(outcomes).toMatchObject([{ type: 'rejected', error: { code: 'storage-failed' } }]);
    full = false;
    const again = await enqueue(stage, [good()]);
    expect(again.outcomes).toMatchObject([{ type: 'accepted' }]);
    await stage.time.until('delivery', async () => (await stage.named('good.bin')).status === 'completed');
  });

  test('a file whose read never ends is refused in time, and stops nobody else', async () => {
    const stage = await setStage();
    class Endless extends Blob {
      override arrayBuffer(): Promise<ArrayBuffer> {
        return new Promise(() => {});
      }
    }
    const hanging = enqueue(stage, [sized(new Endless(['abc']), 3), good()]);
    let outcomes: unknown;
    void hanging.then((reply) => {
      outcomes = reply.outcomes;
    });
    await stage.time.pass(60_000);
    expect(outcomes).toMatchObject([{ type: 'rejected', error: { code: 'file-unreadable' } }, { type: 'accepted' }]);
    await stage.time.until('delivery', async () => (await stage.named('good.bin')).status === 'completed');
  });
});

describe('pause, resume, cancel, retry, remove', () => {
  const control = async (stage: Stage, what: Control, ...names: readonly string[]) => {
    const ids = await Promise.all(names.map(async (name) => (await stage.named(name)).id));
    return (await stage.worker.send({ type: 'control', control: what, ids })).refused;
  };

  /** A stage with one upload in a given state. */
  async function upload(state: string): Promise<Stage> {
    const stage = await setStage({ pieceSize: 100_000 });
    const { server, time, add, named } = stage;
    if (state === 'uploading') server.fault = ({ kind }) => (kind === 'upload' ? { type: 'hang' } : undefined);
    if (state === 'preparing') server.fault = ({ kind }) => (kind === 'status' ? { type: 'hang' } : { type: 'reset' });
    if (state === 'waiting') server.fault = () => ({ ...DOWN, headers: { 'Retry-After': '86000' } });
    if (state === 'failed') server.fault = () => ({ type: 'answer', status: 422 });
    if (state === 'paused' || state === 'cancelled') server.fault = () => DOWN;
    await add([fileOf('a.bin', 200_000)]);
    if (state === 'paused') await control(stage, 'pause', 'a.bin');
    if (state === 'cancelled') await control(stage, 'cancel', 'a.bin');
    await time.until(state, async () => (await named('a.bin')).status === state, 30_000);
    server.fault = () => undefined;
    return stage;
  }

  const table = {
    //                 pause      resume   cancel      retry    remove
    uploading: ['paused', '!', 'cancelled', '!', '!'],
    preparing: ['paused', '!', 'cancelled', '!', '!'],
    waiting: ['paused', 'goes on', 'cancelled', 'goes on', '!'],
    paused: ['!', 'goes on', 'cancelled', '!', '!'],
    failed: ['!', '!', 'cancelled', 'goes on', 'gone'],
    cancelled: ['!', '!', '!', '!', 'gone'],
    completed: ['!', '!', '!', '!', 'gone'],
  };
  const controls = ['pause', 'resume', 'cancel', 'retry', 'remove'] as const;
  for (const [state, row] of Object.entries(table)) {
    for (const [index, expected] of row.entries()) {
      const what = controls[index] as Control;
      test(`${what} of one that is ${state}: ${expected === '!' ? 'refused, and nothing changes' : expected}`, async () => {
        const stage = await upload(state);
        const { id } = await stage.named('a.bin');
        const refused = await control(stage, what, 'a.bin');
        expect(refused).toEqual(expected === '!' ? [id] : []);
        if (expected === 'gone') {
          expect(await stage.worker.list()).toEqual([]);
          expect(stage.worker.events).toContainEqual({ type: 'removed', ids: [id] });
        } else if (expected === 'goes on') {
          await stage.time.until('completion', async () => (await stage.named('a.bin')).status === 'completed', 10_000);
        } else if (expected !== '!') {
          await stage.time.pass(HOUR);
          expect((await stage.named('a.bin')).status).toBe(expected);
        }
      });
    }
  }

  test('an id that there is not is refused, and the others are served', async () => {
    const stage = await upload('waiting');
    const { id } = await stage.named('a.bin');
    const { refused } = await stage.worker.send({ type: 'control', control: 'pause', ids: ['nobody' as never, id] });
    expect(refused).toEqual(['nobody']);
    expect((await stage.named('a.bin')).status).toBe('paused');
  });

  test('pause during a transfer keeps what the server has, and resume goes on from there', async () => {
    const stage = await setStage({ pieceSize: 100_000 });
    const file = fileOf('a.bin', 300_000);
    stage.server.fault = ({ kind, nth }) => (kind === 'upload' && nth === 1 ? { type: 'hang' } : undefined);
    await stage.add([file]);
    await stage.time.until('the second piece', () => stage.server.hanging > 0);
    expect(await control(stage, 'pause', 'a.bin')).toEqual([]);
    expect(await stage.named('a.bin')).toMatchObject({ status: 'paused', acknowledgedBytes: 100_000 });
    await stage.time.until('the end of the request', () => stage.server.hanging === 0);
    await stage.time.pass(HOUR);
    expect(stage.server.uploads()).toHaveLength(2);
    expect(await control(stage, 'resume', 'a.bin')).toEqual([]);
    await stage.delivery(file);
    expect(stage.server.uploads().map(({ startByte }) => startByte)).toEqual([0, 100_000, 100_000, 200_000]);
    expect(deliveries(stage.server, file)).toBe(1);
  });

  test('cancel during a transfer frees the bytes, and adding the file again delivers it', async () => {
    const stage = await setStage({ pieceSize: 100_000 });
    const file = fileOf('a.bin', 300_000);
    stage.server.fault = ({ kind, nth }) => (kind === 'upload' && nth === 1 ? { type: 'hang' } : undefined);
    await stage.add([file]);
    await stage.time.until('the second piece', () => stage.server.hanging > 0);
    await control(stage, 'cancel', 'a.bin');
    const { id } = await stage.named('a.bin');
    expect(await stage.worker.engine.store.bytesOf([id])).toEqual([undefined]);
    const [outcome] = await stage.add([file]);
    expect(outcome).toMatchObject({ type: 'accepted', snapshot: { id } });
    await stage.delivery(file);
    expect(deliveries(stage.server, file)).toBe(1);
    // What the server had before is not sent again (invariant 7).
    expect(stage.server.uploads().map(({ startByte }) => startByte)).toEqual([0, 100_000, 100_000, 200_000]);
  });

  test('pause and resume at the same moment, again and again, deliver once', async () => {
    const stage = await setStage({ pieceSize: 50_000 });
    const file = fileOf('a.bin', 500_000);
    await stage.add([file]);
    const { id } = await stage.named('a.bin');
    for (let round = 0; round < 15; round += 1) {
      await Promise.all([
        stage.worker.send({ type: 'control', control: 'pause', ids: [id] }),
        stage.worker.send({ type: 'control', control: 'resume', ids: [id] }),
        stage.worker.send({ type: 'control', control: 'pause', ids: 'all' }),
      ]);
      await stage.worker.send({ type: 'control', control: 'resume', ids: 'all' });
    }
    await stage.delivery(file);
    expect(deliveries(stage.server, file)).toBe(1);
    expect(stage.server.mostAtOnce).toBe(1);
  });

  test('all: what it does not apply to is left alone, without an error', async () => {
    const stage = await setStage();
    const files = Array.from({ length: 7 }, (_, index) => fileOf(`${index}.bin`, 1000));
    stage.server.fault = ({ id }) => (id === files[0]?.id ? { type: 'answer', status: 422 } : undefined);
    await stage.add(files.slice(0, 3));
    await stage.time.until(
      'settled',
      async () => !Object.values(await stage.statuses()).some((s) => s !== 'completed' && s !== 'failed'),
    );
    stage.server.fault = () => DOWN;
    await stage.add(files.slice(3));
    const all = (what: Control) => stage.worker.send({ type: 'control', control: what, ids: 'all' });
    expect(await all('pause')).toEqual({ refused: [] });
    expect(Object.values(await stage.statuses()).sort()).toEqual([
      'completed',
      'completed',
      'failed',
      'paused',
      'paused',
      'paused',
      'paused',
    ]);
    await all('remove');
    expect(Object.values(await stage.statuses())).toEqual(['paused', 'paused', 'paused', 'paused']);
    stage.server.fault = () => undefined;
    await all('resume');
    await stage.delivery(...files.slice(3));
    expect(await all('cancel')).toEqual({ refused: [] });
    expect(new Set(Object.values(await stage.statuses()))).toEqual(new Set(['completed']));
  });

  test('a token hook that hangs does not hold up a pause', async () => {
    const stage = await setStage({ headers: () => new Promise(() => {}) });
    await stage.add([fileOf('a.bin', 1000)]);
    await stage.time.until('a run', async () => (await stage.named('a.bin')).status !== 'queued', 1000);
    let replied = false;
    void control(stage, 'pause', 'a.bin').then(() => {
      replied = true;
    });
    await stage.time.pass(1);
    expect(replied).toBe(true);
  });
});

describe('the order of work', () => {
  test('high before normal before low, and first come, first served inside', async () => {
    const stage = await setStage({}, { worker: { concurrency: 1 } });
    const files = Array.from({ length: 9 }, (_, index) => fileOf(`${index}.bin`, 100));
    let open = false;
    stage.server.fault = () => (open ? undefined : { type: 'hang' });
    const first = fileOf('first.bin', 100);
    await stage.add([first]);
    await stage.time.until('the first request', () => stage.server.hanging > 0);
    const priorities = ['low', 'normal', 'high'] as const;
    for (const [index, file] of files.entries()) await stage.add([file], { priority: priorities[index % 3] ?? 'low' });
    open = true;
    await stage.delivery(...files, first);
    const order = [...new Set(stage.server.uploads().map(({ id }) => id))].slice(1);
    expect(order.map((id) => files.findIndex((file) => file.id === id))).toEqual([2, 5, 8, 1, 4, 7, 0, 3, 6]);
  });

  test('three requests at once, never more, and no endpoint waits for another', async () => {
    const stage = await setStage(
      { pieceSize: 30_000 },
      { endpoints: ({ urls }) => ({ other: byteOffset({ ...urls, settleMs: 0, pieceSize: 30_000 }) }) },
    );
    const photos = Array.from({ length: 12 }, (_, index) => fileOf(`photo-${index}.bin`, 60_000));
    const others = Array.from({ length: 4 }, (_, index) => fileOf(`other-${index}.bin`, 60_000));
    // The first of each file hangs until all slots are taken.
    stage.server.fault = ({ kind, nth }) => (kind === 'upload' && nth === 0 ? { type: 'hang' } : undefined);
    await stage.add(photos);
    await stage.add(others, { endpoint: 'other' });
    await stage.delivery(...photos, ...others);
    expect(stage.server.mostAtOnce).toBe(3);
    const begun = [...new Set(stage.server.uploads().map(({ id }) => id))];
    const firstOther = begun.findIndex((id) => others.map((file) => file.id).includes(id));
    expect(firstOther).toBeLessThan(6);
    for (const file of [...photos, ...others]) expect(deliveries(stage.server, file)).toBe(1);
  });

  test('three requests at once, also in parts', async () => {
    let atOnce = 0;
    let most = 0;
    const sent: string[] = [];
    const parts = (server: PlainServer): Adapter => ({
      parts: inParts,
      limits: { partBytes: 10_000 },
      requests: {
        // Asked for when the request has its lane.
        headers: () => {
          atOnce += 1;
          most = Math.max(most, atOnce);
          return {};
        },
      },
      probe: async () => ({}),
      send: async (upload, _state, range, body, io) => {
        const headers = { 'X-File-Id': `${upload.name}-${range[0]}`, 'X-Start-Byte': '0' };
        await io.request(server.urls.uploadUrl, { method: 'POST', headers, body }).finally(() => {
          atOnce -= 1;
        });
        sent.push(`${upload.name} ${range[0]}`);
        return {};
      },
    });
    const stage = await setStage({}, { endpoints: (server) => ({ parts: parts(server) }) });
    stage.server.fault = ({ kind, nth }) => (kind === 'upload' && nth === 0 ? { type: 'hang' } : undefined);
    const files = Array.from({ length: 4 }, (_, index) => fileOf(`${index}.bin`, 95_000));
    await stage.add(files, { endpoint: 'parts' });
    await stage.delivery(...files);
    expect(new Set(sent).size).toBe(40);
    expect(sent).toHaveLength(40);
    expect(most).toBe(3);
  });

  test('a dead endpoint does not hold up another', async () => {
    const stage = await setStage(
      {},
      {
        endpoints: ({ urls }) => ({
          dead: byteOffset({ ...urls, settleMs: 0, headers: () => ({ 'X-Dead': '1' }) }),
        }),
      },
    );
    stage.server.fault = ({ headers }) => (headers['x-dead'] ? { type: 'hang' } : undefined);
    await stage.add(
      Array.from({ length: 20 }, (_, index) => fileOf(`dead-${index}.bin`, 100)),
      { endpoint: 'dead' },
    );
    const files = Array.from({ length: 5 }, (_, index) => fileOf(`${index}.bin`, 100));
    const startedAtMs = stage.time.now();
    await stage.add(files);
    await stage.delivery(...files);
    expect(stage.time.now() - startedAtMs).toBeLessThan(60_000);
  });
});

describe('what must not stop the others', () => {
  test('an endpoint that an update has dropped', async () => {
    const stage = await setStage({}, { endpoints: ({ urls }) => ({ old: byteOffset({ ...urls, settleMs: 0 }) }) });
    stage.server.fault = () => DOWN;
    const [old, photo] = [fileOf('old.bin', 100), fileOf('photo.bin', 100)];
    await stage.add([old], { endpoint: 'old' });
    await stage.add([photo]);
    await stage.time.pass(1000);
    stage.worker.life.end();
    stage.server.fault = () => undefined;
    const updated = stage.another({ endpoints: { photos: byteOffset({ ...stage.server.urls, settleMs: 0 }) } });
    await updated.engine.scheduler.wake('start');
    const states = async () => Object.fromEntries((await updated.list()).map((snapshot) => [snapshot.name, snapshot]));
    await stage.time.until(
      'both settled',
      async () => {
        const now = await states();
        return now['photo.bin']?.status === 'completed' && now['old.bin']?.status === 'failed';
      },
      HOUR,
    );
    expect((await states())['old.bin']).toMatchObject({ error: { code: 'unknown-endpoint' } });
    // Named again, it goes on: its bytes are still here.
    updated.life.end();
    const restored = stage.another();
    await restored.send({ type: 'control', control: 'retry', ids: 'all' });
    await stage.time.until('delivery', async () =>
      (await restored.list()).every(({ status }) => status === 'completed'),
    );
    expect(deliveries(stage.server, old)).toBe(1);
  });

  test('a cancelled upload of an endpoint that an update has dropped: nobody frees it, nobody waits for it', async () => {
    const stage = await setStage({}, { endpoints: ({ urls }) => ({ old: byteOffset({ ...urls, settleMs: 0 }) }) });
    stage.server.fault = () => DOWN;
    const [old, photo] = [fileOf('old.bin', 100), fileOf('photo.bin', 100)];
    await stage.add([old], { endpoint: 'old' });
    await stage.time.until('a failure', async () => (await stage.named('old.bin')).status === 'waiting');
    await stage.worker.send({ type: 'control', control: 'cancel', ids: 'all' });
    await stage.add([photo]);
    stage.worker.life.end();
    stage.server.fault = () => undefined;
    const updated = stage.another({ endpoints: { photos: byteOffset({ ...stage.server.urls, settleMs: 0 }) } });
    void updated.engine.scheduler.wake('start');
    await stage.time.until('delivery', () => deliveries(stage.server, photo) === 1);
    expect(await updated.list()).toMatchObject([{ status: 'cancelled' }, { status: 'completed' }]);
    await updated.engine.scheduler.idle();
  });

  test('a damaged record: it is published as failed, and the others are delivered', async () => {
    const stage = await setStage();
    stage.server.fault = () => DOWN;
    const files = [fileOf('damaged.bin', 100), fileOf('sound.bin', 100)];
    await stage.add(files);
    await stage.worker.send({ type: 'control', control: 'pause', ids: 'all' });
    const database = await openDB(stage.databaseName, 1);
    const record = await database.get('uploads', (await stage.named('damaged.bin')).id);
    await database.put('uploads', { ...record, course: 'rust', order: 'rust', turn: ['photos', 0, 1, record.order] });
    database.close();
    stage.worker.events.length = 0;
    stage.server.fault = () => undefined;
    await stage.worker.send({ type: 'control', control: 'resume', ids: 'all' });
    await stage.time.until('delivery', async () => (await stage.named('sound.bin')).status === 'completed');
    await stage.time.pass(1000);
    expect(await stage.named('damaged.bin')).toMatchObject({ status: 'failed', error: { code: 'corrupt-record' } });
    const published = stage.worker.events.flatMap((event) => (event.type === 'changed' ? event.snapshots : []));
    expect(published.filter(({ name }) => name === 'damaged.bin')).toMatchObject([
      { error: { code: 'corrupt-record' } },
    ]);
    // Adding the file again replaces it.
    const [outcome] = await stage.add([files[0] as (typeof files)[0]]);
    expect(outcome).toMatchObject({ type: 'accepted' });
    await stage.delivery(...files);
  });

  test('ten damaged records before a sound one', async () => {
    const stage = await setStage();
    const { outcomes } = await stage.worker.send({
      type: 'enqueue',
      endpoint: 'photos',
      metadata: {},
      priority: 'high',
      items: [],
    });
    expect(outcomes).toEqual([]);
    await stage.worker.engine.store.list(-1, 1);
    const database = await openDB(stage.databaseName, 1);
    for (let order = 1; order <= 10; order += 1) {
      await database.put('uploads', { id: `bad-${order}`, order, turn: ['photos', 0, 1, order] });
    }
    database.close();
    const file = fileOf('sound.bin', 100);
    await stage.add([file]);
    await stage.delivery(file);
    await stage.time.pass(1000);
    const failed = (await stage.worker.list()).filter(({ status }) => status === 'failed');
    expect(failed).toHaveLength(10);
  });

  test.each(['fileId', 'headers'] as const)(
    'a %s of the app that throws: tried again, but not in a tight loop',
    async (hook) => {
      let calls = 0;
      const broken = () => {
        calls += 1;
        if (calls > 2000) return new Promise<never>(() => {}) as never;
        throw new TypeError('undefined is not a function');
      };
      const stage = await setStage(
        {},
        { endpoints: ({ urls }) => ({ broken: byteOffset({ ...urls, settleMs: 0, [hook]: broken }) }) },
      );
      await stage.add([fileOf('broken.bin', 100)], { endpoint: 'broken' });
      const file = fileOf('a.bin', 100);
      await stage.add([file]);
      await stage.delivery(file);
      await stage.time.pass(HOUR);
      expect(calls).toBeLessThan(1000);
    },
  );

  test('a storage that stops taking writes for a minute delays, and does not spin', async () => {
    const stage = await setStage({ pieceSize: 30_000 });
    const file = fileOf('a.bin', 90_000);
    stage.server.fault = () => DOWN;
    await stage.add([file]);
    await stage.time.pass(1000);
    stage.server.fault = () => undefined;
    const untilMs = stage.time.now() + 60_000;
    let refused = 0;
    refuseToStore('UnknownError', () => {
      if (stage.time.now() >= untilMs) return false;
      refused += 1;
      return refused < 3000;
    });
    await stage.delivery(file);
    expect(refused).toBeLessThan(200);
    expect(deliveries(stage.server, file)).toBe(1);
  });

  test('bytes that the browser evicted: lost, with a code; added again, it goes on', async () => {
    const stage = await setStage();
    stage.server.fault = () => DOWN;
    const files = [fileOf('evicted.bin', 100), fileOf('sound.bin', 100)];
    await stage.add(files);
    await stage.worker.send({ type: 'control', control: 'pause', ids: 'all' });
    const database = await openDB(stage.databaseName, 1);
    await database.delete('bytes', (await stage.named('evicted.bin')).id);
    database.close();
    stage.server.fault = () => undefined;
    await stage.worker.send({ type: 'control', control: 'resume', ids: 'all' });
    await stage.time.until('delivery', async () => (await stage.named('sound.bin')).status === 'completed');
    await stage.time.until('lost', async () => (await stage.named('evicted.bin')).status === 'lost');
    expect(await stage.named('evicted.bin')).toMatchObject({
      error: { code: 'bytes-lost', message: expect.stringContaining('"evicted.bin"') },
    });
    await stage.add(files.slice(0, 1));
    await stage.delivery(...files);
  });

  test('bytes of which the browser kept a part: lost, and nothing of them is sent', async () => {
    const stage = await setStage({ pieceSize: 100 });
    const file = fileOf('cut.bin', 1000);
    stage.server.fault = () => DOWN;
    await stage.add([file]);
    await stage.worker.send({ type: 'control', control: 'pause', ids: 'all' });
    const database = await openDB(stage.databaseName, 1);
    await database.put('bytes', file.bytes.slice(0, 500).buffer, (await stage.named('cut.bin')).id);
    database.close();
    stage.server.fault = () => undefined;
    const before = stage.server.uploads().length;
    await stage.worker.send({ type: 'control', control: 'resume', ids: 'all' });
    await stage.time.until('lost', async () => (await stage.named('cut.bin')).status === 'lost');
    expect(stage.server.uploads()).toHaveLength(before);
  });
});

describe('forgetting', () => {
  test('what completed or was cancelled a week ago is pruned, and told; what failed stays', async () => {
    const stage = await setStage();
    const [done, failed, fresh] = [fileOf('done.bin', 10), fileOf('failed.bin', 10), fileOf('fresh.bin', 10)];
    stage.server.fault = ({ id }) => (id === failed.id ? { type: 'answer', status: 422 } : undefined);
    await stage.add([done, failed]);
    await stage.delivery(done);
    await stage.time.pass(6 * 24 * HOUR);
    await stage.add([fresh]);
    await stage.delivery(fresh);
    await stage.time.pass(25 * HOUR);
    const { id } = await stage.named('done.bin');
    stage.worker.events.length = 0;
    await stage.worker.engine.prune();
    expect(await stage.statuses()).toEqual({ 'failed.bin': 'failed', 'fresh.bin': 'completed' });
    expect(stage.worker.events).toEqual([{ type: 'removed', ids: [id] }]);
  });

  test('a delivered file that was pruned is asked for or sent as any other', async () => {
    const stage = await setStage({}, { worker: { keepSettledMs: 1000 } });
    const file = fileOf('a.bin', 10);
    await stage.add([file]);
    await stage.delivery(file);
    await stage.time.pass(2000);
    await stage.worker.engine.prune();
    await stage.add([file]);
    await stage.delivery(file);
  });
});

describe('two versions of the worker on one queue', () => {
  test('one of them drives at every moment; every file is delivered once', async () => {
    const stage = await setStage({ pieceSize: 20_000 });
    const second = stage.another();
    const files = Array.from({ length: 20 }, (_, index) => fileOf(`${index}.bin`, 50_000));
    const wakes: Promise<unknown>[] = [];
    for (const [index, file] of files.entries()) {
      const worker = index % 2 === 0 ? stage.worker : second;
      const items = [itemOf(file.name, file.bytes)];
      await worker.send({ type: 'enqueue', endpoint: 'photos', metadata: {}, priority: 'normal', items });
      wakes.push(
        stage.worker.send({ type: 'wake', reason: 'online' }),
        second.send({ type: 'wake', reason: 'visible' }),
      );
    }
    await stage.delivery(...files);
    for (const file of files) {
      expect(deliveries(stage.server, file)).toBe(1);
      const bytes = stage.server.uploads(file.id).reduce((sum, { bodyBytes }) => sum + bodyBytes, 0);
      expect(bytes, file.name).toBe(50_000);
    }
    expect(stage.server.mostAtOnce).toBeLessThanOrEqual(3);
    await Promise.all(wakes);
  });

  test('when the one that drives dies, the other takes over in the middle of a file', async () => {
    const stage = await setStage({ pieceSize: 20_000 });
    const file = fileOf('a.bin', 100_000);
    stage.server.fault = ({ kind, nth }) => (kind === 'upload' && nth === 2 ? { type: 'hang' } : undefined);
    await stage.add([file]);
    await stage.time.until('the third piece', () => stage.server.hanging > 0);
    const second = stage.another();
    const woken = second.send({ type: 'wake', reason: 'start' });
    stage.worker.life.end();
    expect(await woken).toEqual({ working: true });
    await stage.time.until('delivery', async () => (await second.list())[0]?.status === 'completed');
    expect(deliveries(stage.server, file)).toBe(1);
    expect(stage.server.uploads().map(({ startByte }) => startByte)).toEqual([
      0, 20_000, 40_000, 40_000, 60_000, 80_000,
    ]);
  });

  test('a pause by the one stops the other at the next commit', async () => {
    const stage = await setStage({ pieceSize: 20_000 });
    const file = fileOf('a.bin', 200_000);
    await stage.add([file]);
    const second = stage.another();
    await stage.time.until('some bytes', async () => (await stage.named('a.bin')).acknowledgedBytes > 0);
    const { id, status } = await stage.named('a.bin');
    if (status === 'completed') return;
    await second.send({ type: 'control', control: 'pause', ids: [id] });
    await stage.time.pass(HOUR);
    const paused = await stage.named('a.bin');
    expect(paused.status).toBe('paused');
    expect(stage.server.uploads().length * 20_000).toBe(paused.acknowledgedBytes);
  });
});

test('after the last upload nothing is left running', async () => {
  const stage = await setStage();
  const file = fileOf('a.bin', 1000);
  await stage.add([file]);
  await stage.delivery(file);
  await stage.worker.engine.scheduler.idle();
  await stage.time.pass(1000);
  expect(stage.time.timers).toBe(0);
});

test('while there is work, pages hear a tick every 20 s; while all wait for a sign-in, none', async () => {
  const stage = await setStage();
  stage.server.fault = () => DOWN;
  await stage.add([fileOf('a.bin', 1000)]);
  await stage.time.pass(200_000);
  const ticks = () => stage.worker.events.filter(({ type }) => type === 'tick').length;
  expect(ticks()).toBeGreaterThanOrEqual(10);
  expect(ticks()).toBeLessThanOrEqual(12);
  stage.server.fault = () => ({ type: 'answer', status: 401 });
  await stage.worker.send({ type: 'wake', reason: 'online' });
  await stage.time.until('parked', async () => {
    const { status, ...snapshot } = await stage.named('a.bin');
    return status === 'waiting' && 'reason' in snapshot && snapshot.reason === 'auth';
  });
  await stage.time.pass(1000);
  const before = ticks();
  await stage.time.pass(HOUR);
  expect(ticks()).toBe(before);
  expect(await stage.worker.send({ type: 'wake', reason: 'heartbeat' })).toEqual({ working: false });
});

test('many files: the last one costs as few transactions as the first', { timeout: 30_000 }, async () => {
  const stage = await setStage();
  const files = Array.from({ length: 150 }, (_, index) => fileOf(`${index}.bin`, 10));
  const transactions: number[] = [];
  let count = 0;
  const spy = vi.spyOn(IDBDatabase.prototype, 'transaction');
  onTestFinished(() => spy.mockRestore());
  stage.server.fault = ({ kind }) => {
    if (kind === 'upload') {
      transactions.push(spy.mock.calls.length - count);
      count = spy.mock.calls.length;
    }
    return undefined;
  };
  await stage.add(files);
  await stage.worker.engine.scheduler.idle();
  expect(transactions).toHaveLength(150);
  const mean = (list: readonly number[]) => list.reduce((sum, value) => sum + value, 0) / list.length;
  expect(mean(transactions.slice(-50))).toBeLessThan(2 * mean(transactions.slice(20, 70)));
});
