// Parts of a fixed size, 8 MiB as S3's, on links that are dead or slow: nothing is heard of a part until it is whole.
// Invariants 6 and 7, and the time in which a silent connection is noticed.

import { expect, test } from 'vitest';
import type { Adapter, Range } from '../../sw/protocols/adapter.js';
import { inParts } from '../../sw/protocols/parts.js';
import { recordOf } from './record-of.js';
import { SlowLink, sendOver } from './slow-link.js';
import { VirtualTime } from './virtual-time.js';

const PART_BYTES = 8_388_608;

/** One file of so many bytes, in parts, on its way over a link. */
async function partsOn(bytesPerSecond: number, sizeBytes: number) {
  const time = new VirtualTime();
  const link = new SlowLink(time, bytesPerSecond);
  const held: Range[] = [];
  const parts: Adapter = {
    parts: inParts,
    limits: { partBytes: PART_BYTES },
    probe: async () => ({ held }),
    send: async (_upload, _state, range, body, io) => {
      await io.request(`http://bucket.test/${range[0]}`, { method: 'PUT', body });
      held.push(range);
      return {};
    },
  };
  const engine = await sendOver(link, time, parts, sizeBytes);
  const delivery = () =>
    time.until('delivery', async () => (await recordOf(engine.store, 'a'))?.course.state.status === 'completed');
  return { time, link, delivery };
}

test.each([
  // At half of the file, as the survival table has it, and later.
  [20_000_000, 4000],
  [60_000_000, 4000],
  [60_000_000, 8000],
  [60_000_000, 11_000],
  [60_000_000, 15_000],
])('of %i bytes at 20 Mbit/s, a hole after %i ms is noticed within 15 s', async (sizeBytes, afterMs) => {
  const { time, link, delivery } = await partsOn(2_500_000, sizeBytes);
  await time.pass(afterMs);
  link.blackHole();
  const holeAtMs = time.now();
  await delivery();
  const next = link.bodies.find(({ startedAtMs }) => startedAtMs >= holeAtMs);
  expect((next?.startedAtMs ?? Infinity) - holeAtMs).toBeLessThan(15_000);
});

test('parts go through a link that carries just one of them in two minutes, each once', async () => {
  const { link, delivery } = await partsOn(100_000, 3 * PART_BYTES);
  await delivery();
  expect(link.bodies).toHaveLength(3);
});

test('on a fast link they go side by side once the first one has shown it', async () => {
  const { link, delivery } = await partsOn(25_000_000, 8 * PART_BYTES);
  await delivery();
  const [first, ...rest] = link.bodies.map(({ startedAtMs }) => startedAtMs);
  expect(rest.slice(0, 3).every((atMs) => atMs === rest[0])).toBe(true);
  expect(rest[0]).toBeGreaterThan(first ?? Infinity);
});
