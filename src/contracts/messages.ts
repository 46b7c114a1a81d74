// The whole wire between page and worker: commands go in and are replied to on their own port, events come
// out on one BroadcastChannel. Every message is one envelope, so that either side can tell a stranger
// (ignored in silence) from a relative of another version (told so).

import type { WireError } from './errors.js';
import { fits, oneOf } from './shape.js';
import type { Priority, UploadId, UploadSnapshot } from './upload.js';

/**
 * Version of every shape in this file. Raised when an older page or worker would misread a newer one; the
 * envelope itself and `{ type: 'refused' }` never change, so that two versions can always say that they differ.
 */
export const WIRE_VERSION = 1;

export interface Envelope<Body> {
  readonly source: 'backhaul';
  readonly wire: number;
  readonly body: Body;
}

/** Why the worker should look at its queue. `heartbeat` and `command` leave a back-off as it is. */
export type WakeReason = 'online' | 'visible' | 'start' | 'heartbeat' | 'command' | 'sync';

export type Control = 'pause' | 'resume' | 'cancel' | 'retry' | 'remove';

export interface EnqueueItem {
  /** A Blob or File; parsed by the worker, which trusts nothing. */
  readonly file: unknown;
  readonly name: string;
  readonly type: string;
  readonly sizeBytes: number;
  readonly lastModifiedMs: number;
  /** Same endpoint and same fingerprint is the same upload. */
  readonly fingerprint: string;
}

/** Commands are verbs. Repeating one is safe: a page that got no reply sends it again. */
export type Command =
  | {
      readonly type: 'enqueue';
      readonly endpoint: string;
      readonly metadata: Readonly<Record<string, string>>;
      readonly priority: Priority;
      readonly items: readonly EnqueueItem[];
    }
  /** Pages through the queue in order of acceptance. */
  | { readonly type: 'list'; readonly afterOrder: number }
  | { readonly type: 'control'; readonly control: Control; readonly ids: readonly UploadId[] | 'all' }
  /** Wipes an endpoint's uploads off this device, whatever state they are in. The endpoint may be one of the past. */
  | { readonly type: 'clear'; readonly endpoint: string }
  | { readonly type: 'wake'; readonly reason: WakeReason };

/** What became of one file of an `enqueue`. */
export type EnqueueOutcome =
  | { readonly type: 'accepted'; readonly snapshot: UploadSnapshot }
  | { readonly type: 'rejected'; readonly error: WireError };

/** The answer to each command. `working` is said only once the worker holds the driver lock (or has no work). */
export interface ReplyOf {
  readonly enqueue: { readonly outcomes: readonly EnqueueOutcome[] };
  /** `bornAtMs`: when this worker made its database anew, if it did. What a page knew from before is lost. */
  readonly list: {
    readonly snapshots: readonly UploadSnapshot[];
    readonly more: boolean;
    readonly bornAtMs?: number | undefined;
  };
  /** Those that it does not apply to. */
  readonly control: { readonly refused: readonly string[] };
  readonly clear: Readonly<Record<string, never>>;
  readonly wake: { readonly working: boolean };
}

export type Reply<Type extends Command['type'] = Command['type']> =
  | { readonly type: 'done'; readonly value: ReplyOf[Type] }
  | { readonly type: 'refused'; readonly error: WireError }
  /** Still at it: the page's time limit starts anew. */
  | { readonly type: 'busy' };

/** Events are facts. */
export type UploadEvent =
  | { readonly type: 'changed'; readonly snapshots: readonly UploadSnapshot[] }
  | { readonly type: 'removed'; readonly ids: readonly UploadId[] }
  /** While the worker has work: any page that hears it answers with a `heartbeat` wake, which keeps the worker alive. */
  | { readonly type: 'tick' };

/** What a worker asks of a page, on a port of its own. `headers`: answered with them. */
export interface Question {
  readonly type: 'headers';
  readonly endpoint: string;
}

export function envelope<Body>(body: Body): Envelope<Body> {
  return { source: 'backhaul', wire: WIRE_VERSION, body };
}

/** Undefined for anything that is not Backhaul's, whatever its version. */
export function openEnvelope(data: unknown): Envelope<unknown> | undefined {
  return fits(data, { source: oneOf(['backhaul']), wire: 'number' })
    ? (data as unknown as Envelope<unknown>)
    : undefined;
}

/**
 * The one name of everything that a page and its worker share: database, channel, lock, sync tag. Derived from the
 * registration's scope, which both sides know, so that two apps on one origin stay apart without configuration.
 */
export function sharedName(scope: string): string {
  return `backhaul:${scope.replace(/^\w+:\/\/[^/]*/, '')}`;
}
