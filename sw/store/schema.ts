// The shape of what is on disk, and the ladder that leads to it. The type is the single truth: every store, index
// and key follows from it. What comes out of IndexedDB is `unknown` until `parseRecord` has looked at it.

import type { DBSchema, IDBPDatabase, StoreNames } from 'idb';
import { isWireError } from '../../src/contracts/errors.js';
import { type Check, fits, isSize, oneOf } from '../../src/contracts/shape.js';
import type { UploadInfo } from '../../src/contracts/upload.js';
import { isPending, priorities, uploadStatuses } from '../../src/contracts/upload.js';
import { type Course, initialCourse } from '../core/machine.js';

/** Raised with each rung of {@link upgrade}; listed in the CHANGELOG. */
export const DATABASE_VERSION = 1;

/**
 * Where a record stands in the line: [endpoint, due time (0: now), priority rank, order]. Absent in records for which
 * the worker has nothing to do, so that the index over it holds just the work, and finding the next upload takes the
 * same time however long the queue is (invariant 12).
 */
export type Turn = [endpoint: string, dueAtMs: number, rank: number, order: number];

/** Everything about an upload but its bytes. */
export interface UploadRecord extends UploadInfo {
  /** Same endpoint and fingerprint: the same upload. */
  readonly fingerprint: string;
  readonly revision: number;
  readonly course: Course;
  readonly turn?: Turn | undefined;
}

export interface BackhaulSchema extends DBSchema {
  uploads: {
    key: string;
    value: UploadRecord;
    indexes: { byFingerprint: [endpoint: string, fingerprint: string]; byOrder: number; byTurn: Turn };
  };
  /**
   * Apart from the records, because records change often and rewriting a Blob means copying it. A Blob, or for small
   * files an ArrayBuffer, which stores 1.5 times faster; never a slice (WebKit copies the parent for each).
   */
  bytes: { key: string; value: Blob | ArrayBuffer };
}

export type Database = IDBPDatabase<BackhaulSchema>;
export type StoreName = StoreNames<BackhaulSchema>;

/** An ordered ladder: each rung leads from one version to the next. No rung drops a record. */
export function upgrade(database: Database, fromVersion: number): void {
  if (fromVersion < 1) {
    const uploads = database.createObjectStore('uploads', { keyPath: 'id' });
    uploads.createIndex('byFingerprint', ['endpoint', 'fingerprint'], { unique: true });
    uploads.createIndex('byOrder', 'order', { unique: true });
    uploads.createIndex('byTurn', 'turn');
    database.createObjectStore('bytes');
  }
}

/** The turn that belongs to a course; undefined where the worker has nothing to do. */
export function turnOf(info: UploadInfo, { state, tried }: Course): Turn | undefined {
  // What a cancelled upload has at the server is freed when nothing else is to be done.
  if (state.status === 'cancelled' && tried && !state.freed) return [info.endpoint, 0, priorities.length, info.order];
  if (!isPending(state.status)) return undefined;
  const dueAtMs = state.status === 'waiting' ? (state.untilMs ?? Infinity) : 0;
  return [info.endpoint, dueAtMs, priorities.indexOf(info.priority), info.order];
}

function isState(state: unknown): boolean {
  if (!fits(state, { status: oneOf(uploadStatuses) })) return false;
  const { status, error, untilMs } = state;
  if (status === 'failed' || status === 'lost') return isWireError(error);
  return status !== 'waiting' || untilMs === undefined || isSize(untilMs);
}

const courseShape: Readonly<Record<keyof Course, Check>> = {
  state: isState,
  held: (held) =>
    Array.isArray(held) && held.every((range) => Array.isArray(range) && range.length === 2 && range.every(isSize)),
  remote: (remote) => typeof remote === 'object',
  limits: 'object',
  tried: 'boolean',
  finalSent: 'boolean',
  attempt: isSize,
  failingSinceMs: (since) => since === null || isSize(since),
  restarts: isSize,
};

const recordShape: Readonly<Record<Exclude<keyof UploadRecord, 'turn'>, Check>> = {
  id: 'string',
  endpoint: 'string',
  fingerprint: 'string',
  name: 'string',
  type: 'string',
  sizeBytes: isSize,
  lastModifiedMs: 'number',
  metadata: 'object',
  priority: oneOf(priorities),
  addedAtMs: 'number',
  order: isSize,
  revision: isSize,
  course: (course) => fits(course, courseShape),
};

/** The record, or undefined for anything that this version could not have written. */
export function parseRecord(value: unknown): UploadRecord | undefined {
  return fits(value, recordShape) ? (value as unknown as UploadRecord) : undefined;
}

/** What can still be said of a record that {@link parseRecord} refused: an upload that has failed. Its bytes stay. */
export function describeCorrupt(value: UploadRecord): UploadRecord {
  const { id, endpoint, name, order, revision }: Partial<Record<keyof UploadRecord, unknown>> = value;
  const message = `"${name ?? id}"`;
  return {
    id: value.id,
    endpoint: String(endpoint ?? ''),
    fingerprint: '',
    name: String(name ?? id),
    type: '',
    sizeBytes: 0,
    lastModifiedMs: 0,
    metadata: {},
    priority: 'normal',
    addedAtMs: 0,
    order: isSize(order) ? order : 0,
    revision: isSize(revision) ? revision : 0,
    course: {
      ...initialCourse,
      state: { status: 'failed', error: { code: 'corrupt-record', message, uploadId: value.id } },
    },
  };
}
