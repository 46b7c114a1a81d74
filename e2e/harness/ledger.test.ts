// The judgement, by tables: a judge that cannot say "guilty" proves nothing.
import { describe, expect, it } from 'vitest';
import {
  acknowledgedBytesSentAgain,
  deliveries,
  fileIds,
  firstByteAfter,
  type LedgerLine,
  maxConcurrentWriters,
  parseLedgerLine,
  withoutRepeats,
} from './ledger.js';

type Part = Partial<LedgerLine>;
const line = (event: string, atMs: number, part: Part = {}): LedgerLine => ({
  event,
  atMs,
  run: 1,
  fileId: 'f',
  ...part,
});
const status = (atMs: number, answeredBytes: number, part: Part = {}) =>
  line('status', atMs, { answeredBytes, heldBytes: answeredBytes, sizeBytes: 100, ...part });
const post = (startedAtMs: number, atMs: number, startByte: number, receivedBytes: number, part: Part = {}) =>
  line('upload', atMs, {
    startedAtMs,
    startByte,
    receivedBytes,
    acceptedBytes: receivedBytes,
    sizeBytes: 100,
    heldBytes: startByte + receivedBytes,
    ...part,
  });

describe('parseLedgerLine', () => {
  it('takes log lines and nothing else', () => {
    const text = '{"event":"upload","fileId":"f","requestId":3,"atMs":5,"heldBytes":"x","outcome":"cut"}';
    expect(parseLedgerLine(text, 2)).toEqual({
      event: 'upload',
      fileId: 'f',
      requestId: 3,
      atMs: 5,
      outcome: 'cut',
      run: 2,
    });
    for (const other of ['Backhaul demo: http://localhost:1', '{"event":"upl', '{"level":30}', '']) {
      expect(parseLedgerLine(other, 1)).toBeUndefined();
    }
  });

  it('lists ids in order', () => {
    expect(fileIds([status(1, 0), status(2, 0, { fileId: 'b' }), line('exit', 3), status(4, 0)])).toEqual(['f', 'b']);
  });
});

describe('acknowledgedBytesSentAgain', () => {
  it.each<[string, LedgerLine[], number]>([
    ['nothing known yet', [post(1, 2, 0, 50), post(3, 4, 0, 50)], 0],
    ['going on at the number', [status(1, 40), post(2, 3, 40, 60)], 0],
    ['beginning below the number', [status(1, 40), post(2, 3, 10, 90)], 30],
    ['ending below the number', [status(1, 40), post(2, 3, 10, 5)], 5],
    ['answered only while under way', [status(2, 40), post(1, 3, 0, 50)], 0],
    [
      'acknowledged by the answer to a POST',
      [post(1, 2, 0, 50, { answeredBytes: 50, answeredAtMs: 2 }), post(3, 4, 0, 50)],
      50,
    ],
    ['a number that fell counts as its highest', [status(1, 40), status(2, 10), post(3, 4, 10, 5)], 5],
    ['thrown away, but sent', [status(1, 100), post(2, 3, 0, 100, { acceptedBytes: 0 })], 100],
    ['another file', [status(1, 40, { fileId: 'b' }), post(2, 3, 0, 50)], 0],
    ['a server that died in it', [status(1, 40), line('first-byte', 3, { requestId: 2, startByte: 0 })], 1],
    ['a server that died in a good one', [status(1, 40), line('first-byte', 3, { requestId: 2, startByte: 40 })], 0],
  ])('%s', (_name, lines, expected) => {
    expect(acknowledgedBytesSentAgain(lines, 'f')).toBe(expected);
  });

  it('leaves out answers that nobody heard', () => {
    const lines = [post(1, 2, 0, 100, { requestId: 7, answeredBytes: 100, answeredAtMs: 2 }), post(3, 4, 0, 100)];
    expect(acknowledgedBytesSentAgain(lines, 'f', ({ requestId }) => requestId !== 7)).toBe(0);
  });
});

describe('maxConcurrentWriters', () => {
  const writer = (from: number, until: number, part: Part = {}) =>
    post(from, until, 0, 1, { writerFromMs: from, writerUntilMs: until, requestId: from, ...part });
  it.each<[string, LedgerLine[], number]>([
    ['none', [status(1, 0), post(1, 2, 0, 0)], 0],
    ['one after the other, without a gap', [writer(1, 5), writer(5, 9)], 1],
    ['two that meet', [writer(1, 5), writer(4, 9)], 2],
    ['one inside two', [writer(1, 9), writer(2, 8), writer(3, 4)], 3],
    ['two files', [writer(1, 5), writer(1, 5, { fileId: 'b' })], 1],
    [
      'one cut short by the end of its server',
      [line('first-byte', 1, { requestId: 1 }), line('exit', 3), writer(4, 9, { run: 2 })],
      1,
    ],
    ['one that never ended', [line('first-byte', 1, { requestId: 1 }), writer(4, 9)], 2],
  ])('%s', (_name, lines, expected) => {
    expect(maxConcurrentWriters(lines, 'f')).toBe(expected);
  });
});

describe('deliveries', () => {
  it.each<[string, LedgerLine[], number]>([
    ['never', [status(1, 0), post(1, 2, 0, 50)], 0],
    ['once, in two pieces, asked about after', [post(1, 2, 0, 50), post(3, 4, 50, 50), status(5, 100)], 1],
    ['once, seen only by a status after a crash', [post(1, 2, 0, 50), line('exit', 3), status(5, 100)], 1],
    [
      'once, the last piece sent twice',
      [post(1, 2, 0, 100), post(3, 4, 0, 100, { acceptedBytes: 0, heldBytes: 100 })],
      1,
    ],
    ['twice', [post(1, 2, 0, 100), post(3, 4, 0, 100)], 2],
    ['twice, forgotten between', [post(1, 2, 0, 100), status(3, 0), post(3, 4, 0, 100)], 2],
    ['an empty file, once', [post(1, 2, 0, 0, { sizeBytes: 0 }), status(3, 0, { sizeBytes: 0 })], 1],
  ])('%s', (_name, lines, expected) => {
    expect(deliveries(lines, 'f')).toBe(expected);
  });
});

it('firstByteAfter gives the first one at or after the moment', () => {
  const lines = [line('first-byte', 10), line('first-byte', 20, { fileId: 'b' }), line('first-byte', 30)];
  expect([0, 10, 11, 31].map((atMs) => firstByteAfter(lines, 'f', atMs))).toEqual([10, 10, 30, undefined]);
});

describe('withoutRepeats', () => {
  const start = (atMs: number, requestId: number, startByte: number) =>
    line('upload-start', atMs, { requestId, startByte });
  const again = (lines: readonly LedgerLine[]) => acknowledgedBytesSentAgain(withoutRepeats(lines, 'f'), 'f');

  it('leaves out what a browser sent twice, and nothing else', () => {
    const told = [status(1, 10, { requestId: 1 }), start(2, 2, 10), start(5, 3, 10)];
    const ends = [
      post(2, 4, 10, 5, { requestId: 2, answeredBytes: 20, acceptedBytes: 0 }),
      post(5, 7, 10, 7, { requestId: 3, answeredBytes: 20, acceptedBytes: 0 }),
    ];
    expect(acknowledgedBytesSentAgain([...told, ...ends], 'f')).toBe(7);
    expect(again([...told, ...ends])).toBe(0);
    // With a question between it was the library.
    const asked = [...told.slice(0, 2), status(4.5, 20, { requestId: 9 }), ...told.slice(2)];
    expect(again([...asked, ...ends])).toBe(7);
    // From another byte, too.
    const moved = [...told.slice(0, 2), start(5, 3, 8)];
    expect(
      again([...moved, post(2, 4, 10, 5, { requestId: 2, answeredBytes: 20 }), post(5, 7, 8, 7, { requestId: 3 })]),
    ).toBe(7);
  });
});
