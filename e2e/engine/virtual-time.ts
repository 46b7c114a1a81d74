// A clock that jumps: as soon as nothing is under way (no transaction, no request, no read of a Blob), it goes to the
// next moment at which somebody wants to be woken. Hours of back-off pass in milliseconds, and never by chance.

import 'fake-indexeddb/auto';
import type { Clock } from '../../sw/clock.js';
import { crossing, outsideOfLives } from './life.js';

/** What is under way in the current test. What an earlier one left behind does not count. */
let current = { underWay: 0, stamp: 0 };

/** No time passes while `work` is under way. */
export async function busy<Value>(work: Promise<Value>): Promise<Value> {
  const counts = current;
  counts.underWay += 1;
  counts.stamp += 1;
  try {
    return await work;
  } finally {
    counts.underWay -= 1;
    counts.stamp += 1;
  }
}

/** The listener of fake-indexeddb itself, below what life.ts puts over it: events are heard in dead lives too. */
const listen: (this: object, type: string, listener: () => void) => void = (() => {
  let found: unknown;
  for (let each: object | null = IDBTransaction.prototype; each !== null; each = Object.getPrototypeOf(each)) {
    if (Object.hasOwn(each, 'addEventListener')) found = Reflect.get(each, 'addEventListener');
  }
  return found as typeof listen;
})();

function ended(target: object, ...types: readonly string[]): Promise<void> {
  return new Promise((resolve) => {
    for (const type of types) listen.call(target, type, () => resolve());
  });
}

const transaction = IDBDatabase.prototype.transaction;
IDBDatabase.prototype.transaction = function (this: IDBDatabase, ...args: Parameters<IDBDatabase['transaction']>) {
  const opened = transaction.apply(this, args);
  void busy(ended(opened, 'complete', 'abort'));
  return opened;
};

const open = IDBFactory.prototype.open;
IDBFactory.prototype.open = function (this: IDBFactory, ...args: Parameters<IDBFactory['open']>) {
  const request = open.apply(this, args);
  void busy(ended(request, 'success', 'error'));
  return request;
};

const arrayBuffer = Blob.prototype.arrayBuffer;
Blob.prototype.arrayBuffer = function (this: Blob) {
  // The read itself is what time waits for: what a dead life makes of it never ends.
  return crossing(busy(outsideOfLives(() => arrayBuffer.call(this))));
};

const originalFetch = globalThis.fetch;
globalThis.fetch = (input, init) =>
  busy(
    (async () => {
      const response = await originalFetch(input, init);
      const { status, headers } = response;
      const body = await response.arrayBuffer();
      const copy = new Response(body.byteLength === 0 ? null : body, { status, headers });
      // A made response has no URL of its own.
      return Object.defineProperty(copy, 'url', { value: response.url });
    })(),
  );

interface Timer {
  dueAtMs: number;
  readonly order: number;
  readonly fire: () => void;
}

export class VirtualTime implements Clock {
  #nowMs = 1_700_000_000_000;
  #seed: number;
  #order = 0;
  readonly #timers = new Set<Timer>();
  /** Requests that hang on purpose: time goes on although they are under way. */
  hanging: () => number = () => 0;

  constructor(seed = 1) {
    current = { underWay: 0, stamp: 0 };
    this.#seed = seed;
  }

  now(): number {
    return this.#nowMs;
  }

  random(): number {
    this.#seed = (this.#seed * 48_271) % 2_147_483_647;
    return this.#seed / 2_147_483_647;
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      current.stamp += 1;
      const forget = () => {
        this.#timers.delete(timer);
        signal?.removeEventListener('abort', stop);
      };
      const stop = () => {
        forget();
        reject(signal?.reason);
      };
      this.#order += 1;
      const timer: Timer = {
        dueAtMs: this.#nowMs + Math.max(0, delayMs),
        order: this.#order,
        fire: () => {
          forget();
          resolve();
        },
      };
      this.#timers.add(timer);
      signal?.addEventListener('abort', stop);
    });
  }

  get timers(): number {
    return this.#timers.size;
  }

  /** Resolves once nothing happens any more without time passing. */
  async settle(): Promise<void> {
    let seen = -1;
    for (let quiet = 0; quiet < 8; ) {
      await new Promise((resolve) => setImmediate(resolve));
      if (current.underWay > this.hanging()) await new Promise((resolve) => setTimeout(resolve, 1));
      quiet = current.underWay <= this.hanging() && current.stamp === seen ? quiet + 1 : 0;
      seen = current.stamp;
    }
  }

  /** Lets time pass until `condition` gives something; fails after `limitMs` of it, or if nobody waits for time. */
  async until<Value>(
    what: string,
    condition: () => Promise<Value | undefined | false> | Value | undefined | false,
    limitMs = 86_400_000,
  ): Promise<Value> {
    const endMs = this.#nowMs + limitMs;
    for (;;) {
      await this.settle();
      const value = await condition();
      if (value !== undefined && value !== false) return value;
      await this.settle();
      if (!this.#jump(endMs)) throw new Error(`${what}: not within ${limitMs} ms`);
    }
  }

  /** The device sleeps, or its clock is set: the clock shows another time, and whoever waits for a timer still has to. */
  leap(ms: number): void {
    this.#nowMs += ms;
    for (const timer of this.#timers) timer.dueAtMs += ms;
  }

  /** Lets `ms` pass, and whatever falls due in them happen. */
  async pass(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    do await this.settle();
    while (this.#jump(endMs));
    this.#nowMs = endMs;
    await this.settle();
  }

  #jump(endMs: number): boolean {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (
        next === undefined ||
        timer.dueAtMs < next.dueAtMs ||
        (timer.dueAtMs === next.dueAtMs && timer.order < next.order)
      )
        next = timer;
    }
    if (next === undefined || next.dueAtMs > endMs) return false;
    this.#nowMs = Math.max(this.#nowMs, next.dueAtMs);
    next.fire();
    return true;
  }
}
