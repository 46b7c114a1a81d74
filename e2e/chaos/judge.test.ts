// The judge of the soak must see what it is there to see.
import { expect, test } from 'vitest';
import type { LinkRequest } from '../harness/link.js';
import { acknowledgedSentAgain, compare } from './judge.js';

const patch = (
  offset: number,
  bodyBytes: number,
  startedAtMs: number,
  more: Partial<LinkRequest> = {},
): LinkRequest => ({
  method: 'PATCH',
  path: '/api/tus/a',
  headers: { 'upload-offset': String(offset) },
  fileId: undefined,
  startByte: undefined,
  sizeBytes: undefined,
  bodyBytes,
  bodyBytesForwarded: bodyBytes,
  startedAtMs,
  endedAtMs: startedAtMs + 10,
  status: 204,
  outcome: 'answered',
  ...more,
});

test.each<[string, readonly LinkRequest[], number]>([
  ['bytes that follow each other', [patch(0, 100, 0), patch(100, 50, 20)], 0],
  ['all of them again', [patch(0, 100, 0), patch(0, 100, 20)], 100],
  ['some of them again', [patch(0, 100, 0), patch(60, 100, 20)], 40],
  ['only what went through counts', [patch(0, 100, 0), patch(0, 100, 20, { bodyBytesForwarded: 7 })], 7],
  ['what was refused confirms nothing', [patch(0, 100, 0, { status: 409 }), patch(0, 100, 20)], 0],
  ['nor what was lost', [patch(0, 100, 0, { outcome: 'dropped' }), patch(0, 100, 20)], 0],
  ['nor what came too late to be known', [patch(0, 100, 0), patch(0, 100, 5)], 0],
  ['another upload is another matter', [patch(0, 100, 0), patch(0, 100, 20, { path: '/api/tus/b' })], 0],
])('%s', (_, requests, again) => {
  expect(acknowledgedSentAgain(requests, [])).toBe(again);
});

test('an answer that met a harm was perhaps not heard, one beside it was', () => {
  const requests = [patch(0, 100, 100), patch(0, 100, 120)];
  expect(acknowledgedSentAgain(requests, [[105, 106]])).toBe(0);
  expect(acknowledgedSentAgain(requests, [[111, 112]])).toBe(100);
});

test('each source once, and nothing else', () => {
  const file = (name: string, sha256 = name) => ({ name, sha256 });
  const sources = [file('a'), file('b'), file('c')];
  expect(compare(sources, [file('c'), file('b'), file('a')])).toEqual({ lost: [], doubled: [], foreign: [] });
  expect(compare(sources, [file('a'), file('a'), file('c', 'cut')])).toEqual({
    lost: ['b', 'c'],
    doubled: ['a'],
    foreign: ['c'],
  });
});
