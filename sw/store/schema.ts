// The shape of what is on disk, and the ladder that leads to it. The type is the single truth: every store, index
// and key follows from it. What comes out of IndexedDB is `unknown` until `parseRecord` has looked at it.

import type { DBSchema, IDBPDatabase, StoreNames } from 'idb';
import { isWireError } from '../../src/contracts/errors.js';
import type { Priority, UploadId, UploadInfo, UploadState } from '../../src/contracts/upload.js';
import { priorities, uploadStatuses } from '../../src/contracts/upload.js';
import type { Course } from '../core/machine.js';

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
  readonly turn?: Turn;
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
export const storeNames = ['uploads', 'bytes'] as const satisfies readonly StoreNames<BackhaulSchema>[];

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

/** The turn that belongs to a state; undefined where the worker has nothing to do. */
export function turnOf(info: UploadInfo, state: UploadState): Turn | undefined {
  const rank = priorities.indexOf(info.priority);
  switch (state.status) {
    case 'queued':
    case 'preparing':
    case 'uploading':
    case 'completing':
      return [info.endpoint, 0, rank, info.order];
    case 'waiting':
      return [info.endpoint, state.untilMs ?? Number.POSITIVE_INFINITY, rank, info.order];
    case 'paused':
    case 'completed':
    case 'failed':
    case 'cancelled':
    case 'lost':
      return undefined;
    default:
      return state satisfies never;
  }
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
const isSize = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value) && value >= 0;

function isState(value: unknown): value is UploadState {
  if (!isObject(value) || !(uploadStatuses as readonly unknown[]).includes(value['status'])) return false;
  return (value['status'] !== 'failed' && value['status'] !== 'lost') || isWireError(value['error']);
}

function isCourse(value: unknown): value is Course {
  return (
    isObject(value) &&
    isState(value['state']) &&
    Array.isArray(value['held']) &&
    value['held'].every((range) => Array.isArray(range) && isSize(range[0]) && isSize(range[1])) &&
    (value['remote'] === null || isObject(value['remote'])) &&
    isObject(value['limits']) &&
    typeof value['tried'] === 'boolean' &&
    typeof value['finalSent'] === 'boolean' &&
    isSize(value['attempt']) &&
    isSize(value['restarts'])
  );
}

/** The record, or undefined for anything that this version could not have written. */
export function parseRecord(value: unknown): UploadRecord | undefined {
  if (!isObject(value)) return undefined;
  const sound =
    typeof value['id'] === 'string' &&
    typeof value['endpoint'] === 'string' &&
    typeof value['fingerprint'] === 'string' &&
    typeof value['name'] === 'string' &&
    typeof value['type'] === 'string' &&
    isSize(value['sizeBytes']) &&
    typeof value['lastModifiedMs'] === 'number' &&
    isObject(value['metadata']) &&
    priorities.includes(value['priority'] as Priority) &&
    isSize(value['order']) &&
    isSize(value['revision']) &&
    isCourse(value['course']);
  return sound ? (value as unknown as UploadRecord) : undefined;
}

/** What can still be said of a record that {@link parseRecord} refused. */
export function describeCorrupt(id: string, value: unknown): UploadInfo & { readonly revision: number } {
  const fields = isObject(value) ? value : {};
  const text = (key: string) => (typeof fields[key] === 'string' ? fields[key] : '');
  return {
    id: id as UploadId,
    endpoint: text('endpoint'),
    name: text('name') || id,
    type: text('type'),
    sizeBytes: isSize(fields['sizeBytes']) ? fields['sizeBytes'] : 0,
    lastModifiedMs: isSize(fields['lastModifiedMs']) ? fields['lastModifiedMs'] : 0,
    metadata: {},
    priority: 'normal',
    addedAtMs: isSize(fields['addedAtMs']) ? fields['addedAtMs'] : 0,
    order: isSize(fields['order']) ? fields['order'] : 0,
    revision: isSize(fields['revision']) ? fields['revision'] : 0,
  };
}
