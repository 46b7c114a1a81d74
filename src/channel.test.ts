// The page's end of the wire: which answers count, and how often a silent worker is asked.

import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { Channel } from './channel.js';
import type { UploadError } from './contracts/errors.js';
import { envelope, type Reply, type UploadEvent, WIRE_VERSION } from './contracts/messages.js';

const command = { type: 'clear', endpoint: 'photos' } as const;
const tick: UploadEvent = { type: 'tick' };
const done: Reply<'clear'> = { type: 'done', value: {} };
let channels = 0;

/** A channel to a worker that does `answer`, with the number of the question. */
function channelTo(answer: (nth: number, port: MessagePort) => void) {
  channels += 1;
  const name = `channel-${process.pid}-${channels}`;
  const asked: unknown[] = [];
  const events: UploadEvent[] = [];
  const strangers: UploadError[] = [];
  const active = {
    scriptURL: '/sw.js',
    postMessage(data: unknown, [port]: readonly [MessagePort]) {
      asked.push(data);
      onTestFinished(() => port.close());
      answer(asked.length - 1, port);
    },
  };
  const registration = { active } as unknown as ServiceWorkerRegistration;
  const channel = new Channel(
    registration,
    name,
    (event) => void events.push(event),
    (error) => void strangers.push(error),
  );
  const worker = new BroadcastChannel(name);
  onTestFinished(() => {
    channel.close();
    worker.close();
  });
  return { channel, worker, asked, events, strangers };
}

describe('a reply', () => {
  test('is what the worker says', async () => {
    const { channel, asked } = channelTo((_, port) => port.postMessage(envelope(done)));
    expect(await channel.send(command)).toEqual({});
    expect(asked).toEqual([envelope(command)]);
  });

  test('of another wire version is never taken for one', async () => {
    const { channel } = channelTo((_, port) => port.postMessage({ ...envelope(done), wire: WIRE_VERSION + 1 }));
    await expect(channel.send(command)).rejects.toMatchObject({ code: 'version-mismatch' });
  });

  test('that refuses is understood in any version', async () => {
    const refused: Reply = { type: 'refused', error: { code: 'unknown-endpoint', message: 'no' } };
    const { channel } = channelTo((_, port) => port.postMessage({ ...envelope(refused), wire: WIRE_VERSION + 1 }));
    await expect(channel.send(command)).rejects.toMatchObject({ code: 'unknown-endpoint' });
  });
});

describe('a worker that is silent', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
  afterEach(() => void vi.useRealTimers());

  test('is asked again, since it may have been stopped', async () => {
    const { channel, asked } = channelTo((nth, port) => nth > 0 && port.postMessage(envelope(done)));
    const reply = channel.send(command);
    await vi.waitUntil(() => asked.length === 1);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(await reply).toEqual({});
    expect(asked).toHaveLength(2);
  });

  test('is given up after three questions, by its name', async () => {
    const { channel, asked } = channelTo(() => {});
    const reply = expect(channel.send(command)).rejects.toMatchObject({
      code: 'worker-unresponsive',
      message: expect.stringContaining('/sw.js'),
    });
    await vi.advanceTimersByTimeAsync(30_000);
    await reply;
    expect(asked).toHaveLength(3);
  });
});

describe('an event', () => {
  test('of this wire version is heard', async () => {
    const { worker, events, strangers } = channelTo(() => {});
    worker.postMessage(envelope(tick));
    await vi.waitUntil(() => events.length > 0);
    expect(events).toEqual([tick]);
    expect(strangers).toEqual([]);
  });

  test('of another wire version is told of, not heard; one of a stranger is neither', async () => {
    const { worker, events, strangers } = channelTo(() => {});
    worker.postMessage('hello');
    worker.postMessage({ ...envelope(tick), wire: WIRE_VERSION + 1 });
    await vi.waitUntil(() => strangers.length + events.length > 0);
    expect(strangers).toMatchObject([{ code: 'version-mismatch' }]);
    expect(events).toEqual([]);
  });
});
