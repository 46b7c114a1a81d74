import { describe, expect, test } from 'vitest';
import { createPace, type Pace } from './pace.js';

/** A pace that has seen `seconds` of a link with so many bytes a second. */
function seen(bytesPerSecond: number, seconds = 5): Pace {
  const pace = createPace();
  pace.end(pace.begin(1), bytesPerSecond * seconds, seconds * 1000);
  return pace;
}

/** So many bodies of this size are acknowledged. */
function passes(pace: Pace, bytes: number, count: number): void {
  for (let index = 0; index < count; index += 1) pace.end(pace.begin(bytes), bytes, 1000);
}

/** Of a body that has the link to itself. */
function limitOf(pace: Pace, bytes: number, attempt: number): number {
  return pace.limitMs(pace.begin(bytes), attempt);
}

test('with nothing known, half a mebibyte, and half a minute for its answer', () => {
  const pace = createPace();
  expect(pace.nextBytes()).toBe(524_288);
  expect(pace.limitMs(pace.begin(524_288), 0)).toBe(32_000);
});

test.each([
  [1_000_000, 5_000_000],
  [20_000, 100_000],
  [1000, 65_536],
  [0.1, 65_536],
  [125_000_000, 625_000_000],
])('on a link of %d bytes a second a body is %d bytes', (rate, bytes) => {
  expect(seen(rate).nextBytes()).toBe(bytes);
});

test('requests that run side by side share the link', () => {
  const pace = createPace();
  const both = [pace.begin(1), pace.begin(1)] as const;
  for (const transfer of both) expect(pace.end(transfer, 500_000, 1000)).toBe(500_000);
  // Each had half of a megabyte a second; alone again, the next has all of it.
  expect(pace.nextBytes()).toBe(5_000_000);
  pace.begin(1);
  expect(pace.nextBytes()).toBe(2_500_000);
});

test('a long request says more than a short one', () => {
  const pace = seen(1_000_000);
  pace.end(pace.begin(1), 100, 50);
  expect(pace.nextBytes()).toBeGreaterThan(4_400_000);
  pace.end(pace.begin(1), 100_000, 10_000);
  expect(pace.nextBytes()).toBeLessThan(1_600_000);
});

test('a failed request says nothing of the speed, and frees its share', () => {
  const pace = seen(1_000_000);
  expect(pace.end(pace.begin(1), 0, 60_000)).toBeUndefined();
  expect(pace.nextBytes()).toBe(5_000_000);
});

test('an answer in no time at all is not infinite speed', () => {
  const pace = createPace();
  expect(pace.end(pace.begin(1), 1000, 0)).toBe(1_000_000);
  const back = createPace();
  expect(Number.isFinite(back.end(back.begin(1), 1000, -5000))).toBe(true);
});

test('a stall says that the link is slower than thought, also where nothing was thought', () => {
  const pace = seen(1_000_000);
  pace.stalled(5_000_000, 5000);
  expect(pace.nextBytes()).toBe(2_500_000);
  // 512 KiB in 32 s would have been 16 KiB/s; half of that for 5 s is below the smallest body.
  const unknown = createPace();
  unknown.stalled(524_288, 32_000);
  expect(unknown.nextBytes()).toBe(65_536);
});

test('no body is larger than what a 413 let through; the lowest counts', () => {
  const pace = seen(1_000_000);
  pace.limitTo(1_000_000, true);
  pace.limitTo(2_000_000, true);
  expect(pace.ceilingBytes).toBe(1_000_000);
  pace.limitTo(1000, true);
  passes(pace, 1000, 1000);
  expect(pace.ceilingBytes).toBe(1000);
});

describe('a ceiling that was only guessed', () => {
  const guessed = () => {
    const pace = seen(1_000_000);
    pace.limitTo(1_000_000, false);
    return pace;
  };

  test('rises once enough bodies of its size have passed, and then with each', () => {
    const pace = guessed();
    passes(pace, 1_000_000, 32);
    expect(pace.ceilingBytes).toBe(1_000_000);
    passes(pace, 1_000_000, 1);
    expect(pace.ceilingBytes).toBe(2_000_000);
    passes(pace, 2_000_000, 1);
    expect(pace.ceilingBytes).toBe(4_000_000);
  });

  test('is not proven by smaller bodies, nor by those that failed', () => {
    const pace = guessed();
    passes(pace, 999_999, 1000);
    for (let count = 0; count < 1000; count += 1) pace.end(pace.begin(1_000_000), 0, 1000);
    expect(pace.ceilingBytes).toBe(1_000_000);
  });

  test('that was right is tried ever more seldom, but never for ever', () => {
    const pace = guessed();
    const bodies: number[] = [];
    for (let guess = 0; guess < 6; guess += 1) {
      let count = 0;
      for (; pace.ceilingBytes === 1_000_000; count += 1) passes(pace, 1_000_000, 1);
      bodies.push(count);
      pace.limitTo(1_000_000, false);
    }
    expect(bodies).toEqual([33, 65, 129, 257, 257, 257]);
  });
});

test.each([
  [0, 8000],
  [1, 16_000],
  [3, 64_000],
  [4, 120_000],
  [100, 120_000],
])(
  'an answer is waited for at least 8 s, doubling with each futile attempt (%i), never over two minutes',
  (attempt, limit) => {
    expect(limitOf(seen(1_000_000), 1000, attempt)).toBe(limit);
  },
);

test('an answer may take twice what the link needs for its share', () => {
  const pace = seen(1_000_000);
  const one = pace.begin(10_000_000);
  expect(pace.limitMs(one, 0)).toBe(20_000);
  // However small the other one is, or how much more it has to carry.
  const small = pace.begin(1_000_000);
  expect(pace.limitMs(one, 0)).toBe(22_000);
  pace.end(small, 0, 1000);
  pace.begin(10 ** 12);
  expect(pace.limitMs(one, 0)).toBe(40_000);
  expect(limitOf(pace, 10 ** 12, 0)).toBe(120_000);
});

test('what others show of the link meanwhile shortens a wait that began in ignorance', () => {
  const pace = createPace();
  const [part, other] = [pace.begin(8_000_000), pace.begin(2_000_000)] as const;
  expect(pace.limitMs(part, 0)).toBe(120_000);
  pace.end(other, 2_000_000, 2000);
  expect(pace.limitMs(part, 0)).toBe(10_000);
});

test('a question is given up early at first, later with what was seen, at most after 30 s', () => {
  const pace = createPace();
  expect([0, 1, 2, 3, 4, 9].map((attempt) => pace.probeLimitMs(attempt))).toEqual([
    2500, 5000, 10_000, 20_000, 30_000, 30_000,
  ]);
  pace.probed(1000);
  expect(pace.probeLimitMs(0)).toBe(4000);
  pace.probed(20_000);
  expect(pace.probeLimitMs(0)).toBe(30_000);
});

test('one slow question is forgotten by and by', () => {
  const pace = createPace();
  pace.probed(5000);
  for (let count = 0; count < 50; count += 1) pace.probed(10);
  expect(pace.probeLimitMs(0)).toBe(2500);
});

test('a request of a few bytes says nothing of the link, not even the first one', () => {
  const pace = createPace();
  pace.end(pace.begin(1), 1, 50);
  expect(pace.nextBytes()).toBe(524_288);
  expect(pace.limitMs(pace.begin(524_288), 0)).toBeLessThanOrEqual(32_000);
});

test('of requests that stall together, none gets more time because another has stalled', () => {
  const pace = seen(2_500_000);
  const [first, second] = [pace.begin(1_000_000), pace.begin(1_000_000)] as const;
  const limitMs = pace.limitMs(second, 0);
  pace.end(first, 0, limitMs);
  pace.stalled(1_000_000, limitMs);
  expect(pace.limitMs(second, 0)).toBe(limitMs);
});

test('nor where the speed was learned when both were under way', () => {
  const pace = createPace();
  const [first, second, third] = [pace.begin(8_000_000), pace.begin(8_000_000), pace.begin(4_000_000)] as const;
  pace.end(third, 4_000_000, 4000);
  const limitMs = pace.limitMs(second, 0);
  expect(limitMs).toBeLessThan(15_000);
  pace.stalled(8_000_000, limitMs);
  pace.end(first, 0, limitMs);
  expect(pace.limitMs(second, 0)).toBe(limitMs);
});

test('bodies that begin side by side share what a link is good for, also while nothing is known of it', () => {
  const pace = createPace();
  pace.begin(1);
  expect(pace.nextBytes()).toBe(262_144);
});

test('an answer counts as late after 0.7 s, or twice what the slowest question took', () => {
  const pace = createPace();
  expect(pace.hedgeMs()).toBe(700);
  pace.probed(1000);
  expect(pace.hedgeMs()).toBe(2000);
});

test.each([
  ['a smallest body in a moment counts', 65_536, 500, true],
  ['one byte less does not', 65_535, 500, false],
  ['nor in just less than a second', 65_535, 999, false],
  ['it does in a whole second', 65_535, 1000, true],
])('%s', (_, bytes, elapsedMs, counts) => {
  const pace = createPace();
  pace.end(pace.begin(1), bytes, elapsedMs);
  expect(pace.nextBytes() !== 524_288).toBe(counts);
});

test.each([
  // Ten times as fast as was known.
  ['a second', 1000, 0.7],
  ['half of one', 500, 0.5],
  ['a moment', 10, 0.1],
  ['ten', 10_000, 0.7],
])('a request of %s counts by its time, at least a tenth, at most seven', (_, elapsedMs, weight) => {
  const pace = seen(1_000_000_000);
  pace.end(pace.begin(1), 10_000_000 * elapsedMs, elapsedMs);
  expect(pace.nextBytes()).toBe(Math.floor(5 * (10_000_000_000 * weight + 1_000_000_000 * (1 - weight))));
});
