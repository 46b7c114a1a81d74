// The only code that touches IndexedDB: records and bytes, in, changed, out. Each method is one transaction and
// resolves when that is complete, since only `oncomplete` means stored (a success event can precede an abort).
// It knows no protocol, no schedule and no page.

import { type IDBPTransaction, openDB } from 'idb';
import { toWire, UploadError } from '../../src/contracts/errors.js';
import { isSize } from '../../src/contracts/shape.js';
import type { UploadId, UploadInfo } from '../../src/contracts/upload.js';
import { isSettled } from '../../src/contracts/upload.js';
import { type Clock, within } from '../clock.js';
import { type CourseEvent, initialCourse, transition } from '../core/machine.js';
import {
  type BackhaulSchema,
  DATABASE_VERSION,
  type Database,
  describeCorrupt,
  parseRecord,
  type StoreName,
  turnOf,
  type UploadRecord,
  upgrade,
} from './schema.js';

type Transaction = IDBPTransaction<BackhaulSchema, StoreName[], 'readwrite'>;

const bothStores: StoreName[] = ['uploads', 'bytes'];

/** More in one transaction would cost memory, not save time. */
const LISTED_AT_ONCE = 500;
/** A page that does not make way for a deletion holds up whoever opens after that. A guess. */
const OPEN_LIMIT_MS = 10_000;

/** A file that is about to be accepted. */
export interface NewUpload extends Omit<UploadInfo, 'order'> {
  readonly fingerprint: string;
  readonly bytes: Blob | ArrayBuffer;
}

/** What is next in line. */
export interface Due {
  readonly records: UploadRecord[];
  readonly dueAtMs: number;
}

/** A change that waits for its transaction. */
interface Change {
  readonly id: string;
  readonly event: CourseEvent;
}

/** The uploads of one database. */
export type UploadStore = ReturnType<typeof createUploadStore>;

export function createUploadStore(name: string, clock: Clock) {
  /** When this worker made the database anew. Undefined: it found one. */
  let bornAtMs: number | undefined;
  let opened: Promise<Database> | undefined;
  const waiting: Change[] = [];
  /** What becomes of those that wait now. */
  let committed: Promise<readonly (UploadRecord | undefined)[]> = Promise.resolve([]);

  function addAll(uploads: readonly NewUpload[], look: boolean): Promise<readonly UploadRecord[]> {
    const task = async (transaction: Transaction) => {
      const store = transaction.objectStore('uploads');
      const last = await store.index('byOrder').openKeyCursor(IDBKeyRange.upperBound(Number.MAX_SAFE_INTEGER), 'prev');
      let order = Number(last?.key ?? 0);
      const added: UploadRecord[] = [];
      for (const { bytes, ...upload } of uploads) {
        // Sees what was put a moment ago: a file may come twice.
        const found = look ? await store.index('byFingerprint').get([upload.endpoint, upload.fingerprint]) : undefined;
        const known = parseRecord(found);
        // One that ended without delivery takes the bytes and goes on; any other has them.
        const course = known ? transition(known.course, { type: 'readded' }) : initialCourse;
        if (known && !course) {
          added.push(known);
          continue;
        }
        const record = withTurn({
          ...upload,
          // A damaged record makes way for a sound one.
          id: found?.id ?? upload.id,
          order: known?.order ?? ++order,
          revision: 1 + (isSize(found?.revision) ? found.revision : 0),
          course: course ?? initialCourse,
        });
        quietly(store.put(record));
        quietly(transaction.objectStore('bytes').put(bytes, record.id));
        added.push(record);
      }
      return added;
    };
    return write(bothStores, task, 'strict');
  }

  /**
   * What `event` makes of one upload, committed. Undefined: it does not apply (or the record is gone), and nothing was
   * changed. Bytes leave in the transaction that says that they are no longer needed (invariant 3). Changes that come
   * while others are being committed share the next transaction: a commit takes Chromium 5 ms, however much is in it.
   * A record that cannot be read is taken out of the line by `failed`, and else left as it is.
   */
  async function apply(id: string, event: CourseEvent): Promise<UploadRecord | undefined> {
    const place = waiting.push({ id, event }) - 1;
    if (place === 0) committed = committed.catch(() => {}).then(() => commit());
    return (await committed)[place];
  }

  /** The same for many; answers with those that changed. */
  async function applyAll(ids: readonly string[], event: CourseEvent): Promise<readonly UploadRecord[]> {
    const records = await Promise.all(ids.map((id) => apply(id, event)));
    return records.filter((record) => record !== undefined);
  }

  function commit(): Promise<readonly (UploadRecord | undefined)[]> {
    const changes = waiting.splice(0);
    // Progress leaves the bytes' store alone, so that others may be read meanwhile.
    const frees = ({ event }: Change) =>
      event.type === 'cancelled' || (event.type === 'replied' && event.doneAtMs !== undefined);
    return write(changes.some(frees) ? bothStores : ['uploads'], async (transaction) => {
      const store = transaction.objectStore('uploads');
      const values = await getAll(store, idsOf(changes));
      const latest = new Map<string, UploadRecord>();
      return changes.map((change, place) => {
        const { id, event } = change;
        const value = values[place];
        const record = latest.get(id) ?? parseRecord(value);
        if (value && !record && event.type === 'failed') quietly(store.put({ ...value, turn: undefined }));
        const course = record && transition(record.course, event);
        if (!course) return undefined;
        const next = withTurn({ ...record, revision: record.revision + 1, course });
        latest.set(id, next);
        quietly(store.put(next));
        if (frees(change)) quietly(transaction.objectStore('bytes').delete(id));
        return next;
      });
    });
  }

  /** Up to `limit` in order of acceptance, from behind `afterOrder`. */
  async function list(afterOrder: number, limit: number): Promise<readonly UploadRecord[]> {
    const values = await use((database) =>
      database.getAllFromIndex('uploads', 'byOrder', IDBKeyRange.lowerBound(afterOrder, true), limit),
    );
    return values.map(listed);
  }

  /** `event` for all whose turn is between these. */
  async function applyFrom(
    first: IDBValidKey,
    last: IDBValidKey,
    event: CourseEvent,
  ): Promise<readonly UploadRecord[]> {
    const between = IDBKeyRange.bound(first, last);
    const ids = await use((database) => database.getAllKeysFromIndex('uploads', 'byTurn', between));
    return applyAll(ids, event);
  }

  /** Forgets settled uploads with all they have; answers with those that are gone. Others stay, save if `unsettled`. */
  async function remove(ids: readonly string[], unsettled = false): Promise<readonly UploadId[]> {
    // Even an empty transaction waits for those before it.
    if (ids.length === 0) return [];
    const task = async (transaction: Transaction) => {
      const store = transaction.objectStore('uploads');
      const values = await getAll(store, ids);
      const gone: UploadId[] = [];
      for (const value of values) {
        if (!value) continue;
        const record = parseRecord(value);
        if (!unsettled && record && !isSettled(record.course.state.status)) continue;
        quietly(store.delete(value.id));
        quietly(transaction.objectStore('bytes').delete(value.id));
        gone.push(value.id as UploadId);
      }
      return gone;
    };
    return write(bothStores, task, 'strict');
  }

  /** All there is, in order of acceptance. */
  async function* pages(limit = LISTED_AT_ONCE): AsyncGenerator<readonly UploadRecord[]> {
    for (let afterOrder = -1; ; ) {
      const page = await list(afterOrder, limit);
      yield page;
      // A damaged record has no order to go on from.
      const last = page.at(-1)?.order ?? -1;
      if (last <= afterOrder) return;
      afterOrder = last;
    }
  }

  function open(): Promise<Database> {
    const forget = () => {
      opened = undefined;
    };
    opened ??= within(
      openDB<BackhaulSchema>(name, DATABASE_VERSION, {
        upgrade: (database, fromVersion) => {
          upgrade(database, fromVersion);
          if (fromVersion === 0) bornAtMs = clock.now();
        },
        // A newer version of the worker wants to upgrade: make way, also one that came too late; the next call opens anew.
        blocking: (_from, _to, { target }) => {
          (target as IDBDatabase).close();
          forget();
        },
        // Deleted by the user, or broken: the next call opens anew.
        terminated: forget,
      }),
      OPEN_LIMIT_MS,
      clock,
      undefined,
    )
      .then((database) => database ?? Promise.reject('blocked'))
      .catch((cause: unknown) => {
        forget();
        throw cause;
      });
    return opened;
  }

  /** What `task` makes of the open database. */
  async function use<Value>(task: (database: Database) => Promise<Value>): Promise<Value> {
    try {
      return await task(await open());
    } catch (cause) {
      // Firefox: after a quota error the connection is dead without a `close` event. The next call opens anew.
      if (nameOf(cause) === 'InvalidStateError') opened = undefined;
      throw storageFailed(cause);
    }
  }

  function write<Value>(
    stores: StoreName[],
    task: (transaction: Transaction) => Promise<Value>,
    durability: IDBTransactionDurability = 'relaxed',
  ): Promise<Value> {
    return use(async (database) => {
      const transaction = database.transaction(stores, 'readwrite', { durability });
      // idb's own `done` speaks at the first `error` event, when the transaction does not yet know its reason.
      quietly(transaction.done);
      const complete = new Promise<boolean>((resolve) => {
        transaction.addEventListener('complete', () => resolve(true));
        transaction.addEventListener('abort', () => resolve(false));
      });
      const value = task(transaction);
      // Nothing of a task that failed is kept. It may have failed because its transaction has ended already.
      quietly(value.catch(() => transaction.abort()));
      if (await complete) return value;
      // A request that was cut off says only "AbortError"; the transaction knows why, save in WebKit, where it may be null.
      if (!transaction.error) await value;
      throw transaction.error;
    });
  }

  return {
    get bornAtMs() {
      return bornAtMs;
    },
    /** All of `uploads` or none: one transaction. The same endpoint and fingerprint is the same upload: then that is the answer. */
    async add(uploads: readonly NewUpload[]): Promise<readonly UploadRecord[]> {
      try {
        // As if none were known: looking for each would take as long as storing it. The unique index says if one is.
        return await addAll(uploads, false);
      } catch (cause) {
        if (nameOf((cause as UploadError).cause) !== 'ConstraintError') throw cause;
        return addAll(uploads, true);
      }
    },
    apply,
    applyAll,

    /**
     * The bytes of each as one untyped Blob, wrapped anew: Safari 26.5 sends nothing for a File that comes from IndexedDB
     * (WebKit bug 319985). Undefined where they are gone.
     */
    bytesOf(ids: readonly string[]): Promise<readonly (Blob | undefined)[]> {
      return use(async (database) => {
        const stored = await getAll(database.transaction('bytes').store, ids);
        return stored.map((bytes) => bytes && new Blob([bytes]));
      });
    },
    list,

    /**
     * Up to `limit` uploads of `endpoint` that are due, those that have waited before those that have not begun; and when
     * the next one falls due (Infinity: never by itself). Skips `busy`.
     */
    async next(endpoint: string, nowMs: number, busy: ReadonlySet<string>, limit: number): Promise<Due> {
      const bound = (from: number, to: number) => IDBKeyRange.bound([endpoint, from], [endpoint, to, []]);
      const [waited, fresh, later] = await use((database) => {
        const index = database.transaction('uploads').store.index('byTurn');
        return Promise.all([
          index.getAll(bound(Number.MIN_VALUE, nowMs), busy.size + limit),
          index.getAll(bound(0, 0), busy.size + limit),
          index.openKeyCursor(bound(nowMs, Infinity)),
        ]);
      });
      const values = [...waited, ...fresh].filter(({ id }) => !busy.has(id));
      return {
        records: values.slice(0, limit).map(listed),
        dueAtMs: later?.key[1] ?? Infinity,
      };
    },

    /** Endpoints that have work, in the order of their names. */
    endpointsWithWork(): Promise<readonly string[]> {
      return use(async (database) => {
        const index = database.transaction('uploads').store.index('byTurn');
        const endpoints: string[] = [];
        // Keys that are no list, or begin with no text, are damaged; they sort before.
        let cursor = await index.openKeyCursor(IDBKeyRange.lowerBound(['']));
        while (cursor) {
          const endpoint: string = cursor.key[0];
          endpoints.push(endpoint);
          // Past every key of this endpoint: arrays sort after numbers.
          cursor = await index.openKeyCursor(IDBKeyRange.lowerBound([endpoint, []]));
        }
        return endpoints;
      });
    },

    /** Puts uploads of `endpoint` back in line that wait; few do, since a dead endpoint makes only its trials wait. */
    hasten(endpoint: string, event: CourseEvent): Promise<readonly UploadRecord[]> {
      return applyFrom([endpoint, Number.MIN_VALUE], [endpoint, []], event);
    },

    /** All of `endpoint` that have not begun wait for a sign-in: another was told so. */
    park(endpoint: string): Promise<readonly UploadRecord[]> {
      // What was cancelled stands there, too, and stays as it is.
      return applyFrom([endpoint, 0], [endpoint, 0, []], {
        type: 'parked',
        state: { status: 'waiting', reason: 'auth' },
      });
    },
    remove,

    /** Forgets all of `endpoint`, whatever its state, at once and for good; answers with those that are gone. */
    async clear(endpoint: string): Promise<readonly UploadId[]> {
      const all = IDBKeyRange.bound([endpoint], [endpoint, []]);
      return remove(await use((database) => database.getAllKeysFromIndex('uploads', 'byFingerprint', all)), true);
    },
    pages,

    /** Forgets what completed or was cancelled before `beforeMs`: the first page that holds such. */
    async prune(beforeMs: number, limit?: number): Promise<readonly UploadId[]> {
      for await (const page of pages(limit)) {
        const ended = page.filter(({ course: { state } }) => 'atMs' in state && state.atMs < beforeMs);
        if (ended.length > 0) return remove(idsOf(ended));
      }
      return [];
    },
  };
}

/** A record as it is told of; one without a turn where it cannot be read. */
function listed(value: UploadRecord): UploadRecord {
  return parseRecord(value) ?? describeCorrupt(value);
}

export function idsOf<Id extends string>(items: readonly { readonly id: Id }[]): readonly Id[] {
  return items.map(({ id }) => id);
}

/** What `store` has under each key, in their order. */
function getAll<Value>(store: { get(id: string): Promise<Value> }, ids: readonly string[]): Promise<Value[]> {
  return Promise.all(ids.map((id) => store.get(id)));
}

/** `done` speaks for every request of its transaction; alone, a refused one would be an unhandled rejection. */
function quietly(request: Promise<unknown>): void {
  request.catch(() => {});
}

/** The turn follows from the state; `undefined` keeps a record out of the index. */
function withTurn(record: Omit<UploadRecord, 'turn'>): UploadRecord {
  return { ...record, turn: turnOf(record, record.course) };
}

/** Names of DOMExceptions are the only thing that browsers agree on here; `tx.error` can even be null in WebKit. */
function nameOf(cause: unknown): string {
  return String((cause as Error | null)?.name);
}

function storageFailed(cause: unknown): UploadError {
  if (nameOf(cause) === 'QuotaExceededError') {
    return new UploadError('quota-exceeded', 'No room on this device', { cause });
  }
  if (nameOf(cause) === 'VersionError') {
    const message = 'A newer Backhaul wrote this';
    return new UploadError('version-mismatch', message, { cause });
  }
  return new UploadError('storage-failed', `IndexedDB failed (${toWire(cause).message})`, { cause });
}
