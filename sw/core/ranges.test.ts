import { expect, test } from 'vitest';
import { covers, normalize, prefixEnd, totalBytes } from './ranges.js';
import type { Range } from './remote.js';

test.each<[string, readonly Range[], readonly Range[]]>([
  ['nothing', [], []],
  ['an empty range', [[5, 5]], []],
  ['a range that ends before it starts', [[5, 3]], []],
  ['one', [[0, 5]], [[0, 5]]],
  [
    'out of order',
    [
      [10, 20],
      [0, 5],
    ],
    [
      [0, 5],
      [10, 20],
    ],
  ],
  [
    'touching',
    [
      [0, 5],
      [5, 9],
    ],
    [[0, 9]],
  ],
  [
    'overlapping',
    [
      [0, 5],
      [3, 9],
    ],
    [[0, 9]],
  ],
  [
    'one inside another',
    [
      [0, 9],
      [3, 5],
    ],
    [[0, 9]],
  ],
  [
    'the same twice',
    [
      [1, 2],
      [1, 2],
    ],
    [[1, 2]],
  ],
  [
    'one byte apart',
    [
      [0, 1],
      [2, 3],
    ],
    [
      [0, 1],
      [2, 3],
    ],
  ],
  [
    'three that join through the last',
    [
      [0, 2],
      [4, 6],
      [2, 4],
    ],
    [[0, 6]],
  ],
  [
    'beyond 32 bits',
    [
      [0, 2 ** 33],
      [2 ** 33, 2 ** 34],
    ],
    [[0, 2 ** 34]],
  ],
])('normalize: %s', (_, ranges, expected) => {
  const before = structuredClone(ranges);
  expect(normalize(ranges)).toEqual(expected);
  expect(ranges).toEqual(before);
});

test('normalize never changes which bytes are held', () => {
  let seed = 7;
  const random = (below: number) => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed % below;
  };
  for (let run = 0; run < 500; run += 1) {
    const ranges: Range[] = Array.from({ length: random(8) }, () => {
      const start = random(30);
      return [start, start + random(8)];
    });
    const bytes = new Set(ranges.flatMap(([start, end]) => Array.from({ length: end - start }, (_, i) => start + i)));
    const held = normalize(ranges);
    expect(totalBytes(held)).toBe(bytes.size);
    for (let byte = 0; byte < 40; byte += 1) expect(covers(held, [byte, byte + 1])).toBe(bytes.has(byte));
    for (const [index, [start, end]] of held.entries()) {
      expect(end).toBeGreaterThan(start);
      expect(start).toBeGreaterThan(held[index - 1]?.[1] ?? -1);
    }
  }
});

test.each<[readonly Range[], number, number]>([
  [[], 0, 0],
  [[[0, 5]], 5, 5],
  [[[1, 5]], 4, 0],
  [
    [
      [0, 5],
      [7, 9],
    ],
    7,
    5,
  ],
])('of %j, totalBytes is %i and prefixEnd %i', (held, total, prefix) => {
  expect([totalBytes(held), prefixEnd(held)]).toEqual([total, prefix]);
});

test.each<[readonly Range[], Range, boolean]>([
  [[], [0, 0], true],
  [[], [0, 1], false],
  [[[0, 5]], [0, 5], true],
  [[[0, 5]], [1, 2], true],
  [[[0, 5]], [4, 6], false],
  [
    [
      [0, 5],
      [6, 9],
    ],
    [4, 7],
    false,
  ],
  [[[2, 5]], [9, 9], true],
])('%j covers %j: %s', (held, range, expected) => {
  expect(covers(held, range)).toBe(expected);
});
