// Every status times every event, and what an answer of the server does to what is known (invariants 2, 5, 6, 7).

import { describe, expect, test } from 'vitest';
import type { WireError } from '../../src/contracts/errors.js';
import { type UploadState, type UploadStatus, uploadStatuses } from '../../src/contracts/upload.js';
import { type Course, type CourseEvent, initialCourse, transition } from './machine.js';

const error: WireError = { code: 'refused', message: 'no' };

const states: Readonly<Record<UploadStatus, UploadState>> = {
  queued: { status: 'queued' },
  preparing: { status: 'preparing' },
  uploading: { status: 'uploading' },
  waiting: { status: 'waiting', reason: 'backoff', untilMs: 5000 },
  paused: { status: 'paused' },
  completing: { status: 'completing' },
  completed: { status: 'completed', atMs: 1 },
  failed: { status: 'failed', error },
  cancelled: { status: 'cancelled', atMs: 1 },
  lost: { status: 'lost', error },
};

const courseIn = (status: UploadStatus, known: Partial<Course> = {}): Course => ({
  ...initialCourse,
  state: states[status],
  ...known,
});

const events = {
  started: { type: 'started' },
  sending: { type: 'sending', final: false },
  replied: { type: 'replied', reply: { held: [[0, 10]] } },
  'replied, done': { type: 'replied', reply: { done: true }, doneAtMs: 9 },
  completing: { type: 'completing' },
  yielded: { type: 'yielded', before: initialCourse },
  waited: { type: 'waited', reason: 'server', atMs: 7 },
  parked: { type: 'parked', state: { status: 'waiting', reason: 'metered', untilMs: 9 } },
  restarted: { type: 'restarted' },
  shrunk: { type: 'shrunk', maxBytes: 100 },
  failed: { type: 'failed', error },
  lost: { type: 'lost', error },
  freed: { type: 'freed' },
  'hastened for it': { type: 'hastened', reasons: ['offline', 'backoff'], mostAttempts: Infinity },
  'hastened for others': { type: 'hastened', reasons: ['auth', 'server'], mostAttempts: Infinity },
  paused: { type: 'paused' },
  resumed: { type: 'resumed' },
  retried: { type: 'retried' },
  cancelled: { type: 'cancelled', atMs: 3 },
  readded: { type: 'readded' },
} as const satisfies Record<string, CourseEvent>;

/** One column for each status, in the order of `uploadStatuses`; `.` is: does not apply. */
const table: Readonly<Record<keyof typeof events, string>> = {
  //                      queued    preparing  uploading  waiting   completing paused    completed failed    cancelled lost
  started:
    '               preparing preparing  preparing  preparing preparing  .         .         .         .         .',
  sending:
    '               uploading uploading  uploading  uploading uploading  .         .         .         .         .',
  replied:
    '               .         preparing  uploading  .         completing paused    .         .         .         .',
  'replied, done':
    '       .         completed  completed  .         completed  completed .         .         .         .',
  completing:
    '            .         completing completing .         completing .         .         .         .         .',
  yielded:
    '               .         queued     queued     .         .          .         .         .         .         .',
  waited:
    '                .         waiting    waiting    .         waiting    .         .         .         cancelled .',
  parked:
    '                waiting   .          .          .         .          .         .         .         .         .',
  restarted:
    '             .         preparing  uploading  .         completing .         .         .         .         .',
  shrunk:
    '                .         .          uploading  .         .          .         .         .         .         .',
  failed:
    '                failed    failed     failed     failed    failed     .         .         .         .         .',
  lost: '                  lost      lost       lost       .         lost       lost      .         .         .         .',
  freed:
    '                 .         .          .          .         .          .         .         .         cancelled .',
  'hastened for it':
    '     .         .          .          queued    .          .         .         .         .         .',
  'hastened for others':
    ' .         .          .          .         .          .         .         .         .         .',
  paused:
    '                paused    paused     paused     paused    paused     .         .         .         .         .',
  resumed:
    '               .         .          .          queued    .          queued    .         .         .         .',
  retried:
    '               .         .          .          queued    .          .         .         queued    .         .',
  cancelled:
    '             cancelled cancelled  cancelled  cancelled cancelled  cancelled .         cancelled .         cancelled',
  readded:
    '               .         .          .          .         .          .         .         queued    queued    queued',
};

describe('every status, every event', () => {
  for (const [name, row] of Object.entries(table)) {
    const cells = row.trim().split(/\s+/);
    test(name, () => {
      expect(cells).toHaveLength(uploadStatuses.length);
      const got = uploadStatuses.map(
        (status) => transition(courseIn(status), events[name as keyof typeof events])?.state.status ?? '.',
      );
      expect(got).toEqual(cells);
    });
  }

  test('no event changes the course that it was given', () => {
    for (const status of uploadStatuses) {
      for (const event of Object.values(events)) {
        const course = courseIn(status, { held: [[0, 4]], attempt: 2, failingSinceMs: 1, restarts: 1 });
        const before = structuredClone(course);
        transition(course, event);
        expect(course).toEqual(before);
      }
    }
  });

  test('what no event of the worker leaves: a settled upload goes on by a user alone', () => {
    const byUser = new Set(['retried', 'cancelled', 'readded']);
    for (const status of ['completed', 'failed', 'cancelled', 'lost'] as const) {
      for (const [name, event] of Object.entries(events)) {
        const next = transition(courseIn(status), event)?.state.status;
        if (next !== undefined && next !== status && next !== 'lost')
          expect(byUser.has(name), `${status} ${name} ${next}`).toBe(true);
      }
    }
  });
});

const reply = (course: Course, event: Omit<Extract<CourseEvent, { type: 'replied' }>, 'type'>) =>
  transition(course, { type: 'replied', ...event });

describe('an answer of the server', () => {
  const failing = { attempt: 4, failingSinceMs: 100 };

  test('is believed as it is, sorted and joined', () => {
    const held = [
      [20, 30],
      [0, 10],
      [10, 15],
      [5, 7],
      [40, 40],
    ] as const;
    expect(reply(courseIn('uploading'), { reply: { held } })?.held).toEqual([
      [0, 15],
      [20, 30],
    ]);
  });

  test('without a number means that the range just sent is held', () => {
    const after = reply(courseIn('uploading', { held: [[0, 10]] }), { reply: {}, range: [10, 25] });
    expect(after?.held).toEqual([[0, 25]]);
  });

  test('without a number and without a range leaves what is held', () => {
    const after = reply(courseIn('preparing', { held: [[0, 10]], ...failing }), { reply: {} });
    expect(after).toMatchObject({ held: [[0, 10]], ...failing, restarts: 0 });
  });

  test('that shows growth forgets the failures, but not the restarts', () => {
    const after = reply(courseIn('uploading', { held: [[0, 10]], ...failing, restarts: 2 }), {
      reply: { held: [[0, 11]] },
    });
    expect(after).toMatchObject({ attempt: 0, failingSinceMs: null, restarts: 2 });
  });

  test('that shows no growth keeps the failures', () => {
    const after = reply(courseIn('preparing', { held: [[0, 10]], ...failing }), { reply: { held: [[0, 10]] } });
    expect(after).toMatchObject(failing);
  });

  test('that shows less counts a restart, keeps the failures, and forgets that the last byte was sent', () => {
    const course = courseIn('preparing', { held: [[0, 10]], ...failing, finalSent: true, tried: true });
    const after = reply(course, { reply: { held: [[0, 4]] } });
    expect(after).toMatchObject({ held: [[0, 4]], restarts: 1, finalSent: false, tried: true, ...failing });
  });

  test('that shows nothing held after something counts one restart, not more', () => {
    expect(reply(courseIn('preparing', { held: [[0, 10]] }), { reply: { held: [] } })).toMatchObject({
      held: [],
      restarts: 1,
    });
  });

  test('counts for a paused upload as well, and leaves it paused', () => {
    const after = reply(courseIn('paused', { held: [[0, 10]] }), { reply: { held: [[0, 20]] } });
    expect(after).toMatchObject({ held: [[0, 20]], state: { status: 'paused' } });
  });

  test('that says done completes, paused or not, and forgets the failures', () => {
    for (const status of ['preparing', 'uploading', 'completing', 'paused'] as const) {
      const after = reply(courseIn(status, failing), { reply: { held: [[0, 9]], done: true }, doneAtMs: 77 });
      expect(after).toMatchObject({ state: { status: 'completed', atMs: 77 }, attempt: 0, failingSinceMs: null });
    }
  });

  test('marks the upload as created, with the adapter’s state if there is one', () => {
    expect(reply(courseIn('preparing'), { reply: {} })?.remote).toEqual({});
    expect(reply(courseIn('preparing'), { reply: { state: { url: 'a' } } })?.remote).toEqual({ url: 'a' });
    const known = courseIn('uploading', { remote: { url: 'a' } });
    expect(reply(known, { reply: {}, range: [0, 1] })?.remote).toEqual({ url: 'a' });
    expect(reply(known, { reply: { state: { url: 'b' } } })?.remote).toEqual({ url: 'b' });
  });

  test('adds to the limits that were learned', () => {
    const course = courseIn('uploading', { limits: { maxBytes: 5, minBytes: 1 } });
    expect(reply(course, { reply: { limits: { minBytes: 2 } } })?.limits).toEqual({ maxBytes: 5, minBytes: 2 });
    expect(reply(course, { reply: {} })?.limits).toEqual({ maxBytes: 5, minBytes: 1 });
  });
});

describe('counters', () => {
  test('the first byte under way marks the upload as tried, the last one as finally sent; neither is taken back', () => {
    const one = transition(courseIn('preparing'), { type: 'sending', final: false });
    expect(one).toMatchObject({ tried: true, finalSent: false });
    const two = transition(one as Course, { type: 'sending', final: true });
    expect(two).toMatchObject({ tried: true, finalSent: true });
    expect(transition(two as Course, { type: 'sending', final: false })).toMatchObject({ finalSent: true });
  });

  test('what gave way before its first request is as if it had not been about to', () => {
    const { tried, finalSent } = initialCourse;
    const about = courseIn('uploading', { tried: true, finalSent: true });
    const after = transition(about, { type: 'yielded', before: { tried, finalSent } });
    expect(after).toMatchObject({ tried: false, finalSent: false });
    expect(transition(about, { type: 'yielded', before: about })).toMatchObject({ tried: true, finalSent: true });
  });

  test('a wait counts an attempt and remembers when the first failure was', () => {
    const wait = { type: 'waited', reason: 'backoff', atMs: 500, untilMs: 900, error } as const;
    const first = transition(courseIn('uploading'), wait);
    expect(first).toMatchObject({
      state: { status: 'waiting', reason: 'backoff', untilMs: 900, error },
      attempt: 1,
      failingSinceMs: 500,
    });
    const second = transition({ ...(first as Course), state: states.preparing }, { ...wait, atMs: 2000 });
    expect(second).toMatchObject({ attempt: 2, failingSinceMs: 500 });
  });

  test('a cancelled upload that could not be freed counts the attempt, and stays cancelled', () => {
    const course = courseIn('cancelled', { attempt: 1, failingSinceMs: 3 });
    expect(transition(course, { type: 'waited', reason: 'backoff', atMs: 500, untilMs: 900 })).toEqual({
      ...course,
      attempt: 2,
    });
  });

  test('a failure at the epoch itself is a failure', () => {
    const first = transition(courseIn('uploading'), { type: 'waited', reason: 'backoff', atMs: 0 });
    const second = transition(
      { ...(first as Course), state: states.preparing },
      { type: 'waited', reason: 'backoff', atMs: 9 },
    );
    expect(second?.failingSinceMs).toBe(0);
  });

  test('a restart forgets the server’s word and what hangs on it, and stays tried', () => {
    const course = courseIn('uploading', {
      held: [[0, 9]],
      remote: { url: 'a' },
      finalSent: true,
      tried: true,
      restarts: 1,
    });
    expect(transition(course, { type: 'restarted' })).toMatchObject({
      held: [],
      remote: null,
      finalSent: false,
      tried: true,
      restarts: 2,
    });
  });

  test('a learned limit stays over pauses, waits and retries', () => {
    let course = transition(courseIn('uploading'), { type: 'shrunk', maxBytes: 64 }) as Course;
    for (const event of [events.paused, events.resumed, events.started, events.failed, events.retried]) {
      course = transition(course, event) as Course;
      expect(course.limits).toEqual({ maxBytes: 64 });
    }
  });

  test('resume, retry and adding again begin with a clean sheet, and keep the server’s word', () => {
    const known = {
      held: [[0, 9]] as const,
      remote: { url: 'a' },
      tried: true,
      finalSent: true,
      attempt: 5,
      failingSinceMs: 3,
    };
    for (const [status, event] of [
      ['paused', events.resumed],
      ['waiting', events.resumed],
      ['failed', events.retried],
      ['waiting', events.retried],
      ['failed', events.readded],
      ['cancelled', events.readded],
      ['lost', events.readded],
    ] as const) {
      expect(transition(courseIn(status, known), event)).toEqual({
        ...courseIn('queued', known),
        attempt: 0,
        failingSinceMs: null,
      });
    }
  });

  test('a start alone is no try, one that makes the remote upload is; neither is taken back', () => {
    expect(transition(courseIn('queued'), { type: 'started' })?.tried).toBe(false);
    expect(transition(courseIn('queued'), { type: 'started', creates: false })?.tried).toBe(false);
    expect(transition(courseIn('queued'), { type: 'started', creates: true })?.tried).toBe(true);
    expect(transition(courseIn('queued', { tried: true }), { type: 'started', creates: false })?.tried).toBe(true);
  });

  test('what was made is forgotten when it is of no use, and only then', () => {
    const known = { held: [[0, 9]] as const, remote: { url: 'a' }, finalSent: true };
    const none = { held: [], remote: null, finalSent: false };
    const made = (event: CourseEvent) => transition(courseIn('uploading', known), event);
    expect(made({ type: 'shrunk', maxBytes: 5 })).toMatchObject({ ...known, limits: { maxBytes: 5 } });
    expect(made({ type: 'shrunk', maxBytes: 5, anew: true })).toMatchObject({ ...none, limits: { maxBytes: 5 } });
    expect(made({ type: 'failed', error })).toMatchObject(known);
    expect(made({ type: 'failed', error, forget: true })).toMatchObject({ ...none, state: { status: 'failed' } });
  });

  test('freeing after a cancel: what was tried in vain is counted; once freed, nothing is known to be held', () => {
    const course = courseIn('cancelled', { held: [[0, 9]], remote: { url: 'a' }, finalSent: true, attempt: 2 });
    expect(transition({ ...course, failingSinceMs: 5 }, events.waited)).toEqual({
      ...course,
      failingSinceMs: 5,
      attempt: 3,
    });
    expect(transition(course, events.freed)).toEqual({
      ...course,
      held: [],
      remote: null,
      finalSent: false,
      state: { status: 'cancelled', atMs: 1, freed: true },
    });
  });

  test('a new upload waits in line, and nothing is known of it', () => {
    expect(initialCourse).toEqual({
      state: { status: 'queued' },
      held: [],
      remote: null,
      limits: {},
      tried: false,
      finalSent: false,
      attempt: 0,
      failingSinceMs: null,
      restarts: 0,
    });
  });

  test('being hastened afresh forgets the failures', () => {
    const course = courseIn('waiting', { attempt: 3, failingSinceMs: 1 });
    expect(transition(course, { type: 'hastened', reasons: ['backoff'], fresh: true })).toMatchObject({
      state: { status: 'queued' },
      attempt: 0,
      failingSinceMs: null,
    });
  });

  test('only retry and adding again forgive restarts', () => {
    expect(transition(courseIn('failed', { restarts: 4 }), events.retried)?.restarts).toBe(0);
    expect(transition(courseIn('lost', { restarts: 4 }), events.readded)?.restarts).toBe(0);
    expect(transition(courseIn('paused', { restarts: 3 }), events.resumed)?.restarts).toBe(3);
  });

  test('being hastened keeps the count of failures, and leaves out who failed too often', () => {
    const course = courseIn('waiting', { attempt: 3, failingSinceMs: 1 });
    const hasten = (mostAttempts: number) =>
      transition(course, { type: 'hastened', reasons: ['backoff'], mostAttempts });
    expect(hasten(3)).toMatchObject({ state: { status: 'queued' }, attempt: 3, failingSinceMs: 1 });
    expect(hasten(2)).toBeUndefined();
  });
});
