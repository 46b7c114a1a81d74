import { describe, expect, test } from 'vitest';
import { type Course, initialCourse } from './machine.js';
import { missingParts } from './parts.js';
import { nextStep, type PlanContext, type Step } from './planning.js';
import { covers, normalize, totalBytes } from './ranges.js';
import type { Limits, Range } from './remote.js';

interface Given extends Partial<Omit<PlanContext, 'adapter'>> {
  readonly parts?: boolean;
  readonly limits?: Limits;
  readonly creates?: boolean;
  readonly held?: readonly Range[];
  readonly learned?: Limits;
  readonly remote?: null;
}

function plan({ held = [], learned = {}, remote, parts, limits = {}, creates, ...context }: Given): Step {
  return nextStep(
    { ...initialCourse, held, limits: learned, remote: remote === null ? null : {} },
    {
      adapter: { limits, ...(parts && { parts: { missing: missingParts } }), ...(creates && { create: () => {} }) },
      sizeBytes: 1000,
      synced: true,
      emptySent: false,
      nextBytes: 100,
      ceilingBytes: Infinity,
      ...context,
    },
  );
}
const send = (...ranges: readonly Range[]): Step => ({ type: 'send', ranges });

describe('before any byte', () => {
  test.each<[string, Given, Step]>([
    ['what must be made is made first', { remote: null, creates: true, synced: false }, { type: 'create' }],
    ['even if the file may be sent blindly', { remote: null, creates: true }, { type: 'create' }],
    ['what need not be made is asked for', { remote: null, synced: false }, { type: 'probe' }],
    ['what was made is asked for', { creates: true, synced: false }, { type: 'probe' }],
    ['a full record that is not current is asked for too', { held: [[0, 1000]], synced: false }, { type: 'probe' }],
    ['a never-tried small file is sent at once', { remote: null }, send([0, 100])],
  ])('%s', (_, given, step) => expect(plan(given)).toEqual(step));
});

test.each([
  ['while it is not known what the server holds', false],
  ['although it holds all of it', true],
])('after a cancel nothing is done but to free it, %s', (_, synced) => {
  const course: Course = { ...initialCourse, state: { status: 'cancelled', atMs: 1 }, held: [[0, 1000]] };
  const context = { adapter: { limits: {}, create: () => {} }, sizeBytes: 1000, synced, emptySent: false };
  expect(nextStep(course, { ...context, nextBytes: 100, ceilingBytes: Infinity })).toEqual({ type: 'abort' });
});

const rest = { minBytes: Number.MAX_SAFE_INTEGER };

describe('one growing prefix', () => {
  test.each<[string, Given, Step]>([
    ['an empty file is sent once', { sizeBytes: 0 }, send([0, 0])],
    ['and is then complete', { sizeBytes: 0, emptySent: true }, { type: 'complete' }],
    ['one byte', { sizeBytes: 1 }, send([0, 1])],
    ['one byte, held', { sizeBytes: 1, held: [[0, 1]] }, { type: 'complete' }],
    ['from the offset on', { held: [[0, 300]] }, send([300, 400])],
    ['a hole is not an offset', { held: [[10, 300]] }, send([0, 100])],
    [
      'what lies behind a hole is sent again',
      {
        held: [
          [0, 50],
          [60, 1000],
        ],
      },
      send([50, 150]),
    ],
    ['exactly the chunk', { sizeBytes: 100 }, send([0, 100])],
    ['a small rest goes along', { sizeBytes: 120 }, send([0, 120])],
    ['also behind an offset', { held: [[0, 880]] }, send([880, 1000])],
    ['a larger one does not', { sizeBytes: 121 }, send([0, 100])],
    ['never beyond the largest body', { sizeBytes: 120, limits: { maxBytes: 100 } }, send([0, 100])],
    ['nor beyond what passes', { sizeBytes: 120, ceilingBytes: 100 }, send([0, 100])],
    ['what passes binds over the chunk', { ceilingBytes: 40 }, send([0, 40])],
    ['the last byte alone', { sizeBytes: 101, limits: { maxBytes: 100 }, held: [[0, 100]] }, send([100, 101])],
    ['the largest body binds over the chunk', { limits: { maxBytes: 40 } }, send([0, 40])],
    ['the smallest body binds over the chunk', { limits: { minBytes: 400 } }, send([0, 400])],
    ['the last body may be smaller', { limits: { minBytes: 400 }, held: [[0, 900]] }, send([900, 1000])],
    ["'rest' is all of it", { limits: rest }, send([0, 1000])],
    ["'rest' of the rest", { limits: rest, held: [[0, 1]] }, send([1, 1000])],
    [
      'a learned limit binds over the adapter’s',
      { limits: { maxBytes: 90 }, learned: { maxBytes: 30 } },
      send([0, 30]),
    ],
    ['a chunk of less than a byte is one byte', { nextBytes: 0 }, send([0, 1])],
    ['held in full', { held: [[0, 1000]] }, { type: 'complete' }],
    ['held beyond the end', { held: [[0, 1001]] }, { type: 'complete' }],
    ['beyond 32 bits', { sizeBytes: 2 ** 40, held: [[0, 2 ** 39]] }, send([2 ** 39, 2 ** 39 + 100])],
  ])('%s', (_, given, step) => expect(plan(given)).toEqual(step));

  test('a limit that the adapter’s options lower later is kept, whatever was learned before', () => {
    expect(plan({ limits: { maxBytes: 20 }, learned: { maxBytes: 30 } })).toEqual(send([0, 20]));
  });

  test('ends, byte for byte, whatever the sizes', () => {
    for (const sizeBytes of [0, 1, 2, 99, 100, 101, 119, 120, 121, 240, 1000]) {
      for (const limits of [{}, { maxBytes: 7 }, { maxBytes: 100 }, { minBytes: 130 }, rest]) {
        let held: readonly Range[] = [];
        let emptySent = false;
        let steps = 0;
        for (let step = plan({ sizeBytes, limits }); step.type === 'send'; ) {
          expect(step.ranges).toHaveLength(1);
          const [range] = step.ranges as readonly [Range];
          expect(range[0]).toBe(totalBytes(held));
          expect(range[1] - range[0]).toBeLessThanOrEqual('maxBytes' in limits ? (limits.maxBytes ?? 0) : sizeBytes);
          held = normalize([...held, range]);
          emptySent = true;
          steps += 1;
          expect(steps).toBeLessThan(200);
          step = plan({ sizeBytes, limits, held, emptySent });
        }
        expect(totalBytes(held)).toBe(sizeBytes);
      }
    }
  });
});

describe('a grid of parts', () => {
  const parts = { parts: true, limits: { partBytes: 300 } } as const;
  test.each<[string, Given, Step]>([
    ['every part', parts, send([0, 300], [300, 600], [600, 900], [900, 1000])],
    ['the last is shorter', { ...parts, held: [[0, 900]] }, send([900, 1000])],
    [
      'holes first',
      {
        ...parts,
        held: [
          [300, 600],
          [900, 1000],
        ],
      },
      send([0, 300], [600, 900]),
    ],
    [
      'a part held in part is sent whole',
      {
        ...parts,
        held: [
          [0, 299],
          [300, 1000],
        ],
      },
      send([0, 300]),
    ],
    ['all held', { ...parts, held: [[0, 1000]] }, { type: 'complete' }],
    ['a grid that fits exactly', { ...parts, sizeBytes: 600, held: [[0, 300]] }, send([300, 600])],
    ['without a grid, the whole', { parts: true }, send([0, 1000])],
    [
      'the grid of the record binds over the adapter’s',
      { ...parts, learned: { partBytes: 500 } },
      send([0, 500], [500, 1000]),
    ],
    [
      'a last part that takes the rest along',
      { ...parts, limits: { partBytes: 300, lastPart: 'larger' } },
      send([0, 300], [300, 600], [600, 1000]),
    ],
    [
      'and is the only one of a file that is smaller than a part',
      { ...parts, sizeBytes: 200, limits: { partBytes: 300, lastPart: 'larger' } },
      send([0, 200]),
    ],
    ['an empty file', { ...parts, sizeBytes: 0 }, send([0, 0])],
    ['an empty file, sent', { ...parts, sizeBytes: 0, emptySent: true }, { type: 'complete' }],
  ])('%s', (_, given, step) => expect(plan(given)).toEqual(step));

  test('any holes are filled and nothing that is held is sent', () => {
    for (let mask = 0; mask < 16; mask += 1) {
      const held = normalize(
        [0, 1, 2, 3].flatMap((cell): Range[] =>
          mask & (1 << cell) ? [[cell * 300, Math.min(1000, cell * 300 + 300)]] : [],
        ),
      );
      const step = plan({ ...parts, held });
      const sent = step.type === 'send' ? step.ranges : [];
      for (const range of sent) expect(covers(held, range)).toBe(false);
      expect(totalBytes(normalize([...held, ...sent]))).toBe(1000);
    }
  });
});
