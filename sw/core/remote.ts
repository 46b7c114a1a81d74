// The words of the server's word: which bytes it holds, how large a body may be, what a refusal means.
// Shared by the pure core and the adapters; types only.

import type { ErrorCode } from '../../src/contracts/errors.js';

/** Half-open byte interval `[start, end)`. */
export type Range = readonly [start: number, end: number];

/** Private resume data of an adapter (upload URL, upload id ...). JSON; kept in the record, never shown to a page. */
export type AdapterState = Readonly<Record<string, string | number | boolean | null>>;

/** Size rules for the bodies of `send`. */
export interface Limits {
  /** Largest body. Default: the rest of the file. */
  readonly maxBytes?: number;
  /** Smallest body, except the last one. Default 1. */
  readonly minBytes?: number;
  /** `parts` only: the exact grid; frozen in the record when the upload is created. */
  readonly partBytes?: number;
  /** `parts` only: what the last part does with the rest: stands alone (default), or takes it along. */
  readonly lastPart?: 'smaller' | 'larger';
}

/** What the server said. The runner merges and persists it before anything else happens. */
export interface Reply {
  /** New private state. Absent: unchanged. */
  readonly state?: AdapterState | undefined;
  /** ALL bytes that the server holds, sorted and disjoint. Absent after `send`: the range just sent is held in full. */
  readonly held?: readonly Range[];
  /** Absent: unchanged. */
  readonly limits?: Limits;
  /** The server has finished the file; nothing more is to be done. */
  readonly done?: boolean;
}

/**
 * What a failure means; `core/retry.ts` alone decides what follows.
 *
 * - `unreachable`: no answer, or one that any upload to this endpoint would get. Outcome unknown.
 * - `busy`: this upload cannot be served now (423, 500).
 * - `resync`: the server disagrees about what it holds.
 * - `restart`: the server does not know the upload any more.
 * - `smaller`: the body was too large.
 * - `auth`: sign in first.
 * - `fatal`: a definite refusal.
 */
export type Verdict = 'unreachable' | 'busy' | 'resync' | 'restart' | 'smaller' | 'auth' | 'fatal';

/** A failure as the core sees it. */
export interface Failure {
  readonly verdict: Verdict;
  readonly code: ErrorCode;
  readonly message: string;
  readonly httpStatus: number | undefined;
  /** From Retry-After: obeyed, never shortened. */
  readonly retryAfterMs: number | undefined;
  /** With `fatal`: the server has ended this upload, so a retry makes a new one. */
  readonly forget?: boolean | undefined;
}
