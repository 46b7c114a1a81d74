// What arrives from outside is looked at before anything trusts it.

import { describe, expect, test } from 'vitest';
import { type Check, fits, isSize, oneOf } from './shape.js';

describe('fits', () => {
  test.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['a text', 'id'],
    ['a number', 7],
    ['a function', () => {}],
  ])('%s is no object, whatever the shape', (_, value) => {
    expect(fits(value, {})).toBe(false);
  });

  test.each<[check: Check, good: unknown, bad: unknown]>([
    ['string', '', 7],
    ['number', 0, '0'],
    ['boolean', false, 0],
    ['object', {}, null],
    ['object', [], undefined],
    [(value) => value === 'ours', 'ours', 'theirs'],
    // A check of its own decides alone.
    [(value) => value === null, null, {}],
  ])('%s: %j and not %j', (check, good, bad) => {
    expect(fits({ field: good }, { field: check })).toBe(true);
    expect(fits({ field: bad }, { field: check })).toBe(false);
    expect(fits({}, { field: check })).toBe(false);
  });

  test('every field has to fit; those that are not named are not looked at', () => {
    expect(fits({ a: 1, b: 'two', c: null }, { a: 'number', b: 'string' })).toBe(true);
    expect(fits({ a: 1, b: 2 }, { a: 'number', b: 'string' })).toBe(false);
    expect(fits({ a: 'one', b: 'two' }, { a: 'number', b: 'string' })).toBe(false);
  });
});

test.each<[unknown, boolean]>([
  [0, true],
  [1, true],
  [2 ** 40, true],
  [0.5, true],
  [-1, false],
  [Number.POSITIVE_INFINITY, false],
  [Number.NaN, false],
  ['1', false],
  [1n, false],
  [null, false],
  [undefined, false],
])('is %s a size: %s', (value, is) => {
  expect(isSize(value)).toBe(is);
});

test('one of a closed list, and nothing that only looks like it', () => {
  const isOne = oneOf(['low', 1]);
  expect([isOne('low'), isOne(1)]).toEqual([true, true]);
  expect([isOne('1'), isOne('high'), isOne(undefined)]).toEqual([false, false, false]);
});
