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
  | { readonly type: 'replied'; readonly reply: Reply; readonly range?: Range; readonly doneAtMs?: number }
  | { readonly type: 'completing' }
  | {
      readonly type: 'waited';
      readonly reason: WaitReason;
      readonly atMs: number;
      readonly untilMs?: number;
      readonly error?: WireError;
    }
  | { readonly type: 'restarted' }
  | { readonly type: 'shrunk'; readonly maxBytes: number }
  | { readonly type: 'failed'; readonly error: WireError }
  | { readonly type: 'lost'; readonly error: WireError }
  // from a wake that makes waiting pointless
  | { readonly type: 'hastened'; readonly reasons: readonly WaitReason[] }
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

const underWay: ReadonlySet<UploadStatus> = new Set(['preparing', 'uploading', 'completing']);
const pending: ReadonlySet<UploadStatus> = new Set(['queued', 'waiting', ...underWay]);

const queued = { status: 'queued' } as const;
const fresh = { attempt: 0, failingSinceMs: null } as const;

/** What `event` makes of `course`; undefined where it does not apply, and then nothing may change. */
export function transition(course: Course, event: CourseEvent): Course | undefined {
  const { status } = course.state;
  switch (event.type) {
    case 'started':
      // Found `uploading` after a stop is like any other start: the server is asked anew.
      return pending.has(status) ? { ...course, state: { status: 'preparing' } } : undefined;
    case 'sending':
      if (status !== 'preparing' && status !== 'uploading') return undefined;
      return { ...course, state: { status: 'uploading' }, tried: true, finalSent: course.finalSent || event.final };
    case 'replied':
      // A pause does not unsay what the server has said meanwhile.
      return underWay.has(status) || status === 'paused' ? merge(course, event) : undefined;
    case 'completing':
      return status === 'preparing' || status === 'uploading'
        ? { ...course, state: { status: 'completing' } }
        : undefined;
    case 'waited':
      return underWay.has(status) ? wait(course, event) : undefined;
    case 'restarted':
      return underWay.has(status)
        ? { ...course, held: [], remote: null, finalSent: false, restarts: course.restarts + 1 }
        : undefined;
    case 'shrunk':
      return underWay.has(status) ? { ...course, limits: { ...course.limits, maxBytes: event.maxBytes } } : undefined;
    case 'failed':
      return pending.has(status) ? { ...course, state: { status: 'failed', error: event.error } } : undefined;
    case 'lost':
      return pending.has(status) || status === 'paused' || status === 'failed'
        ? { ...course, state: { status: 'lost', error: event.error } }
        : undefined;
    case 'hastened':
      return course.state.status === 'waiting' && event.reasons.includes(course.state.reason)
        ? { ...course, state: queued }
        : undefined;
    case 'paused':
      return pending.has(status) ? { ...course, state: { status: 'paused' } } : undefined;
    case 'resumed':
      return status === 'paused' || status === 'waiting' ? { ...course, ...fresh, state: queued } : undefined;
    case 'retried':
      return status === 'failed' || status === 'waiting'
        ? { ...course, ...fresh, state: queued, restarts: 0 }
        : undefined;
    case 'cancelled':
      return status === 'completed' || status === 'cancelled'
        ? undefined
        : { ...course, state: { status: 'cancelled', atMs: event.atMs } };
    case 'readded':
      return status === 'failed' || status === 'cancelled' || status === 'lost'
        ? { ...course, ...fresh, state: queued, restarts: 0 }
        : undefined;
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

function wait(course: Course, event: Extract<CourseEvent, { type: 'waited' }>): Course {
  const { reason, atMs, untilMs, error } = event;
  return {
    ...course,
    state: {
      status: 'waiting',
      reason,
      ...(untilMs === undefined ? {} : { untilMs }),
      ...(error === undefined ? {} : { error }),
    },
    attempt: course.attempt + 1,
    failingSinceMs: course.failingSinceMs ?? atMs,
  };
}
