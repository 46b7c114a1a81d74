// One tab's copy: newest wins, sums are right, the same object until something changes. Invariants 9, 12.

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { UploadError } from './contracts/errors.js';
import { isPending, type UploadId, type UploadSnapshot, type UploadState, uploadStatuses } from './contracts/upload.js';
import { type BackhaulSnapshot, Mirror } from './mirror.js';

const id = (name: string) => name as UploadId;

function upload(
  name: string,
  revision: number,
  state: UploadState,
  more: Partial<UploadSnapshot> = {},
): UploadSnapshot {
  return {
    id: id(name),
    endpoint: 'photos',
    name,
    type: '',
    sizeBytes: 1000,
    lastModifiedMs: 0,
    metadata: {},
    priority: 'normal',
    addedAtMs: 0,
    order: Number(name.replace(/\D/g, '')) || 0,
    revision,
    acknowledgedBytes: 0,
    ...more,
    ...state,
  } as UploadSnapshot;
}
const queued: UploadState = { status: 'queued' };
const uploading: UploadState = { status: 'uploading' };
const completed: UploadState = { status: 'completed', atMs: 1 };

describe('what is newer', () => {
  test('wins; what is older is dropped', () => {
    const mirror = new Mirror('service-worker');
    mirror.apply([upload('1', 5, uploading)]);
    mirror.apply([upload('1', 4, queued)]);
    expect(mirror.get(id('1'))?.status).toBe('uploading');
    mirror.apply([upload('1', 6, completed)]);
    expect(mirror.get(id('1'))?.status).toBe('completed');
  });

  test('is found in one message as well', () => {
    const mirror = new Mirror('service-worker');
    mirror.apply([upload('1', 2, completed), upload('1', 1, queued)]);
    expect(mirror.get(id('1'))?.status).toBe('completed');
    expect(mirror.snapshot().totals.count).toBe(1);
  });

  test('of the same revision brings new figures', () => {
    const mirror = new Mirror('service-worker');
    mirror.apply([upload('1', 1, uploading)]);
    mirror.apply([upload('1', 1, uploading, { bytesPerSecond: 7 })]);
    expect(mirror.get(id('1'))?.bytesPerSecond).toBe(7);
  });
});

describe('a snapshot', () => {
  test('is the same object until something changes', () => {
    const mirror = new Mirror('service-worker');
    const empty = mirror.snapshot();
    expect(mirror.snapshot()).toBe(empty);
    mirror.apply([]);
    expect(mirror.snapshot()).toBe(empty);
    mirror.apply([upload('1', 2, queued)]);
    const one = mirror.snapshot();
    expect(one).not.toBe(empty);
    mirror.apply([upload('1', 1, completed)]);
    expect(mirror.snapshot()).toBe(one);
    expect(one.uploads).toBe(one.uploads);
  });

  test('lists in order of acceptance', () => {
    const mirror = new Mirror('service-worker');
    mirror.apply([upload('3', 1, queued), upload('1', 1, queued), upload('2', 1, queued)]);
    expect(mirror.snapshot().uploads.map(({ name }) => name)).toEqual(['1', '2', '3']);
  });

  test('does not sort a list that nobody reads', () => {
    const mirror = new Mirror('service-worker');
    const sort = vi.spyOn(Array.prototype, 'sort');
    for (let change = 0; change < 100; change += 1) {
      mirror.apply([upload(`${change}`, 1, queued)]);
      expect(mirror.snapshot().totals.count).toBe(change + 1);
    }
    expect(sort).not.toHaveBeenCalled();
    sort.mockRestore();
  });

  test('is a new one after an error, and after the end of it', () => {
    const mirror = new Mirror('service-worker');
    mirror.fail(new UploadError('version-mismatch', 'm'));
    expect(mirror.snapshot().error).toMatchObject({ code: 'version-mismatch' });
    let calls = 0;
    mirror.subscribe(() => {
      calls += 1;
    });
    mirror.replace([], []);
    expect(mirror.snapshot().error).toBeUndefined();
    expect(calls).toBeGreaterThan(0);
  });
});

describe('a listing', () => {
  test('takes away what it lacks, and only what was known when it began', () => {
    const mirror = new Mirror('service-worker');
    mirror.apply([upload('1', 1, queued), upload('2', 1, queued)]);
    const known = mirror.ids();
    mirror.apply([upload('3', 1, queued)]);
    mirror.replace(known, [upload('2', 1, uploading)]);
    expect(mirror.snapshot().uploads.map(({ name, status }) => [name, status])).toEqual([
      ['2', 'uploading'],
      ['3', 'queued'],
    ]);
  });

  test('does not bring back an older state', () => {
    const mirror = new Mirror('service-worker');
    const known = mirror.ids();
    mirror.apply([upload('1', 9, completed)]);
    mirror.replace(known, [upload('1', 3, uploading)]);
    expect(mirror.get(id('1'))?.status).toBe('completed');
  });
});

test.each<UploadState>([
  { status: 'waiting', reason: 'auth', error: { code: 'unauthorized', message: '/upload answered 401' } },
  { status: 'failed', error: { code: 'unauthorized', message: '/upload answered 401' } },
])('the error of one that is $status says what to do', (state) => {
  const mirror = new Mirror('service-worker');
  mirror.apply([upload('1', 1, state)]);
  expect(mirror.get(id('1'))).toMatchObject({ error: { message: '/upload answered 401. Sign in, then resume.' } });
});

describe('a database that was made anew', () => {
  const waiting: UploadState = { status: 'waiting', reason: 'backoff', untilMs: 5 };
  const failed: UploadState = { status: 'failed', error: { code: 'refused', message: 'no' } };
  const cancelled: UploadState = { status: 'cancelled', atMs: 1 };
  const shown = (mirror: Mirror) => mirror.snapshot().uploads.map(({ name, status }) => [name, status]);

  /** Knows one upload in each state, from a database that was there before the worker. */
  function filled() {
    const mirror = new Mirror('service-worker');
    mirror.replace([], []);
    const states = [queued, waiting, { status: 'paused' } as const, failed, completed, cancelled];
    mirror.apply(states.map((state, index) => upload(`${index}`, 1, state, { bytesPerSecond: 7 })));
    return mirror;
  }

  test('makes lost what had not ended, by name, for good', () => {
    const mirror = filled();
    mirror.replace(mirror.ids(), [upload('7', 1, queued)], 100);
    const lost = ['0', '1', '2', '3'].map((name) => [name, 'lost']);
    expect(shown(mirror)).toEqual([...lost, ['7', 'queued']]);
    expect(mirror.get(id('1'))).toEqual(
      upload('1', 1, {
        status: 'lost',
        error: { code: 'bytes-lost', message: expect.stringContaining('"1"'), uploadId: '1' },
      }),
    );
    // Neither a later listing nor what was said too late changes that.
    mirror.replace(mirror.ids(), [upload('7', 1, queued)], 100);
    mirror.replace(mirror.ids(), [upload('7', 1, queued)]);
    mirror.apply([upload('0', 2, uploading)]);
    expect(shown(mirror)).toEqual([...lost, ['7', 'queued']]);
    expect(mirror.snapshot().totals.byStatus).toMatchObject({ lost: 4, queued: 1 });
  });

  test.each<[string, number | undefined, number | undefined]>([
    ['the same one', 100, 100],
    ['the same one, of a worker that was started anew', 100, undefined],
    ['one that was always there', undefined, undefined],
  ])('is not %s: what it lacks, another tab removed', (_, before, after) => {
    const mirror = new Mirror('service-worker');
    mirror.replace([], [], before);
    mirror.apply([upload('1', 1, queued)]);
    mirror.replace(mirror.ids(), [], after);
    expect(shown(mirror)).toEqual([]);
  });

  test('is noticed again after a worker that knew nothing of the first time', () => {
    const mirror = new Mirror('service-worker');
    mirror.replace([], [], 100);
    mirror.replace([], []);
    mirror.apply([upload('1', 1, queued)]);
    mirror.replace(mirror.ids(), [], 200);
    expect(shown(mirror)).toEqual([['1', 'lost']]);
  });

  test('has nothing lost that was removed before', () => {
    const mirror = filled();
    const known = mirror.ids();
    mirror.remove([id('0')]);
    mirror.replace(known, [], 100);
    mirror.remove([id('1')]);
    expect(shown(mirror)).toEqual([
      ['2', 'lost'],
      ['3', 'lost'],
    ]);
  });

  test('the same file added again takes the place of what was lost', () => {
    const mirror = filled();
    mirror.replace(mirror.ids(), [], 100);
    mirror.apply([{ ...upload('9', 1, queued), name: '1' }]);
    // Another one of that name.
    mirror.apply([{ ...upload('8', 1, queued), name: '2', sizeBytes: 7 }]);
    expect(mirror.snapshot().uploads.map((each) => [each.id, each.status])).toEqual([
      ['0', 'lost'],
      ['2', 'lost'],
      ['3', 'lost'],
      ['8', 'queued'],
      ['9', 'queued'],
    ]);
  });

  test('what was lost is forgotten when somebody says so', () => {
    const mirror = filled();
    mirror.replace(mirror.ids(), [upload('7', 1, queued)], 100);
    expect(mirror.forget(({ name }) => name === '1' || name === '7')).toEqual(['1']);
    expect(mirror.forget(() => true)).toEqual(['0', '2', '3']);
    expect(shown(mirror)).toEqual([['7', 'queued']]);
  });
});

describe('listeners', () => {
  test('hear each change once, and nothing after they have left', () => {
    const mirror = new Mirror('service-worker');
    const heard: BackhaulSnapshot[] = [];
    const leave = mirror.subscribe(() => heard.push(mirror.snapshot()));
    mirror.apply([upload('1', 1, queued), upload('2', 1, queued)]);
    mirror.apply([upload('1', 1, queued, { revision: 0 })]);
    mirror.remove([id('1')]);
    mirror.remove([]);
    expect(heard.map(({ totals }) => totals.count)).toEqual([2, 1]);
    leave();
    mirror.remove([id('2')]);
    expect(heard).toHaveLength(2);
  });

  test('may leave, and come, while they are called', () => {
    const mirror = new Mirror('service-worker');
    const heard: string[] = [];
    const leave = mirror.subscribe(() => {
      heard.push('first');
      leave();
      mirror.subscribe(() => heard.push('late'));
    });
    mirror.subscribe(() => heard.push('second'));
    mirror.apply([upload('1', 1, queued)]);
    expect(heard).toEqual(['first', 'second']);
  });
});

describe('totals', () => {
  beforeEach(() => void vi.useFakeTimers({ now: 1_000_000, toFake: ['Date'] }));
  afterEach(() => void vi.useRealTimers());

  const recount = (uploads: readonly UploadSnapshot[]) => ({
    count: uploads.length,
    byStatus: Object.fromEntries(
      uploadStatuses.map((status) => [status, uploads.filter((each) => each.status === status).length]),
    ),
    sizeBytes: uploads.reduce((sum, each) => sum + each.sizeBytes, 0),
    acknowledgedBytes: uploads.reduce((sum, each) => sum + each.acknowledgedBytes, 0),
  });

  const states: readonly UploadState[] = [
    queued,
    { status: 'preparing' },
    uploading,
    { status: 'waiting', reason: 'backoff', untilMs: 5 },
    { status: 'waiting', reason: 'auth' },
    { status: 'paused' },
    { status: 'completing' },
    completed,
    { status: 'failed', error: { code: 'refused', message: 'm' } },
    { status: 'cancelled', atMs: 1 },
    { status: 'lost', error: { code: 'bytes-lost', message: 'm' } },
  ];

  test('by differences equal a recount, after any history', () => {
    let seed = 99;
    const random = (below: number) => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed % below;
    };
    const mirror = new Mirror('service-worker');
    for (let change = 0; change < 3000; change += 1) {
      const name = `${random(40)}`;
      if (random(10) === 0) mirror.remove([id(name), id('nobody')]);
      else if (random(30) === 0) {
        const uploads = mirror.snapshot().uploads;
        mirror.replace(
          mirror.ids(),
          uploads.filter(() => random(4) > 0),
        );
      } else {
        const state = states[random(states.length)] ?? queued;
        const sizeBytes = mirror.get(id(name))?.sizeBytes ?? random(5000);
        mirror.apply([upload(name, random(50), state, { sizeBytes, acknowledgedBytes: random(sizeBytes + 1) })]);
      }
      const { uploads, totals } = mirror.snapshot();
      expect(totals).toMatchObject(recount(uploads));
      const working = uploads.some(
        (each) => isPending(each.status) && !(each.status === 'waiting' && each.untilMs === undefined),
      );
      expect(mirror.working).toBe(working);
    }
  });

  test('speed is what was acknowledged over the time it took; 0 while nothing is under way', () => {
    const mirror = new Mirror('service-worker');
    const at = (ms: number, revision: number, acknowledgedBytes: number, state: UploadState = uploading) => {
      vi.setSystemTime(1_000_000 + ms);
      mirror.apply([upload('1', revision, state, { sizeBytes: 10_000, acknowledgedBytes })]);
      return mirror.snapshot().totals;
    };
    expect(at(0, 1, 0)).toMatchObject({ bytesPerSecond: 0 });
    expect(at(1000, 2, 1000)).not.toHaveProperty('remainingMs');
    expect(at(2000, 3, 3000)).toMatchObject({ bytesPerSecond: 2000, remainingMs: 3500 });
    expect(at(3000, 4, 3000, { status: 'waiting', reason: 'backoff', untilMs: 1 })).toMatchObject({
      bytesPerSecond: 0,
    });
  });

  test('speed forgets what was long ago', () => {
    const mirror = new Mirror('service-worker');
    const at = (ms: number, revision: number, acknowledgedBytes: number) => {
      vi.setSystemTime(1_000_000 + ms);
      mirror.apply([upload('1', revision, uploading, { sizeBytes: 10 ** 9, acknowledgedBytes })]);
      return mirror.snapshot().totals.bytesPerSecond;
    };
    at(0, 1, 0);
    at(1, 2, 500_000_000);
    at(20_000, 3, 500_001_000);
    expect(at(21_000, 4, 500_002_000)).toBeLessThan(10_000);
  });

  test('a server that lost bytes makes no negative speed', () => {
    const mirror = new Mirror('service-worker');
    for (const [revision, acknowledgedBytes] of [
      [1, 0],
      [2, 900],
      [3, 0],
      [4, 100],
    ] as const) {
      vi.setSystemTime(1_000_000 + revision * 1000);
      mirror.apply([upload('1', revision, uploading, { acknowledgedBytes })]);
      expect(mirror.snapshot().totals.bytesPerSecond).toBeGreaterThanOrEqual(0);
    }
  });
});

test('what was removed does not come back from a listing that began before', () => {
  const mirror = new Mirror('service-worker');
  const upload = {
    id: 'a',
    order: 1,
    revision: 1,
    status: 'completed',
    sizeBytes: 1,
    acknowledgedBytes: 1,
  } as UploadSnapshot;
  mirror.apply([upload]);
  mirror.remove([upload.id]);
  mirror.replace([], [upload]);
  expect(mirror.snapshot().uploads).toEqual([]);
});
