// The life of one upload as a pure function: what an event makes of its durable part. Every status and every
// retry counter changes here and nowhere else; there are no flags beside it.

import type { WireError } from '../../src/contracts/errors.js';
import { pendingStatuses, type UploadState, type UploadStatus, type WaitReason } from '../../src/contracts/upload.js';
import { normalize, totalBytes } from './ranges.js';
import type { AdapterState, Limits, Range, Reply } from './remote.js';

/** The durable part of an upload that changes. Together with the bytes it is enough to go on after any stop. */
export interface Course {
  readonly state: UploadState;
  /** The server's word, as last committed. */
  readonly held: readonly Range[];
  /** Null until the adapter's `create` was answered (or was found not to be needed). */
  readonly remote: AdapterState | null;
  /** Learned from this server for this upload; over the adapter's own. */
  readonly limits: Limits;
  /** A byte may have left the device: from now on the server is asked before anything is sent. */
  readonly tried: boolean;
  /** The last byte may have left the device, whatever became of its answer. */
  readonly finalSent: boolean;
  /** Failures since the server last held more than before. 0-based: the number of the next attempt. */
  readonly attempt: number;
  /** Epoch of the first of those failures. */
  readonly failingSinceMs: number | null;
  /** How often the server was found to hold less than it had said. */
  readonly restarts: number;
}

export type CourseEvent =
  // from the runner
  /** `creates`: a request that makes the remote upload may leave the device. */
  | { readonly type: 'started'; readonly creates?: boolean }
  | { readonly type: 'sending'; readonly final: boolean }
  /** `range`: what was sent, if it was a send. `doneAtMs`: the server has finished the file. */
  | {
      readonly type: 'replied';
      readonly reply: Reply;
      readonly range?: Range | undefined;
      readonly doneAtMs?: number | undefined;
    }
  | { readonly type: 'completing' }
  /** Nothing was asked or sent after all: all is as it was `before` it was about to be. */
  | { readonly type: 'yielded'; readonly before: Pick<Course, 'tried' | 'finalSent'> }
  | {
      readonly type: 'waited';
      readonly reason: WaitReason;
      readonly atMs: number;
      readonly untilMs?: number | undefined;
      readonly error?: WireError | undefined;
    }
  /** Not now, like all others of its endpoint: it wants a sign-in first, or a policy holds it up. */
  | { readonly type: 'parked'; readonly state: Extract<UploadState, { status: 'waiting' }> }
  | { readonly type: 'restarted' }
  /** `anew`: the parts on the server have the wrong size. */
  | { readonly type: 'shrunk'; readonly maxBytes: number; readonly anew?: boolean }
  /** `forget`: what was made on the server is of no use to a retry. */
  | { readonly type: 'failed'; readonly error: WireError; readonly forget?: boolean }
  | { readonly type: 'lost'; readonly error: WireError }
  /** After a cancel: the server holds nothing any more, as far as it can be told. */
  | { readonly type: 'freed' }
  // from a wake that makes waiting pointless
  | {
      readonly type: 'hastened';
      readonly reasons: readonly WaitReason[];
      /** Those that failed more often stay. Default: none do. */
      readonly mostAttempts?: number;
      /** What failed before no longer counts. */
      readonly fresh?: boolean;
    }
  // from the user
  | { readonly type: 'paused' }
  | { readonly type: 'resumed' }
  | { readonly type: 'retried' }
  | { readonly type: 'cancelled'; readonly atMs: number }
  /** The same file was handed over again. */
  | { readonly type: 'readded' };

export const initialCourse: Course = {
  state: { status: 'queued' },
  held: [],
  remote: null,
  limits: {},
  tried: false,
  finalSent: false,
  attempt: 0,
  failingSinceMs: null,
  restarts: 0,
};

const sending: readonly UploadStatus[] = ['preparing', 'uploading'];
const underWay: readonly UploadStatus[] = [...sending, 'completing'];

const queued = { status: 'queued' } as const;
const fresh = { attempt: 0, failingSinceMs: null } as const;
/** The server has nothing of it. */
const unmade = { held: [], remote: null, finalSent: false } as const;

type Rules = {
  readonly [Type in CourseEvent['type']]: readonly [
    /** The states in which the event applies. */
    from: readonly UploadStatus[],
    /** What it changes; undefined where it does not apply after all. */
    changes: (event: Extract<CourseEvent, { type: Type }>, course: Course) => Partial<Course> | undefined,
  ];
};

const goesOn = () => ({ ...fresh, state: queued, restarts: 0 });

const rules: Rules = {
  // Found `uploading` after a stop is like any other start: the server is asked anew.
  started: [
    pendingStatuses,
    ({ creates = false }, { tried }) => ({ state: { status: 'preparing' }, tried: tried || creates }),
  ],
  // A file that was never tried is sent without a question first.
  sending: [
    // `completing`: the server turned out to lack parts.
    pendingStatuses,
    ({ final }, { finalSent }) => ({ state: { status: 'uploading' }, tried: true, finalSent: finalSent || final }),
  ],
  // A pause does not unsay what the server has said meanwhile.
  replied: [[...underWay, 'paused'], merge],
  // What was never tried after all needs no question the next time.
  yielded: [sending, ({ before: { tried, finalSent } }) => ({ state: queued, tried, finalSent })],
  completing: [underWay, () => ({ state: { status: 'completing' } })],
  waited: [
    [...underWay, 'cancelled'],
    ({ reason, atMs, untilMs, error }, { state, attempt, failingSinceMs }) => ({
      // What was cancelled stays so; what it has at the server is freed later.
      state: state.status === 'cancelled' ? state : { status: 'waiting', reason, untilMs, error },
      attempt: attempt + 1,
      failingSinceMs: failingSinceMs ?? atMs,
    }),
  ],
  parked: [['queued'], ({ state }) => ({ state })],
  restarted: [underWay, (_, { restarts }) => ({ ...unmade, restarts: restarts + 1 })],
  // Only a body is too large, and none leaves before `sending`.
  shrunk: [
    ['uploading'],
    ({ maxBytes, anew }, { limits }) => ({ ...(anew && unmade), limits: { ...limits, maxBytes } }),
  ],
  failed: [pendingStatuses, ({ error, forget }) => ({ ...(forget && unmade), state: { status: 'failed', error } })],
  // Found when they are needed, or the file comes again; whoever was paused meanwhile is told as well.
  lost: [['queued', ...underWay, 'paused'], ({ error }) => ({ state: { status: 'lost', error } })],
  freed: [['cancelled'], (_, { state }) => ({ ...unmade, state: { ...state, freed: true } as UploadState })],
  hastened: [
    ['waiting'],
    ({ reasons, mostAttempts = Infinity, fresh: anew }, { state, attempt }) =>
      state.status === 'waiting' && reasons.includes(state.reason) && attempt <= mostAttempts
        ? { ...(anew && fresh), state: queued }
        : undefined,
  ],
  paused: [pendingStatuses, () => ({ state: { status: 'paused' } })],
  resumed: [['paused', 'waiting'], () => ({ ...fresh, state: queued })],
  retried: [['failed', 'waiting'], goesOn],
  cancelled: [
    [...pendingStatuses, 'paused', 'failed', 'lost'],
    ({ atMs }) => ({ ...fresh, state: { status: 'cancelled', atMs } }),
  ],
  readded: [['failed', 'cancelled', 'lost'], goesOn],
};

/** What `event` makes of `course`; undefined where it does not apply, and then nothing may change. */
export function transition(course: Course, event: CourseEvent): Course | undefined {
  const [from, changesOf] = rules[event.type];
  // The rule of an event's own type takes that event; TypeScript cannot pair the two.
  const changes = from.includes(course.state.status) ? changesOf(event as never, course) : undefined;
  return changes && { ...course, ...changes };
}

function merge(
  { reply, range, doneAtMs }: Extract<CourseEvent, { type: 'replied' }>,
  { held: known, remote, limits, restarts }: Course,
): Partial<Course> {
  const held = normalize(reply.held ?? (range ? [...known, range] : known));
  const gained = totalBytes(held) - totalBytes(known);
  return {
    held,
    remote: reply.state ?? remote ?? {},
    limits: { ...limits, ...reply.limits },
    ...(gained > 0 && fresh),
    // Less than it once said: it lost bytes, and so may have lost the end as well.
    ...(gained < 0 && { restarts: restarts + 1, finalSent: false }),
    ...(doneAtMs !== undefined && { ...fresh, state: { status: 'completed', atMs: doneAtMs } }),
  };
}
