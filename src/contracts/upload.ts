// What both sides call an upload: its identity, its states, what a page may see of it.
// Plain data only; no Blob, no platform.

import type { WireError } from './errors.js';

/** Names one upload on this device. Random, ASCII, stable over reloads; not the id that a server sees. */
export type UploadId = string & { readonly __brand: 'UploadId' };

/** `high` goes before `normal`, `normal` before `low`; inside one priority, first come, first served. */
export type Priority = 'high' | 'normal' | 'low';

export const priorities = ['high', 'normal', 'low'] as const satisfies readonly Priority[];

/**
 * Why an upload waits.
 *
 * - `offline`: the browser says that there is no network.
 * - `backoff`: something on the way failed; it is tried again by itself.
 * - `server`: the server asked for time (Retry-After); nothing but the user cuts that short.
 * - `auth`: 401 or 403, to it or to another of its endpoint; goes on after `resume()`, or when a page becomes visible.
 * - `metered`: a policy keeps it off connections that cost money, or the user saves data. Goes on with the connection.
 * - `battery`: a policy keeps it until the battery is charged, or being charged.
 * - `quiet-hours`: a policy keeps it until `untilMs`.
 * - `locked`: the server says that an older request still holds the upload.
 * - `browser`: the browser itself sends it; the worker goes on when that is over, whatever became of it.
 */
export type WaitReason = 'offline' | 'backoff' | 'server' | 'auth' | 'locked' | 'browser' | PolicyReason;

/** What a policy holds uploads up for; `sendNow()` overrides each. */
export type PolicyReason = 'metered' | 'battery' | 'quiet-hours';

/** Where an upload stands. Exactly one; what belongs to a state is part of it. */
export type UploadState =
  /** Safe on this device, its turn has not come. */
  | { readonly status: 'queued' }
  /** Asking the server where it stands. */
  | { readonly status: 'preparing' }
  /** Bytes are under way. */
  | { readonly status: 'uploading' }
  /** Goes on by itself: at `untilMs` (epoch) at the latest, or on the event that `reason` names. */
  | {
      readonly status: 'waiting';
      readonly reason: WaitReason;
      readonly untilMs?: number | undefined;
      readonly error?: WireError | undefined;
    }
  /** Stopped by the user; `resume()` goes on from the same byte. */
  | { readonly status: 'paused' }
  /** The server has every byte and is asked to finish. */
  | { readonly status: 'completing' }
  /** The server confirmed every byte; the device has freed them. */
  | { readonly status: 'completed'; readonly atMs: number }
  /** Refused for good by the server, or unreadable. The bytes are kept: `retry()` tries again. */
  | { readonly status: 'failed'; readonly error: WireError }
  /** Ended by the user; the bytes are freed. `freed`: the server was told, and holds nothing of it any more. */
  | { readonly status: 'cancelled'; readonly atMs: number; readonly freed?: boolean }
  /** The browser evicted the bytes. Enqueue the same file again to go on. */
  | { readonly status: 'lost'; readonly error: WireError };

export type UploadStatus = UploadState['status'];

/** The worker has something to do, now or later. */
export const pendingStatuses: readonly UploadStatus[] = ['queued', 'preparing', 'uploading', 'waiting', 'completing'];

/** Nothing leaves these by itself, and they need no more work. */
const settledStatuses: readonly UploadStatus[] = ['completed', 'failed', 'cancelled', 'lost'];

export const uploadStatuses: readonly UploadStatus[] = [...pendingStatuses, 'paused', ...settledStatuses];

/** The part of an upload that never changes after it was accepted. */
export interface UploadInfo {
  readonly id: UploadId;
  /** A name that the worker gave to a server; never a URL. */
  readonly endpoint: string;
  readonly name: string;
  /** MIME type as the browser reported it; empty if unknown. */
  readonly type: string;
  readonly sizeBytes: number;
  readonly lastModifiedMs: number;
  readonly metadata: Readonly<Record<string, string>>;
  readonly priority: Priority;
  readonly addedAtMs: number;
  /** Position in the order of acceptance on this device. */
  readonly order: number;
}

interface UploadProgress {
  /** Grows with each change; of two snapshots of one upload the higher is newer. */
  readonly revision: number;
  /** Bytes that the server said it holds. Sent is not acknowledged. */
  readonly acknowledgedBytes: number;
  /** Measured over the last requests; absent while nothing is under way. */
  readonly bytesPerSecond?: number | undefined;
  /** Expected time to the last byte; absent while it cannot be known. */
  readonly remainingMs?: number | undefined;
}

/** One upload at one moment, as plain immutable data. Narrow it by `status`. */
export type UploadSnapshot = UploadInfo & UploadProgress & UploadState;

export function isSettled(status: UploadStatus): boolean {
  return settledStatuses.includes(status);
}

export function isPending(status: UploadStatus): boolean {
  return pendingStatuses.includes(status);
}
