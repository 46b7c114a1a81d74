// The life of one upload as a pure function: what an event makes of its durable part. Every status and every
// retry counter changes here and nowhere else; there are no flags beside it.

import type { WireError } from '../../src/contracts/errors.js';
import type { UploadState, UploadStatus, WaitReason } from '../../src/contracts/upload.js';
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
  | { readonly type: 'started' }
  | { readonly type: 'sending'; readonly final: boolean }
  /** `range`: what was sent, if it was a send. `doneAtMs`: the server has finished the file. */
  | {
      readonly type: 'replied';
      readonly reply: Reply;
      readonly range?: Range | undefined;
      readonly doneAtMs?: number | undefined;
    }
  | { readonly type: 'completing' }
  | {
      readonly type: 'waited';
      readonly reason: WaitReason;
      readonly atMs: number;
      readonly untilMs?: number | undefined;
      readonly error?: WireError | undefined;
    }
  | { readonly type: 'restarted' }
  | { readonly type: 'shrunk'; readonly maxBytes: number }
  | { readonly type: 'failed'; readonly error: WireError }
  | { readonly type: 'lost'; readonly error: WireError }
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
const pending: readonly UploadStatus[] = ['queued', 'waiting', ...underWay];

/** The states in which each event applies. */
const from: Readonly<Record<CourseEvent['type'], readonly UploadStatus[]>> = {
  // Found `uploading` after a stop is like any other start: the server is asked anew.
  started: pending,
  // A file that was never tried is sent without a question first.
  sending: ['queued', 'waiting', ...sending],
  // A pause does not unsay what the server has said meanwhile.
  replied: [...underWay, 'paused'],
  completing: sending,
  waited: underWay,
  restarted: underWay,
  shrunk: underWay,
  failed: pending,
  lost: [...pending, 'paused', 'failed'],
  hastened: ['waiting'],
  paused: pending,
  resumed: ['paused', 'waiting'],
  retried: ['failed', 'waiting'],
  cancelled: [...pending, 'paused', 'failed', 'lost'],
  readded: ['failed', 'cancelled', 'lost'],
};

const queued = { status: 'queued' } as const;
const fresh = { attempt: 0, failingSinceMs: null } as const;

/** What `event` makes of `course`; undefined where it does not apply, and then nothing may change. */
export function transition(course: Course, event: CourseEvent): Course | undefined {
  const { state, limits, finalSent, attempt } = course;
  if (!from[event.type].includes(state.status)) return undefined;
  const to = (next: UploadState, changes: Partial<Course> = {}): Course => ({ ...course, ...changes, state: next });
  switch (event.type) {
    case 'started':
      return to({ status: 'preparing' });
    case 'sending':
      return to({ status: 'uploading' }, { tried: true, finalSent: finalSent || event.final });
    case 'replied':
      return merge(course, event);
    case 'completing':
      return to({ status: 'completing' });
    case 'waited': {
      const { reason, atMs, untilMs, error } = event;
      const failures = { attempt: attempt + 1, failingSinceMs: course.failingSinceMs ?? atMs };
      return to({ status: 'waiting', reason, untilMs, error }, failures);
    }
    case 'restarted':
      return to(state, { held: [], remote: null, finalSent: false, restarts: course.restarts + 1 });
    case 'shrunk':
      return to(state, { limits: { ...limits, maxBytes: event.maxBytes } });
    case 'failed':
    case 'lost':
      return to({ status: event.type, error: event.error });
    case 'hastened': {
      const { reasons, mostAttempts = Infinity } = event;
      if (state.status !== 'waiting' || !reasons.includes(state.reason) || attempt > mostAttempts) return undefined;
      return to(queued, event.fresh ? fresh : {});
    }
    case 'paused':
      return to({ status: 'paused' });
    case 'resumed':
      return to(queued, fresh);
    case 'retried':
    case 'readded':
      return to(queued, { ...fresh, restarts: 0 });
    case 'cancelled':
      return to({ status: 'cancelled', atMs: event.atMs });
    default:
      return event satisfies never;
  }
}

function merge(course: Course, event: Extract<CourseEvent, { type: 'replied' }>): Course {
  const { reply, range } = event;
  const held = normalize(reply.held ?? (range === undefined ? course.held : [...course.held, range]));
  const before = totalBytes(course.held);
  const after = totalBytes(held);
  return {
    ...course,
    ...(after > before ? fresh : {}),
    held,
    remote: reply.state ?? course.remote ?? {},
    limits: { ...course.limits, ...reply.limits },
    // Less than it once said: it lost bytes, and so may have lost the end as well.
    ...(after < before ? { restarts: course.restarts + 1, finalSent: false } : {}),
    ...(event.doneAtMs === undefined ? {} : { ...fresh, state: { status: 'completed', atMs: event.doneAtMs } }),
  };
}
