// Invariant 6: the network never fails an upload. And nobody is asked in a tight loop.

import { describe, expect, test } from 'vitest';
import type { Failure, Verdict } from './remote.js';
import {
  BASE_MS,
  backoffMs,
  CAP_MS,
  type Decision,
  decide,
  FLOOR_BYTES,
  RESYNC_BUDGET,
  type RetryContext,
  smaller,
} from './retry.js';

const NOW = 1_000_000;
const context: RetryContext = {
  nowMs: NOW,
  random: () => 0.5,
  online: true,
  own: { attempt: 0, sinceMs: NOW },
  shared: { attempt: 0, sinceMs: NOW },
  resyncs: 0,
  sentBytes: 0,
  minBytes: 1,
};
const failure = (verdict: Verdict, details: Partial<Failure> = {}): Failure => ({
  verdict,
  code: 'network',
  message: 'm',
  forget: false,
  httpStatus: undefined,
  retryAfterMs: undefined,
  ...details,
});
const sent = { sentBytes: 100_000 };
const failed: Partial<Failure> = { httpStatus: 503, code: 'server-error' };
const own = { own: { attempt: 5, sinceMs: NOW - 40_000 } };
const shared = { shared: { attempt: 5, sinceMs: NOW - 400_000 } };

describe('what follows a failure', () => {
  const ask = { type: 'probe' };
  const wait = (scope: string, reason: string, untilMs?: number) => ({ type: 'wait', scope, reason, untilMs });
  test.each<[string, Failure, Partial<RetryContext>, object]>([
    ['a disagreement is asked about', failure('resync'), sent, ask],
    ['so is the last one of the budget', failure('resync'), { ...sent, resyncs: RESYNC_BUDGET - 1 }, ask],
    [
      'then there is a pause for this upload',
      failure('resync'),
      { ...sent, resyncs: RESYNC_BUDGET, ...own },
      wait('upload', 'backoff', NOW + 5500),
    ],
    [
      'a disagreement that no body led to is no reason to ask at once',
      failure('resync'),
      { sentBytes: 0, ...own },
      wait('upload', 'backoff', NOW + 5500),
    ],
    [
      'an upload waits by its own failures, not by the endpoint’s',
      failure('busy'),
      { shared: { attempt: 5, sinceMs: NOW - 400_000 } },
      wait('upload', 'backoff', NOW + 500),
    ],
    [
      '413 to a body whose size is fixed for good ends it',
      failure('smaller', { httpStatus: 413 }),
      { sentBytes: 9_000_000, minBytes: Infinity },
      { type: 'fail' },
    ],
    ['an upload that the server forgot starts over', failure('restart'), {}, { type: 'restart' }],
    [
      '413 makes bodies smaller',
      failure('smaller', { httpStatus: 413 }),
      { sentBytes: 9_000_000 },
      { type: 'shrink', maxBytes: 8_000_000, certain: true },
    ],
    [
      '413 at the floor fails',
      failure('smaller', { code: 'too-large', httpStatus: 413 }),
      { sentBytes: FLOOR_BYTES },
      { type: 'fail' },
    ],
    ['413 to a question fails', failure('smaller', { code: 'too-large' }), {}, { type: 'fail' }],
    [
      '413 fails if the whole rest must go at once',
      failure('smaller'),
      { sentBytes: 10 ** 9, minBytes: Number.MAX_SAFE_INTEGER },
      { type: 'fail' },
    ],
    [
      '401 waits for somebody, all of the endpoint',
      failure('auth', { httpStatus: 401 }),
      shared,
      { type: 'wait', scope: 'endpoint', reason: 'auth' },
    ],
    [
      '500 waits by its own count',
      failure('busy', { ...failed, httpStatus: 500 }),
      { ...own, ...shared },
      wait('upload', 'backoff', NOW + 5500),
    ],
    [
      '423 says that it is locked',
      failure('busy', { code: 'locked', httpStatus: 423 }),
      {},
      wait('upload', 'locked', NOW + 500),
    ],
    [
      'a question without an answer waits by the endpoint’s count',
      failure('unreachable'),
      { ...own, ...shared },
      wait('endpoint', 'backoff', NOW + 16_000),
    ],
    [
      'without a network the reason is that',
      failure('unreachable'),
      { online: false },
      wait('endpoint', 'offline', NOW + 500),
    ],
    [
      'a page where a number was due is waited out like a dead network',
      failure('unreachable', { code: 'unexpected-answer', httpStatus: 200 }),
      {},
      wait('endpoint', 'backoff', NOW + 500),
    ],
    ['a body without an answer is asked about', failure('unreachable'), sent, ask],
    ['even offline, and with failures behind it', failure('unreachable'), { ...sent, ...own, online: false }, ask],
    ['a body with an answer waits', failure('unreachable', failed), sent, wait('endpoint', 'backoff', NOW + 500)],
    [
      'body after body without an answer may be a hidden 413',
      failure('unreachable'),
      { ...sent, resyncs: RESYNC_BUDGET },
      { type: 'shrink', maxBytes: FLOOR_BYTES, certain: false },
    ],
    [
      'not below what a suspicion is worth',
      failure('unreachable'),
      { sentBytes: 5_000_000, suspectBytes: 1_000_000, resyncs: RESYNC_BUDGET },
      { type: 'shrink', maxBytes: 1_000_000, certain: false },
    ],
    [
      'then it waits',
      failure('unreachable'),
      { sentBytes: 1_000_000, suspectBytes: 1_000_000, resyncs: RESYNC_BUDGET },
      wait('endpoint', 'backoff', NOW + 500),
    ],
    [
      'at the floor it waits',
      failure('unreachable'),
      { sentBytes: FLOOR_BYTES, resyncs: RESYNC_BUDGET },
      wait('endpoint', 'backoff', NOW + 500),
    ],
    [
      'a refusal is final',
      failure('fatal', { code: 'refused', httpStatus: 422 }),
      { ...sent, ...own },
      { type: 'fail' },
    ],
  ])('%s', (_, given, changes, expected) => {
    expect(decide(given, { ...context, ...changes })).toMatchObject(expected);
  });

  test('nothing that the network can do ends an upload', () => {
    const ends: Decision[] = [];
    for (const verdict of ['unreachable', 'busy', 'auth', 'resync'] as const) {
      for (const sentBytes of [0, 1, FLOOR_BYTES, 10 ** 9]) {
        for (const attempt of [0, 1, 31, 1000, 10 ** 6]) {
          for (const httpStatus of [undefined, 200, 503]) {
            const outage = { attempt, sinceMs: 0 };
            const decision = decide(failure(verdict, { httpStatus }), {
              ...context,
              sentBytes,
              own: outage,
              shared: outage,
              resyncs: attempt,
            });
            if (decision.type === 'fail') ends.push(decision);
            if (decision.type === 'wait' && verdict !== 'auth') expect(Number.isFinite(decision.untilMs)).toBe(true);
          }
        }
      }
    }
    expect(ends).toEqual([]);
  });
});

describe('Retry-After', () => {
  const decided = (retryAfterMs: number, changes: Partial<RetryContext> = {}) =>
    decide(failure('unreachable', { ...failed, retryAfterMs }), { ...context, ...changes });

  test('is obeyed to the millisecond, and is the server’s reason', () => {
    expect(decided(120_000)).toMatchObject({
      type: 'wait',
      reason: 'server',
      scope: 'endpoint',
      untilMs: NOW + 120_000,
    });
  });

  test('is not shortened by dice or by the cap', () => {
    expect(decided(3_600_000, { random: () => 0 })).toMatchObject({ untilMs: NOW + 3_600_000 });
  });

  test('beyond a day is a mistake', () => {
    expect(decided(10 ** 12)).toMatchObject({ untilMs: NOW + 86_400_000 });
  });

  test('of one upload is that upload’s', () => {
    const decision = decide(failure('busy', { code: 'locked', httpStatus: 423, retryAfterMs: 2000 }), context);
    expect(decision).toMatchObject({ scope: 'upload', reason: 'server', untilMs: NOW + 2000 });
  });

  test('of 0, or a date that has passed, does not switch the back-off off', () => {
    const outage = { attempt: 6, sinceMs: NOW - 60_000 };
    expect(decided(0, { shared: outage })).toMatchObject({ untilMs: NOW + backoffMs(outage, NOW, context.random) });
  });
});

describe('back-off', () => {
  test.each([
    [0, 0, 1000],
    [1, 0, 1000],
    [1, 4000, 2000],
    [4, 4000, 2000],
    [4, 10 ** 9, 16_000],
    [8, 10 ** 9, 256_000],
    [9, 10 ** 9, 300_000],
    [10 ** 6, 10 ** 9, 300_000],
  ])('attempt %i after %i ms: full jitter below %i ms', (attempt, outageMs, ceiling) => {
    const outage = { attempt, sinceMs: NOW - outageMs };
    expect(backoffMs(outage, NOW, () => 0)).toBe(0);
    expect(backoffMs(outage, NOW, () => 0.25)).toBe(ceiling / 4);
    expect(backoffMs(outage, NOW, () => 1 - Number.EPSILON)).toBeCloseTo(ceiling, 6);
  });

  test('a clock that was set back makes no negative wait', () => {
    expect(backoffMs({ attempt: 3, sinceMs: NOW + 10 ** 9 }, NOW, () => 0.5)).toBe(500);
  });

  test('after an outage of T the next try comes by T + T/4 + 1 s, whatever the dice said', () => {
    let seed = 20_261_122;
    const uniform = () => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed / 2_147_483_647;
    };
    const dice = [uniform, () => 0.999_999_9, () => uniform() ** 3, () => (uniform() < 0.5 ? 0.000_01 : 0.999)];
    for (const random of dice) {
      for (let run = 0; run < 200; run += 1) {
        const outageMs = 10 ** (1 + 6 * uniform());
        let now = 0;
        let attempt = 0;
        while (now < outageMs) {
          const delay = backoffMs({ attempt, sinceMs: 0 }, now, random);
          expect(delay).toBeGreaterThanOrEqual(0);
          expect(delay).toBeLessThanOrEqual(CAP_MS);
          now += delay;
          attempt += 1;
          expect(attempt).toBeLessThan(100_000);
        }
        expect(now).toBeLessThanOrEqual(outageMs * 1.25 + BASE_MS);
      }
    }
  });

  test('an outage of a day costs a few hundred tries, not thousands', () => {
    let now = 0;
    let attempt = 0;
    for (; now < 86_400_000; attempt += 1) now += backoffMs({ attempt, sinceMs: 0 }, now, () => 0.5);
    expect(attempt).toBeLessThan(700);
  });
});

test('bodies are cut to 8 MB, to 1 MB, then to quarters, down to 64 KiB', () => {
  const ladder: number[] = [];
  for (let bytes: number | undefined = 100_000_000; bytes !== undefined; bytes = smaller(bytes, 1)) ladder.push(bytes);
  expect(ladder).toEqual([100_000_000, 8_000_000, 1_000_000, 250_000, FLOOR_BYTES]);
});

test.each([
  [8_000_001, 1, 8_000_000],
  [8_000_000, 1, 1_000_000],
  [1_000_001, 1, 1_000_000],
  [65_537, 1, 65_536],
  [65_536, 1, undefined],
  [1, 1, undefined],
  [0, 1, undefined],
  [9_000_000, 8_500_000, 8_500_000],
  [8_500_000, 8_500_000, undefined],
  [5_000_000_000, Number.MAX_SAFE_INTEGER, undefined],
])('after %i bytes with a floor of %i: %s', (bytes, floor, expected) => {
  expect(smaller(bytes, floor)).toBe(expected);
});

test('a smaller body is always smaller', () => {
  for (let bytes = 1; bytes < 2 ** 36; bytes = Math.ceil(bytes * 1.37)) {
    const next = smaller(bytes, 1);
    if (next !== undefined) expect(next).toBeLessThan(bytes);
    if (next !== undefined) expect(next).toBeGreaterThanOrEqual(FLOOR_BYTES);
  }
});
