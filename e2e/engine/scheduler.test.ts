// Races around the driver lock: who drives, and that nobody thinks that somebody else does. Invariants 4, 5, 14.

import { describe, expect, onTestFinished, test } from 'vitest';
import { UploadError } from '../../src/contracts/errors.js';
import { createEngine, type Engine, type Host } from '../../sw/engine.js';
import { ProtocolFailure } from '../../sw/index.js';
import type { Adapter, Io, ProbeContext } from '../../sw/protocols/adapter.js';
import { recordOf } from './record-of.js';
import { VirtualTime } from './virtual-time.js';
import { itemOf } from './worker.js';

let databases = 0;

/** An engine with a server that takes everything at once. */
function engineWith(host: Partial<Host> = {}, adapter: Partial<Adapter> = {}) {
  const time = new VirtualTime();
  databases += 1;
  const sent: string[] = [];
  const rejections: unknown[] = [];
  const onRejection = (cause: unknown) => void rejections.push(cause);
  process.on('unhandledRejection', onRejection);
  onTestFinished(() => void process.off('unhandledRejection', onRejection));
  const plain: Adapter = {
    limits: {},
    blindBytes: 1_000_000,
    probe: async () => ({ held: [] }),
    send: async ({ name }) => {
      sent.push(name);
      return {};
    },
    ...adapter,
  };
  const events: { readonly type: string }[] = [];
  const engine = createEngine(
    { endpoints: { photos: plain } },
    {
      databaseName: `scheduler-${process.pid}-${databases}`,
      clock: time,
      fetch,
      holdLock: (task) => task(),
      isOnline: () => true,
      newId: () => crypto.randomUUID(),
      post: (event) => void events.push(event),
      ...host,
    },
  );
  const store = async (name: string) => {
    const { file, ...info } = itemOf(name, new Uint8Array(10));
    const bytes = await file.arrayBuffer();
    await engine.store.add([
      {
        ...info,
        id: name as never,
        endpoint: 'photos',
        metadata: {},
        priority: 'normal',
        addedAtMs: time.now(),
        bytes,
      },
    ]);
  };
  return { time, engine, sent, events, rejections, store };
}

const slowly: Adapter['send'] = async (_upload, _state, _range, _bytes, io) => {
  await io.sleep(10);
  return {};
};

const statusOf = async (engine: Engine, id: string) => (await recordOf(engine.store, id))?.course.state.status;

describe('a wake-up', () => {
  test.each([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20])(
    'that comes %i turns after the lock was let go of is not lost',
    async (turns) => {
      let rounds = 0;
      let work = async () => {};
      const { time, engine, sent, store } = engineWith({
        holdLock: async (task) => {
          await task();
          rounds += 1;
          if (rounds === 1) await work();
        },
      });
      work = async () => {
        await store('late.bin');
        void (async () => {
          for (let turn = 0; turn < turns; turn += 1) await undefined;
          await engine.scheduler.wake('command');
        })();
      };
      await engine.scheduler.wake('command');
      await time.until('delivery', async () => (await statusOf(engine, 'late.bin')) === 'completed', 60_000);
      expect(sent).toEqual(['late.bin']);
    },
  );

  test('says whether there is work, and only once the lock is held', async () => {
    let free = () => {};
    const before = new Promise<void>((resolve) => {
      free = resolve;
    });
    const { time, engine, store } = engineWith(
      {
        holdLock: async (task) => {
          await before;
          await task();
        },
      },
      { send: slowly },
    );
    expect(await Promise.race([engine.scheduler.wake('command'), time.settle()])).toBeUndefined();
    await store('a.bin');
    const again = engine.scheduler.wake('heartbeat');
    free();
    expect(await again).toBe(true);
    await time.until('delivery', async () => (await statusOf(engine, 'a.bin')) === 'completed', 60_000);
    await engine.scheduler.idle();
    expect(await engine.scheduler.wake('command')).toBe(false);
  });

  test('of twenty at once makes one driver', async () => {
    let holders = 0;
    let most = 0;
    const { engine, sent, store } = engineWith({
      holdLock: async (task) => {
        holders += 1;
        most = Math.max(most, holders);
        await task();
        holders -= 1;
      },
    });
    await store('a.bin');
    await Promise.all(
      Array.from({ length: 20 }, (_, index) => engine.scheduler.wake(index % 2 === 0 ? 'online' : 'command')),
    );
    await engine.scheduler.idle();
    expect(most).toBe(1);
    expect(sent).toEqual(['a.bin']);
  });
});

describe('a lock', () => {
  test('that cannot be had is asked for once a wake-up, and breaks nothing', async () => {
    let asked = 0;
    const { time, engine, rejections, store } = engineWith({
      holdLock: async () => {
        asked += 1;
        await new Promise((resolve) => setImmediate(resolve));
        if (asked > 500) await new Promise(() => {});
        throw new DOMException('no', 'SecurityError');
      },
    });
    await store('a.bin');
    expect(await engine.scheduler.wake('command')).toBe(false);
    await engine.scheduler.idle();
    await time.pass(60_000);
    expect(asked).toBe(1);
    await engine.scheduler.wake('online');
    expect(asked).toBe(2);
    expect(rejections).toEqual([]);
  });

  test('that was stolen in the middle is asked for again at the next wake-up', async () => {
    let steal = (_: unknown) => {};
    let round = 0;
    const { time, engine, sent, rejections, store } = engineWith(
      {
        holdLock: async (task) => {
          round += 1;
          if (round > 1) return task();
          await new Promise<void>((_, reject) => {
            steal = reject;
            void task();
          });
        },
      },
      {
        send: async ({ name }, _state, _range, _bytes, io) => {
          if (round === 1) await io.sleep(1000);
          sent.push(name);
          return {};
        },
      },
    );
    await store('a.bin');
    await engine.scheduler.wake('command');
    await time.settle();
    steal(new DOMException('stolen', 'AbortError'));
    await engine.scheduler.idle();
    await engine.scheduler.wake('command');
    await time.until('delivery', async () => (await statusOf(engine, 'a.bin')) === 'completed', 60_000);
    expect(sent).toEqual(['a.bin']);
    expect(rejections).toEqual([]);
  });
});

describe('the store', () => {
  test('that fails while an endpoint comes back makes no unhandled rejection', async () => {
    let fail = true;
    const { time, engine, rejections, store } = engineWith(
      {},
      {
        probe: async () => ({ held: [] }),
        send: async (_upload, _state, _range, _bytes, io) => {
          if (fail) {
            fail = false;
            await io.sleep(10);
            throw new ProtocolFailure('unreachable', 'server-error', 'down', { httpStatus: 503 });
          }
          return {};
        },
      },
    );
    const { hasten } = engine.store;
    engine.store.hasten = async (...args) => {
      if (!fail) throw new Error('broken');
      return hasten.apply(engine.store, args);
    };
    await store('a.bin');
    await engine.scheduler.wake('command');
    await time.until('delivery', async () => (await statusOf(engine, 'a.bin')) === 'completed', 600_000);
    await time.pass(1000);
    expect(rejections).toEqual([]);
  });

  test('that takes no end of an upload delays all, however often the server answers', async () => {
    let asked = 0;
    const ask = async (io: Io) => {
      asked += 1;
      await io.sleep(10);
      return {};
    };
    const adapter: Partial<Adapter> = { probe: (_upload, _state, io) => ask(io), send: (...args) => ask(args[4]) };
    const { time, engine, store } = engineWith({}, adapter);
    const apply = engine.store.apply.bind(engine.store);
    const untilMs = time.now() + 60_000;
    engine.store.apply = async (id, event) => {
      if (event.type === 'replied' && event.doneAtMs && time.now() < untilMs)
        throw new UploadError('quota-exceeded', 'full');
      return apply(id, event);
    };
    const names = Array.from({ length: 12 }, (_, index) => `${index}.bin`);
    for (const name of names) await store(name);
    await engine.scheduler.wake('command');
    await time.pass(60_000);
    // A pause of 5 s after five (three lanes, two that wait for one), each of which asks and sends.
    expect(asked).toBeLessThanOrEqual(12 * 5 * 2);
    await time.until('delivery', async () => {
      const statuses = await Promise.all(names.map((name) => statusOf(engine, name)));
      return statuses.every((status) => status === 'completed');
    });
  });

  test('that cannot be read refuses a wake-up, and the next one is served', async () => {
    const { time, engine, rejections, store } = engineWith({}, { send: slowly });
    await store('a.bin');
    const { endpointsWithWork } = engine.store;
    engine.store.endpointsWithWork = async () => {
      engine.store.endpointsWithWork = () => endpointsWithWork.call(engine.store);
      throw new Error('broken');
    };
    expect(await engine.scheduler.wake('command')).toBe(false);
    await engine.scheduler.idle();
    expect(await engine.scheduler.wake('command')).toBe(true);
    await time.until('delivery', async () => (await statusOf(engine, 'a.bin')) === 'completed', 60_000);
    expect(rejections).toEqual([]);
  });
});

describe('what may have been sent', () => {
  const UNSETTLED = { unsettled: true };

  test('by an earlier life of the worker is asked about before anything is sent', async () => {
    const asked: ProbeContext[] = [];
    const { time, engine, store, sent } = engineWith(
      {},
      {
        probe: async (_upload, _state, _io, context) => {
          expect(sent).toEqual([]);
          asked.push(context);
          return { held: [] };
        },
      },
    );
    await store('a.bin');
    await engine.store.apply('a.bin', { type: 'sending', final: true });
    await engine.scheduler.wake('start');
    await time.until('it is sent', () => sent.length > 0);
    expect(asked).toMatchObject([UNSETTLED]);
  });

  test('before the answer was lost is asked about, and said to be under way', async () => {
    const asked: ProbeContext[] = [];
    let sends = 0;
    const { time, engine, store } = engineWith(
      {},
      {
        probe: async (_upload, _state, _io, context) => {
          asked.push(context);
          return { held: [[0, 4]] };
        },
        send: async () => {
          sends += 1;
          if (sends === 1) throw new ProtocolFailure('unreachable', 'network', 'gone');
          return {};
        },
      },
    );
    await store('a.bin');
    await engine.scheduler.wake('command');
    await time.until('delivery', async () => (await statusOf(engine, 'a.bin')) === 'completed');
    expect(asked).toMatchObject([UNSETTLED]);
    expect(sends).toBe(2);
  });
});

test('what could not be committed is told to nobody', async () => {
  const { time, engine, events, store } = engineWith();
  let refused = 0;
  engine.store.apply = async () => {
    refused += 1;
    throw new Error('broken');
  };
  await store('a.bin');
  await engine.scheduler.wake('command');
  await time.until('commits are refused', () => refused > 2);
  expect(events.filter(({ type }) => type === 'changed')).toEqual([]);
});

test('what another worker has cancelled just before its completion is not completed', async () => {
  let completed = 0;
  const complete = async () => {
    completed += 1;
    return { done: true };
  };
  const { time, engine, store, sent } = engineWith({}, { complete });
  const apply = engine.store.apply.bind(engine.store);
  engine.store.apply = async (id, event) => {
    if (event.type === 'completing') await apply(id, { type: 'cancelled', atMs: 0 });
    return apply(id, event);
  };
  await store('a.bin');
  await engine.scheduler.wake('command');
  await time.until('cancelled', async () => (await statusOf(engine, 'a.bin')) === 'cancelled');
  await time.pass(1000);
  expect(sent).toEqual(['a.bin']);
  expect(completed).toBe(0);
});

test('what waited for a silent network asks on further connections when that is said to be back', async () => {
  const askedAtMs: number[] = [];
  const { time, engine, store } = engineWith(
    {
      // As the browser's pool is then: idle connections, all of them dead.
      fetch: (_url, { signal } = {}) => {
        askedAtMs.push(time.now());
        return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
      },
    },
    {
      probe: async (_upload, _state, io) => {
        await io.request('http://server.test/status', { method: 'GET' });
        return {};
      },
      send: async (_upload, _state, _range, body, io) => {
        await io.request('http://server.test/upload', { method: 'POST', body });
        return {};
      },
    },
  );
  await store('a.bin');
  await engine.scheduler.wake('command');
  await time.until('the wait', async () => (await statusOf(engine, 'a.bin')) === 'waiting');
  askedAtMs.length = 0;
  await engine.scheduler.wake('online');
  await time.pass(2000);
  expect(askedAtMs.map((atMs) => atMs - (askedAtMs[0] ?? 0))).toEqual([0, 700, 1400]);
});

describe('an adapter', () => {
  test('whose `complete` is always refused with 409 is not asked in a tight loop', async () => {
    let asked = 0;
    const { time, engine, store } = engineWith(
      {},
      {
        probe: async ({ sizeBytes }) => ({ held: [[0, sizeBytes]] }),
        complete: async () => {
          asked += 1;
          if (asked > 1000) await new Promise(() => {});
          throw new ProtocolFailure('resync', 'offset-mismatch', 'parts are missing');
        },
      },
    );
    await store('a.bin');
    await engine.scheduler.wake('command');
    await time.pass(3_600_000);
    expect(asked).toBeLessThan(300);
  });

  test('may end a wait of its own, and then no timer is left', async () => {
    const { time, engine, store } = engineWith(
      {},
      {
        send: async (_upload, _state, _range, _bytes, io) => {
          const over = new AbortController();
          const limit = io.sleep(30_000, over.signal);
          over.abort(new Error('enough'));
          await expect(limit).rejects.toThrow('enough');
          return {};
        },
      },
    );
    await store('a.bin');
    await engine.scheduler.wake('command');
    await time.until('delivery', async () => (await statusOf(engine, 'a.bin')) === 'completed', 10_000);
    await time.pass(1000);
    expect(time.timers).toBe(0);
  });

  test('whose `complete` fails once is asked again, and then it is done', async () => {
    let asked = 0;
    const { time, engine, sent, store } = engineWith(
      {},
      {
        probe: async ({ sizeBytes }) => ({ held: [[0, sizeBytes]] }),
        complete: async () => {
          asked += 1;
          if (asked === 1) throw new ProtocolFailure('unreachable', 'network', 'gone');
          return { done: true };
        },
      },
    );
    await store('a.bin');
    await engine.scheduler.wake('command');
    await time.until('delivery', async () => (await statusOf(engine, 'a.bin')) === 'completed', 60_000);
    expect([asked, sent]).toEqual([2, ['a.bin']]);
  });

  test('that says neither how much it holds nor done at the end is asked again, not for ever', async () => {
    let asked = 0;
    const { time, engine, store } = engineWith(
      {},
      {
        probe: async ({ sizeBytes }) => ({ held: [[0, sizeBytes]] }),
        complete: async () => {
          asked += 1;
          if (asked > 150) await new Promise(() => {});
          return {};
        },
      },
    );
    await store('a.bin');
    await engine.scheduler.wake('command');
    await time.pass(3_600_000);
    expect(asked).toBeLessThan(200);
  });

  test.each([0, 1_000_000])(
    'that forgets what it made starts over as often as the budget says, then fails (blindBytes %i)',
    async (blindBytes) => {
      let made = 0;
      const { time, engine, store } = engineWith(
        {},
        {
          blindBytes,
          create: async () => {
            made += 1;
            if (made > 50) await new Promise(() => {});
            return { state: { url: `/${made}` } };
          },
          send: async () => {
            throw new ProtocolFailure('restart', 'server-lost-bytes', 'no such upload', { httpStatus: 404 });
          },
        },
      );
      await store('a.bin');
      await engine.scheduler.wake('command');
      await time.pass(60_000);
      expect(await statusOf(engine, 'a.bin')).toBe('failed');
      expect(made).toBe(4);
    },
  );

  test('a stop in the middle of a hanging adapter call frees the slot as soon as the call ends', async () => {
    let end = () => {};
    const { time, engine, store } = engineWith(
      {},
      {
        send: async ({ name }) => {
          if (name === 'a.bin') {
            await new Promise<void>((resolve) => {
              end = resolve;
            });
          }
          return {};
        },
      },
    );
    await store('a.bin');
    await engine.scheduler.wake('command');
    await time.settle();
    await engine.store.apply('a.bin', { type: 'paused' });
    const stopped = engine.scheduler.stop(['a.bin']);
    end();
    await stopped;
    await engine.scheduler.idle();
    // The answer came after the pause: the server has it all, so it is done.
    expect(await statusOf(engine, 'a.bin')).toBe('completed');
  });
});

test('ticks come one at a time, however often the lock changed hands', async () => {
  let round = 0;
  const { time, engine, events, store } = engineWith(
    {
      holdLock: async (task) => {
        await task();
        round += 1;
        if (round < 4) await engine.scheduler.wake('heartbeat').catch(() => {});
      },
    },
    {
      send: async (_upload, _state, _range, _bytes, io) => {
        await io.sleep(round < 3 ? 10 : 200_000);
        return {};
      },
    },
  );
  await store('a.bin');
  void engine.scheduler.wake('command');
  await time.pass(100);
  for (const name of ['b.bin', 'c.bin', 'd.bin']) {
    await store(name);
    void engine.scheduler.wake('command');
    await time.pass(100);
  }
  events.length = 0;
  await time.pass(100_000);
  expect(events.filter(({ type }) => type === 'tick').length).toBeLessThanOrEqual(6);
});

describe('what comes while the queue is being read', () => {
  test('is not hidden by what was read before it came', async () => {
    const { engine, store, sent, time } = engineWith();
    const read = engine.store.endpointsWithWork.bind(engine.store);
    let stored: Promise<unknown> | undefined;
    engine.store.endpointsWithWork = async () => {
      const endpoints = await read();
      if (stored === undefined) {
        // The first file comes, with its wake-up, after the queue was found empty and before anybody acts on that.
        stored = store('late').then(() => void engine.scheduler.wake('command'));
        await stored;
      }
      return endpoints;
    };
    await engine.scheduler.wake('command');
    await time.until('the late file is sent', () => sent.includes('late'));
    expect(sent).toEqual(['late']);
  });
});

describe('files that are being stored', () => {
  test('go before uploads: none starts until they are safe', async () => {
    const { engine, store, sent, time } = engineWith();
    await store('earlier');
    let safe = () => {};
    const storing = engine.scheduler.after(
      new Promise<void>((resolve) => {
        safe = resolve;
      }),
    );
    void engine.scheduler.wake('command');
    const startedAtMs = time.now();
    await time.until('time goes by', () => time.now() >= startedAtMs + 20_000);
    expect(sent).toEqual([]);
    safe();
    await storing;
    await time.until('the earlier file is sent', () => sent.includes('earlier'));
  });
});

test('what waited for a lane while a wake-up came is sent without a question, as if it had not waited', async () => {
  const asked: string[] = [];
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const names = ['1', '2', '3', '4', '5'];
  const { time, engine, sent, store } = engineWith(
    {},
    {
      probe: async ({ name }) => {
        asked.push(name);
        return { held: [] };
      },
      send: async ({ name }) => {
        sent.push(name);
        await released;
        return {};
      },
    },
  );
  for (const name of names) await store(name);
  void engine.scheduler.wake('start');
  const statuses = async () => Promise.all(names.map((name) => statusOf(engine, name)));
  await time.until('all are about to be sent', async () => (await statuses()).every((each) => each === 'uploading'));
  expect(sent).toHaveLength(3);
  void engine.scheduler.wake('command');
  await time.settle();
  release();
  await time.until('all are done', async () => (await statuses()).every((each) => each === 'completed'));
  expect(asked).toEqual([]);
});
