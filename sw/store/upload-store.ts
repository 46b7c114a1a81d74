// The only code that touches IndexedDB: records and bytes, in, changed, out. Each method is one transaction and
// resolves when that is complete, since only `oncomplete` means stored (a success event can precede an abort).
// It knows no protocol, no schedule and no page.

import { type IDBPTransaction, openDB } from 'idb';
import { toWire, UploadError } from '../../src/contracts/errors.js';
import type { UploadId, UploadInfo } from '../../src/contracts/upload.js';
import { isSettled } from '../../src/contracts/upload.js';
import { type Course, type CourseEvent, initialCourse, transition } from '../core/machine.js';
import {
  type BackhaulSchema,
  DATABASE_VERSION,
  type Database,
  describeCorrupt,
  parseRecord,
  storeNames,
  turnOf,
  type UploadRecord,
  upgrade,
} from './schema.js';

type Transaction = IDBPTransaction<BackhaulSchema, ['uploads', 'bytes'], 'readwrite'>;

/** A file that is about to be accepted. */
export interface NewUpload extends Omit<UploadInfo, 'order'> {
  readonly fingerprint: string;
  readonly bytes: Blob | ArrayBuffer;
}

export interface Added {
  readonly record: UploadRecord;
  /** False: the same file is here already, and its bytes are. */
  readonly stored: boolean;
}

/** A record that another version, or chance, has made unreadable. Its bytes stay. */
export interface CorruptRecord extends UploadInfo {
  readonly corrupt: true;
  readonly revision: number;
}

/** What a listing holds: good records, and those that could not be read. */
export type Listed = UploadRecord | CorruptRecord;

export class UploadStore {
  readonly #name: string;
  readonly #onLost: () => void;
  #database: Promise<Database> | undefined;

  /** `onLost`: the browser closed the database under us (deleted by the user, or broken). */
  constructor(name: string, onLost: () => void = () => {}) {
    this.#name = name;
    this.#onLost = onLost;
  }

  /** All of `uploads` or none: one transaction. The same endpoint and fingerprint is the same upload. */
  async add(uploads: readonly NewUpload[]): Promise<readonly Added[]> {
    return this.#write('strict', async (transaction) => {
      const store = transaction.objectStore('uploads');
      const last = await store.index('byOrder').openKeyCursor(null, 'prev');
      let order = last === null ? 0 : Number(last.key);
      const seen = new Map<string, Added>();
      const existing = await Promise.all(
        uploads.map(({ endpoint, fingerprint }) => store.index('byFingerprint').get([endpoint, fingerprint])),
      );
      return uploads.map((upload, index) => {
        const key = JSON.stringify([upload.endpoint, upload.fingerprint]);
        const twin = seen.get(key);
        if (twin !== undefined) return { record: twin.record, stored: false };
        const found = existing[index];
        const added =
          found === undefined ? this.#insert(transaction, upload, ++order) : this.#readd(transaction, upload, found);
        seen.set(key, added);
        return added;
      });
    });
  }

  #insert(transaction: Transaction, { bytes, ...upload }: NewUpload, order: number): Added {
    const record = withTurn({ ...upload, order, revision: 1, course: initialCourse });
    quietly(transaction.objectStore('uploads').add(record));
    quietly(transaction.objectStore('bytes').put(bytes, record.id));
    return { record, stored: true };
  }

  /** A record that ended without delivery takes the bytes and goes on; any other already has them. */
  #readd(transaction: Transaction, { bytes }: NewUpload, found: UploadRecord): Added {
    const record = parseRecord(found);
    const course = record && transition(record.course, { type: 'readded' });
    if (record === undefined || course === undefined) return { record: found, stored: false };
    const changed = withTurn({ ...record, revision: record.revision + 1, course });
    quietly(transaction.objectStore('uploads').put(changed));
    quietly(transaction.objectStore('bytes').put(bytes, changed.id));
    return { record: changed, stored: true };
  }

  /**
   * What `event` makes of one upload, committed. Undefined: it does not apply (or the record is gone), and nothing was
   * changed. Bytes leave in the transaction that says that they are no longer needed (invariant 3).
   */
  async apply(id: string, event: CourseEvent): Promise<UploadRecord | undefined> {
    const [record] = await this.applyAll([id], event);
    return record;
  }

  /** The same for many, in one transaction; answers with those that changed. */
  async applyAll(ids: readonly string[], event: CourseEvent): Promise<readonly UploadRecord[]> {
    return this.#write('relaxed', async (transaction) => {
      const store = transaction.objectStore('uploads');
      const values = await Promise.all(ids.map((id) => store.get(id)));
      const changed: UploadRecord[] = [];
      for (const value of values) {
        const record = parseRecord(value);
        const course = record && transition(record.course, event);
        if (record === undefined || course === undefined) continue;
        const next = withTurn({ ...record, revision: record.revision + 1, course });
        quietly(store.put(next));
        if (course.state.status === 'completed' || course.state.status === 'cancelled') {
          quietly(transaction.objectStore('bytes').delete(next.id));
        }
        changed.push(next);
      }
      return changed;
    });
  }

  async get(id: string): Promise<UploadRecord | undefined> {
    return parseRecord(await this.#read((database) => database.get('uploads', id)));
  }

  /**
   * The bytes as one untyped Blob, wrapped anew: Safari 26.5 sends nothing for a File that comes from IndexedDB
   * (WebKit bug 319985). Undefined if they are gone.
   */
  async bytes(id: string): Promise<Blob | undefined> {
    const stored = await this.#read((database) => database.get('bytes', id));
    return stored === undefined ? undefined : new Blob([stored]);
  }

  /** Up to `limit` in order of acceptance, from behind `afterOrder`. */
  async list(afterOrder: number, limit: number): Promise<readonly Listed[]> {
    const values = await this.#read((database) =>
      database.getAllFromIndex('uploads', 'byOrder', IDBKeyRange.lowerBound(afterOrder, true), limit),
    );
    return values.map((value) => parseRecord(value) ?? { ...describeCorrupt(value.id, value), corrupt: true });
  }

  /**
   * The next upload of `endpoint` that is due, those that have waited before those that have not begun; or when the
   * next one falls due. Skips `busy`. A record that cannot be read is taken out of the line and handed to `onCorrupt`.
   */
  async next(
    endpoint: string,
    nowMs: number,
    busy: ReadonlySet<string>,
    onCorrupt: (record: CorruptRecord) => void,
  ): Promise<{ readonly record: UploadRecord } | { readonly dueAtMs: number } | undefined> {
    const waited = IDBKeyRange.bound([endpoint, 0, Number.POSITIVE_INFINITY], [endpoint, nowMs, []]);
    const fresh = IDBKeyRange.bound([endpoint, 0], [endpoint, 0, []]);
    const later = IDBKeyRange.bound([endpoint, nowMs], [endpoint, []], true);
    for (const range of [waited, fresh]) {
      const found = await this.#firstIn(range, busy, onCorrupt);
      if (found !== undefined) return { record: found };
    }
    const due = await this.#read((database) =>
      database.transaction('uploads').store.index('byTurn').openKeyCursor(later),
    );
    return due === null ? undefined : { dueAtMs: due.key[1] };
  }

  async #firstIn(
    range: IDBKeyRange,
    busy: ReadonlySet<string>,
    onCorrupt: (record: CorruptRecord) => void,
  ): Promise<UploadRecord | undefined> {
    for (;;) {
      const value = await this.#read(async (database) => {
        let cursor = await database.transaction('uploads').store.index('byTurn').openCursor(range);
        while (cursor !== null && busy.has(cursor.primaryKey)) cursor = await cursor.continue();
        return cursor?.value;
      });
      if (value === undefined) return undefined;
      const record = parseRecord(value);
      if (record !== undefined) return record;
      onCorrupt({ ...describeCorrupt(value.id, value), corrupt: true });
      await this.#write('relaxed', async (transaction) => {
        const { turn: _, ...rest } = value;
        await transaction.objectStore('uploads').put(rest);
      });
    }
  }

  /** Endpoints that have work, in the order of their names. */
  async endpointsWithWork(): Promise<readonly string[]> {
    return this.#read(async (database) => {
      const index = database.transaction('uploads').store.index('byTurn');
      const endpoints: string[] = [];
      let cursor = await index.openKeyCursor();
      while (cursor !== null) {
        const endpoint: string = cursor.key[0];
        endpoints.push(endpoint);
        // Past every key of this endpoint: arrays sort after numbers.
        cursor = await index.openKeyCursor(IDBKeyRange.lowerBound([endpoint, []]));
      }
      return endpoints;
    });
  }

  /** Ids of waiting uploads that are due only later; few, since a dead endpoint makes only its trials wait. */
  async waiting(endpoint: string, nowMs: number): Promise<readonly string[]> {
    const later = IDBKeyRange.bound([endpoint, nowMs], [endpoint, []], true);
    return this.#read((database) => database.getAllKeysFromIndex('uploads', 'byTurn', later));
  }

  /** Forgets settled uploads with all they have; answers with those that are gone. Others are left alone. */
  async remove(ids: readonly string[]): Promise<readonly UploadId[]> {
    return this.#write('relaxed', async (transaction) => {
      const store = transaction.objectStore('uploads');
      const values = await Promise.all(ids.map((id) => store.get(id)));
      const gone: UploadId[] = [];
      for (const value of values) {
        if (value === undefined) continue;
        const record = parseRecord(value);
        if (record !== undefined && !isSettled(record.course.state.status)) continue;
        quietly(store.delete(value.id));
        quietly(transaction.objectStore('bytes').delete(value.id));
        gone.push(value.id as UploadId);
      }
      return gone;
    });
  }

  /** Forgets what completed or was cancelled before `beforeMs`; at most `limit` records are looked at. */
  async prune(beforeMs: number, limit: number): Promise<readonly UploadId[]> {
    const oldest = await this.list(-1, limit);
    const ended = oldest.filter((item) => {
      if ('corrupt' in item) return false;
      const { state } = item.course;
      return (state.status === 'completed' || state.status === 'cancelled') && state.atMs < beforeMs;
    });
    return ended.length === 0 ? [] : this.remove(ended.map(({ id }) => id));
  }

  async close(): Promise<void> {
    const opened = this.#database;
    this.#database = undefined;
    (await opened)?.close();
  }

  #open(): Promise<Database> {
    this.#database ??= openDB<BackhaulSchema>(this.#name, DATABASE_VERSION, {
      upgrade: (database, fromVersion) => upgrade(database, fromVersion),
      // A newer version of the worker wants to upgrade: make way; the next call opens anew.
      blocking: () => void this.close(),
      terminated: () => {
        this.#database = undefined;
        this.#onLost();
      },
    }).catch((cause: unknown) => {
      this.#database = undefined;
      throw storageFailed('open the database', cause);
    });
    return this.#database;
  }

  async #read<Value>(task: (database: Database) => Promise<Value>): Promise<Value> {
    try {
      return await task(await this.#open());
    } catch (cause) {
      throw storageFailed('read', cause);
    }
  }

  async #write<Value>(
    durability: IDBTransactionDurability,
    task: (transaction: Transaction) => Promise<Value>,
  ): Promise<Value> {
    const database = await this.#open();
    let transaction: Transaction;
    try {
      transaction = database.transaction(storeNames, 'readwrite', { durability });
    } catch (cause) {
      // Firefox: after a quota error the connection is dead without a `close` event. The next call opens anew.
      this.#database = undefined;
      throw storageFailed('write', cause);
    }
    const done = transaction.done;
    done.catch(() => {});
    try {
      const value = await task(transaction);
      await done;
      return value;
    } catch (cause) {
      try {
        transaction.abort();
      } catch {
        // It has ended already; that is why we are here.
      }
      // A request that was cut off by the abort says only "AbortError"; the transaction knows why.
      throw storageFailed('write', transaction.error ?? cause);
    }
  }
}

/** `done` speaks for every request of its transaction; alone, a refused one would be an unhandled rejection. */
function quietly(request: Promise<unknown>): void {
  request.catch(() => {});
}

function withTurn<Record extends UploadInfo & { readonly course: Course; readonly turn?: unknown }>(
  record: Record,
): UploadRecord {
  const { turn: _, ...rest } = record;
  const turn = turnOf(record, record.course.state);
  return { ...(rest as unknown as UploadRecord), ...(turn === undefined ? {} : { turn }) };
}

/** Names of DOMExceptions are the only thing that browsers agree on here; `tx.error` can even be null in WebKit. */
function storageFailed(what: string, cause: unknown): UploadError {
  if (cause instanceof UploadError) return cause;
  const name = typeof cause === 'object' && cause !== null && 'name' in cause ? String(cause.name) : '';
  if (name === 'QuotaExceededError') {
    return new UploadError(
      'quota-exceeded',
      'The browser has no room for this file. Free some space on the device, then add it again.',
      { cause },
    );
  }
  const { message } = toWire(cause);
  return new UploadError(
    'storage-failed',
    `Could not ${what} in IndexedDB (${message}). Reload the page; if it stays, the browser's storage is damaged or blocked.`,
    { cause },
  );
}
