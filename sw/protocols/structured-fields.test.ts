// RFC 9651, as far as it is used.

import { describe, expect, test } from 'vitest';
import { booleanItem, dictionary } from './structured-fields.js';

describe('a boolean item', () => {
  test.each([
    ['?1', true],
    ['?0', false],
    [' ?1 ', true],
    ['?1;a', true],
    ['?0; a=1;b="x"', false],
  ])('%j is %s', (value, expected) => expect(booleanItem(value)).toBe(expected));

  test.each([null, '', '1', 'true', '?2', '?', '? 1', '?1, ?1', '?1 x', '"?1"', '?11', '?1;A', '?1;'])(
    '%j is none',
    (value) => {
      expect(booleanItem(value)).toBeUndefined();
    },
  );
});

describe('a dictionary', () => {
  test.each<[string, Record<string, string>]>([
    ['', {}],
    ['max-size=1', { 'max-size': '1' }],
    [
      'max-size=1000000000, min-append-size=5 ,\tmax-age=3600',
      { 'max-size': '1000000000', 'min-append-size': '5', 'max-age': '3600' },
    ],
    ['a=1,a=2', { a: '2' }],
    [
      'a=-1, b=1.5, c="x, y=\\"1\\"", d=tok/en:1, e=:YWJj:, f=?0, g=@1, h, i=(1 "a b");p=1, j=();q, k=%"x"',
      {
        a: '-1',
        b: '1.5',
        c: '"x, y=\\"1\\""',
        d: 'tok/en:1',
        e: ':YWJj:',
        f: '?0',
        g: '@1',
        h: '?1',
        i: '(1 "a b")',
        j: '()',
        k: '%"x"',
      },
    ],
    ['a;x=1, b=2;y="z,";w', { a: '?1', b: '2' }],
    ['*a_b-c.d=1', { '*a_b-c.d': '1' }],
  ])('%j has its members', (value, members) => expect(Object.fromEntries(dictionary(value))).toEqual(members));

  test.each([
    null,
    'A=1',
    'a=1,',
    ',a=1',
    'a=1 b=2',
    'a=1,,b=2',
    'a = 1',
    'a=',
    'a=1;',
    'a="x',
    'a=(1',
    'a=1.',
    'a=1234567890123456',
    '=1',
    'a=é',
    '1=1',
  ])('%j is none: it is as if it were not there', (value) => expect(dictionary(value).size).toBe(0));

  test('is parsed in linear time', () => {
    const startedAt = performance.now();
    dictionary(`a=(${'1 '.repeat(50_000)}`);
    dictionary(`a=${'"\\'.repeat(50_000)}`);
    dictionary(`${'a;b'.repeat(50_000)}=`);
    expect(performance.now() - startedAt).toBeLessThan(500);
  });
});
