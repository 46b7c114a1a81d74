// One life of a worker inside Node, which can end at any await: every event of IndexedDB, every answer of the network,
// every timer and every read of a Blob that belongs to it is a crossing, and at a chosen crossing nothing of it ever
// runs again. Open transactions abort, requests are cut, the lock is freed: what a browser does to a stopped worker.

import { AsyncLocalStorage } from 'node:async_hooks';
import 'fake-indexeddb/auto';

const lives = new AsyncLocalStorage<Life>();
export const never = new Promise<never>(() => {});

export class Life {
  crossings = 0;
  dead = false;
  readonly #stopAt: number;
  readonly #transactions = new Set<IDBTransaction>();
  readonly #abort = new AbortController();
  readonly #onDeath: (() => void)[] = [];
  readonly #network: typeof fetch;
  readonly died: Promise<void>;

  /** `network`: what its requests go through. Default: the global fetch, as it is when they are made. */
  constructor(stopAt = Number.POSITIVE_INFINITY, network: typeof fetch = (input, init) => fetch(input, init)) {
    this.#stopAt = stopAt;
    this.#network = network;
    this.died = new Promise((resolve) => this.#onDeath.push(resolve));
  }

  /** Runs `task` as part of this life: what it awaits through the platform can be its last. */
  run<Value>(task: () => Value): Value {
    return lives.run(this, task);
  }

  /** Counts one crossing; false if the life is over, and then nothing may follow. */
  step(): boolean {
    if (this.dead) return false;
    this.crossings += 1;
    if (this.crossings === this.#stopAt) this.end();
    return !this.dead;
  }

  /** What `promise` becomes, unless the life ends before. */
  async cross<Value>(promise: Promise<Value>): Promise<Value> {
    const [result] = await Promise.allSettled([promise]);
    if (!this.step()) return never;
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  }

  end(): void {
    if (this.dead) return;
    this.dead = true;
    for (const transaction of this.#transactions) {
      try {
        transaction.abort();
      } catch {
        // It has ended.
      }
    }
    this.#abort.abort();
    for (const listener of this.#onDeath) listener();
  }

  onDeath(listener: () => void): void {
    if (this.dead) listener();
    else this.#onDeath.push(listener);
  }

  /** Its network, bound to this life: cut off when it ends. */
  readonly fetch: typeof fetch = async (input, init) => {
    const signal = init?.signal ? AbortSignal.any([init.signal, this.#abort.signal]) : this.#abort.signal;
    const url = typeof input === 'string' ? input : input.toString();
    const response = await this.cross(this.#network(url, { ...init, signal }));
    const reader = response.body?.getReader();
    if (reader === undefined) return response;
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull: async (controller) => {
        const { done, value } = await this.cross(reader.read());
        if (done) controller.close();
        else controller.enqueue(value as Uint8Array<ArrayBuffer>);
      },
    });
    const copy = new Response(body, { status: response.status, headers: response.headers });
    // A made response has no URL of its own.
    return Object.defineProperty(copy, 'url', { value: response.url });
  };

  track(transaction: IDBTransaction): void {
    this.#transactions.add(transaction);
    // What has committed stays committed.
    lives.exit(() => transaction.addEventListener('complete', () => this.#transactions.delete(transaction)));
    if (this.dead) transaction.abort();
  }
}

/** Runs `task` as part of no life: a server, or the network, that lives in the same process. */
export function outsideOfLives<Value>(task: () => Value): Value {
  return lives.exit(task);
}

/** What `promise` becomes, for the life that the running code belongs to. */
export function crossing<Value>(promise: Promise<Value>): Promise<Value> {
  return current()?.cross(promise) ?? promise;
}

/** The life that the running code belongs to. */
function current(): Life | undefined {
  return lives.getStore();
}

type Listener = (event: Event) => void;

/** Where the function that asks was called from; no deeper than that, since stacks are slow. */
function caller(): string {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 3;
  const { stack } = new Error();
  Error.stackTraceLimit = limit;
  return stack?.split('\n')[3] ?? '';
}

function guard(life: Life, listener: Listener): Listener {
  return (event) => {
    // Stopped in an upgrade: that is undone as a whole.
    const upgrade = event.type === 'upgradeneeded' ? (event.target as IDBOpenDBRequest).transaction : null;
    if (upgrade !== null) life.track(upgrade);
    if (life.step()) life.run(() => listener(event));
  };
}

for (const prototype of [IDBRequest.prototype, IDBTransaction.prototype, IDBOpenDBRequest.prototype]) {
  const original = prototype.addEventListener as unknown as (this: object, type: string, listener: Listener) => void;
  const removed = prototype.removeEventListener as unknown as (this: object, type: string, listener: Listener) => void;
  const wrapped = new WeakMap<Listener, Listener>();
  Object.assign(prototype, {
    addEventListener(this: object, type: string, listener: Listener) {
      // fake-indexeddb listens to itself; that is the browser's part, and outlives any worker.
      const life = /fake-indexeddb/.test(caller()) ? undefined : current();
      // One wrapper for one listener, whatever it listens to: idb has the same function for `error` and `abort`.
      const guarded = wrapped.get(listener) ?? (life === undefined ? listener : guard(life, listener));
      wrapped.set(listener, guarded);
      original.call(this, type, guarded);
    },
    removeEventListener(this: object, type: string, listener: Listener) {
      removed.call(this, type, wrapped.get(listener) ?? listener);
    },
  });
}

const originalTransaction = IDBDatabase.prototype.transaction;
IDBDatabase.prototype.transaction = function (this: IDBDatabase, ...args: Parameters<IDBDatabase['transaction']>) {
  const life = current();
  const transaction = originalTransaction.apply(this, args);
  life?.track(transaction);
  return transaction;
};

const originalArrayBuffer = Blob.prototype.arrayBuffer;
Blob.prototype.arrayBuffer = function (this: Blob) {
  return crossing(originalArrayBuffer.call(this));
};
