// IndexedDB of the simulated browser: fake-indexeddb, whose events are crossings of the agent that listens. What an agent
// had open aborts with it. Says which transactions commit, and lets the simulator abort one after its success events.

import {
  IDBCursor,
  IDBDatabase,
  IDBFactory,
  IDBIndex,
  IDBKeyRange,
  IDBObjectStore,
  IDBRequest,
  IDBTransaction,
} from 'fake-indexeddb';
import type { Agent } from '../world/loop.js';
import { world } from '../world/world.js';

/** The parts of fake-indexeddb that are not in its types. */
export interface RawTransaction {
  _state: string;
  _started: boolean;
  _requests: unknown[];
  readonly _scope: ReadonlySet<string>;
  readonly mode: string;
  readonly db: { readonly _rawDatabase: RawDatabase };
  _abort(name: string): void;
  _start(): void;
  abort(): void;
}

export interface RawDatabase {
  readonly rawObjectStores: ReadonlyMap<string, { readonly records: { values(): Iterable<RawRecord> } }>;
}

export interface RawRecord {
  readonly key: unknown;
  readonly value: unknown;
}

export interface StorageHooks {
  /** Before a transaction commits: the name of the error that aborts it, if one does. */
  beforeCommit(transaction: RawTransaction): string | undefined;
  /** It has committed. */
  committed(transaction: RawTransaction): void;
}

let hooks: StorageHooks = { beforeCommit: () => undefined, committed: () => undefined };

/** An empty database for a new world. */
export function resetStorage(given: StorageHooks): void {
  hooks = given;
  Object.defineProperty(globalThis, 'indexedDB', { value: new IDBFactory(), configurable: true, writable: true });
}

type Listener = (event: { readonly type: string; readonly target: { readonly transaction?: unknown } }) => void;
type Listening = (this: object, type: string, listener: Listener, options?: unknown) => void;

/** Once in a process. */
export function installStorage(): void {
  Object.assign(globalThis, {
    IDBCursor,
    IDBDatabase,
    IDBFactory,
    IDBIndex,
    IDBKeyRange,
    IDBObjectStore,
    IDBRequest,
    IDBTransaction,
  });
  const target = prototypeWith(IDBTransaction.prototype, 'addEventListener') as {
    addEventListener: Listening;
    removeEventListener: Listening;
    listenInside: Listening;
  };
  const { addEventListener, removeEventListener } = target;
  const wrapped = new WeakMap<Listener, Listener>();
  // fake-indexeddb's own listeners (see bundle.ts): the browser's part outlives any agent.
  target.listenInside = addEventListener;
  target.addEventListener = function (this: object, type, listener, options) {
    const owner = world().loop.current;
    // One wrapper for one listener, whatever it listens to: idb has the same function for `error` and `abort`.
    const own = wrapped.get(listener) ?? (owner === undefined ? listener : guard(owner, listener));
    wrapped.set(listener, own);
    addEventListener.call(this, type, own, options);
  };
  target.removeEventListener = function (this: object, type, listener, options) {
    removeEventListener.call(this, type, wrapped.get(listener) ?? listener, options);
  };

  const database = IDBDatabase.prototype as unknown as { transaction(...args: unknown[]): RawTransaction };
  const { transaction } = database;
  database.transaction = function (...args: unknown[]) {
    const opened = transaction.apply(this, args);
    const owner = world().loop.current;
    if (owner !== undefined) {
      abortsWith(owner, opened);
      for (const name of ['oncomplete', 'onabort', 'onerror']) guardHandler(opened, name, owner);
    }
    return opened;
  };

  const raw = IDBTransaction.prototype as unknown as RawTransaction;
  const start = raw._start;
  raw._start = function (this: RawTransaction) {
    const ends = this._started && this._requests.length === 0 && this._state !== 'finished';
    if (ends && this.mode === 'readwrite') {
      const error = hooks.beforeCommit(this);
      if (error !== undefined) return this._abort(error);
      // Before anybody hears of it.
      hooks.committed(this);
    }
    start.call(this);
  };
}

function guard(owner: Agent, listener: Listener): Listener {
  return (event) => {
    // Stopped in an upgrade: that is undone as a whole.
    const upgrade = event.type === 'upgradeneeded' ? event.target.transaction : null;
    if (upgrade) abortsWith(owner, upgrade as RawTransaction);
    if (world().loop.enter(owner)) listener(event);
  };
}

/** The same for what is set, not added. */
function guardHandler(target: object, name: string, owner: Agent): void {
  let own: Listener | null = null;
  Object.defineProperty(target, name, {
    get: () => own,
    set: (handler: Listener | null) => {
      own = handler && guard(owner, handler);
    },
  });
}

function abortsWith(owner: Agent, transaction: RawTransaction): void {
  const abort = () => {
    if (transaction._state === 'active' || transaction._state === 'inactive') transaction.abort();
  };
  if (owner.dead) abort();
  else owner.onDeath(abort);
}

function prototypeWith(from: object, key: string): object {
  for (let each: object | null = from; each !== null; each = Object.getPrototypeOf(each)) {
    if (Object.hasOwn(each, key)) return each;
  }
  throw new Error(`fake-indexeddb has no ${key}`);
}
