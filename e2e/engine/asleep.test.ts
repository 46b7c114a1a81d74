// A device that slept, or a clock that was set, in the middle of a request: the time in between is none in which anything
// could have been sent, so it says nothing of the link, and ends no request.

import { expect, test } from 'vitest';
import type { Adapter } from '../../sw/protocols/adapter.js';
import { recordOf } from './record-of.js';
import { SlowLink, sendOver } from './slow-link.js';
import { VirtualTime } from './virtual-time.js';

const EIGHT_HOURS = 8 * 3_600_000;
const MB = 1_000_000;

/** 20 MB at 1 MB/s, about to be asleep with a body of some megabytes half way. */
async function fallAsleep() {
  const time = new VirtualTime();
  const link = new SlowLink(time, MB);
  let heldBytes = 0;
  const adapter: Adapter = {
    limits: {},
    probe: async (_upload, _state, io) => {
      await io.request('http://server.test/status', { method: 'GET' });
      return { held: heldBytes > 0 ? [[0, heldBytes]] : [] };
    },
    send: async (_upload, _state, range, body, io) => {
      await io.request('http://server.test/upload', { method: 'POST', body });
      heldBytes = range[1];
      return {};
    },
  };
  const engine = await sendOver(link, time, adapter, 20 * MB);
  await time.until('a body is half way', () => {
    const body = link.bodies.at(-1);
    return body !== undefined && body.bytes > 3 * MB && body.leftBytes < body.bytes / 2;
  });
  return { time, link, engine, sent: () => link.bodies.filter(({ bytes }) => bytes > 0) };
}

const statusOf = async ({ store }: Awaited<ReturnType<typeof fallAsleep>>['engine']) =>
  (await recordOf(store, 'a'))?.course.state.status;

test.each([
  ['8 hours later', EIGHT_HOURS],
  ['with the clock set back by 8 hours', -EIGHT_HOURS],
])('a request that has lived through a sleep goes on, %s', async (_, leapMs) => {
  const { time, engine, sent } = await fallAsleep();
  const before = sent().length;
  time.leap(leapMs);
  const wokenAtMs = time.now();
  await time.until('delivered', async () => (await statusOf(engine)) === 'completed', 60_000);
  expect(time.now() - wokenAtMs).toBeLessThan(20_000);
  // No byte twice, and bodies no smaller than the link is good for.
  expect(sent().reduce((sum, { bytes }) => sum + bytes, 0)).toBe(20 * MB);
  for (const { bytes } of sent().slice(before, -1)) expect(bytes).toBeGreaterThan(3 * MB);
});

test('a request that has not is noticed as a dead one is, and the link is as good as before', async () => {
  const { time, link, engine, sent } = await fallAsleep();
  const before = sent().length;
  time.leap(EIGHT_HOURS);
  link.blackHole();
  const wokenAtMs = time.now();
  await time.until('sent anew', () => sent().length > before, 60_000);
  expect(time.now() - wokenAtMs).toBeLessThan(15_000);
  // It stalled: half of what was known, as after any stall.
  expect(sent().at(-1)?.bytes).toBeGreaterThan(MB);
  expect((await recordOf(engine.store, 'a'))?.course.attempt).toBe(0);
  await time.until('delivered', async () => (await statusOf(engine)) === 'completed', 60_000);
});
