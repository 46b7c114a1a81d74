// What follows a failure. Adapters say what it means; this file alone decides whether to ask, wait, cut smaller,
// start over or give up, and for how long. It never gives up on the network (invariant 6).

import type { WireError } from '../../src/contracts/errors.js';
import type { WaitReason } from '../../src/contracts/upload.js';
import type { Failure } from './remote.js';

/** First ceiling of the back-off. A guess that reads as "at once" to a person. */
export const BASE_MS = 1000;
/** Nobody waits longer than this for a server that says nothing; wake-ups cut it short. A guess. */
export const CAP_MS = 300_000;
/** A Retry-After beyond a day is a mistake. */
const RETRY_AFTER_CAP_MS = 86_400_000;
/** How often a server may be found to hold less than it said. knowledge: "budget of ~3 restarts". */
export const RESTART_BUDGET = 3;
/** Sends in a row that gained no byte and were followed by a question at once; after that, there is a pause. */
export const RESYNC_BUDGET = 3;
/** Bodies are never cut below this. Most proxies allow 1 MB, all allow 64 KiB. */
export const FLOOR_BYTES = 65_536;

/** A run of failures with no success between. */
export interface Outage {
  /** Failures so far, before this one. */
  readonly attempt: number;
  readonly sinceMs: number;
}

/**
 * Cap, then full jitter, and never past a quarter of the outage: so that after any outage T the next try comes
 * within T/4 + BASE_MS, whatever the dice said before.
 */
export function backoffMs(outage: Outage, nowMs: number, random: () => number): number {
  const quarter = Math.max(0, nowMs - outage.sinceMs) / 4;
  return random() * Math.min(CAP_MS, BASE_MS * 2 ** Math.min(outage.attempt, 30), BASE_MS + quarter);
}

export interface RetryContext {
  readonly nowMs: number;
  readonly random: () => number;
  readonly online: boolean;
  /** This upload's own failures. */
  readonly own: Outage;
  /** The endpoint's failures, whatever the upload. */
  readonly shared: Outage;
  /** Sends in a row that failed or were disagreed with, and gained no byte. */
  readonly resyncs: number;
  /** Size of the body that failed; 0 if it was not a send. */
  readonly sentBytes: number;
  /** The smallest body that the adapter and the server allow. */
  readonly minBytes: number;
  /** The smallest one that is tried on a suspicion, if that is larger. */
  readonly suspectBytes?: number;
}

export type Decision =
  | { readonly type: 'probe' }
  | { readonly type: 'restart' }
  /** `certain`: the server said so (413), so it is remembered; else it is a suspicion. */
  | { readonly type: 'shrink'; readonly maxBytes: number; readonly certain: boolean }
  /** `scope: endpoint`: every upload there would fail alike, so all of them wait for one trial. */
  | {
      readonly type: 'wait';
      readonly scope: 'endpoint' | 'upload';
      readonly reason: WaitReason;
      /** Absent: until somebody acts. */
      readonly untilMs?: number | undefined;
    }
  | { readonly type: 'fail' };

export function decide(failure: Failure, context: RetryContext): Decision {
  switch (failure.verdict) {
    case 'resync':
      return context.sentBytes > 0 && context.resyncs < RESYNC_BUDGET
        ? { type: 'probe' }
        : wait('upload', 'backoff', failure, context);
    case 'restart':
      return { type: 'restart' };
    case 'smaller': {
      const maxBytes = smaller(context.sentBytes, context.minBytes);
      return maxBytes === undefined ? { type: 'fail' } : { type: 'shrink', maxBytes, certain: true };
    }
    case 'auth':
      return { type: 'wait', scope: 'endpoint', reason: 'auth' };
    case 'busy':
      return wait('upload', failure.code === 'locked' ? 'locked' : 'backoff', failure, context);
    case 'unreachable': {
      // A send without an answer has an unknown outcome: ask before anything else. Only the question's own failure waits.
      if (context.sentBytes > 0 && failure.httpStatus === undefined) {
        if (context.resyncs < RESYNC_BUDGET) return { type: 'probe' };
        // Browsers hide early refusals behind a network error: it may have been a 413.
        const maxBytes = smaller(context.sentBytes, Math.max(context.minBytes, context.suspectBytes ?? 0));
        if (maxBytes !== undefined) return { type: 'shrink', maxBytes, certain: false };
      }
      const reason = context.online ? 'backoff' : 'offline';
      return wait('endpoint', reason, failure, context);
    }
    case 'fatal':
      return { type: 'fail' };
    default:
      return failure.verdict satisfies never;
  }
}

function wait(scope: 'endpoint' | 'upload', reason: WaitReason, failure: Failure, context: RetryContext): Decision {
  const { nowMs, random, own, shared } = context;
  const { retryAfterMs } = failure;
  // A server that answers questions but takes no byte is down for this upload, however often it is "reached".
  const known = scope === 'endpoint' ? shared : own;
  const outage = { attempt: Math.max(own.attempt, known.attempt), sinceMs: Math.min(own.sinceMs, known.sinceMs) };
  const delayMs = backoffMs(outage, nowMs, random);
  // Never sooner than the back-off: a date in the past is a clock that is wrong.
  const askedMs = Math.min(retryAfterMs ?? 0, RETRY_AFTER_CAP_MS);
  return {
    type: 'wait',
    scope,
    reason: retryAfterMs === undefined ? reason : 'server',
    untilMs: nowMs + Math.max(askedMs, delayMs),
  };
}

/** 8 MB, then what nginx allows by default (1 MB), then quarters down to the floor; undefined below it. */
export function smaller(sentBytes: number, minBytes: number): number | undefined {
  const floor = Math.max(FLOOR_BYTES, minBytes);
  const next = [8_000_000, 1_000_000].find((bytes) => bytes < sentBytes) ?? Math.floor(sentBytes / 4);
  return sentBytes > floor ? Math.max(floor, next) : undefined;
}

/** What is said of an upload that was restarted more than {@link RESTART_BUDGET} times. */
export const lostTooOften: WireError = {
  code: 'server-lost-bytes',
  message: `The server lost its bytes more than ${RESTART_BUDGET} times`,
};
