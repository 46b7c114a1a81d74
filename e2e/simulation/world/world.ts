// One simulated world: its time, its chance, its trace, and whatever lives in it. There is one at a time in a process;
// the platform's globals ask for it here.

import { Dice } from '../../conformance/dice.js';
import type { SimLocks } from '../platform/locks.js';
import type { ServiceWorkers } from '../platform/service-workers.js';
import type { MemoryDisk } from '../servers/memory-disk.js';
import { Loop } from './loop.js';
import type { Network } from './network.js';

/** What the globals of a page or worker refer to. */
export interface Scope {
  readonly emitter: Emitter;
  readonly document?: { visibilityState: string; addEventListener: Emitter['add'] };
  readonly self?: object;
}

export class World {
  readonly loop = new Loop();
  readonly seed: number;
  /** The product's own chance. */
  readonly chance: Dice;
  readonly scopes = new Map<object, Scope>();
  readonly channels = new Set<{ readonly name: string; hear(data: unknown, from: object): void }>();
  readonly lines: string[] = [];
  online = true;
  // Set by whoever builds the world.
  locks!: SimLocks;
  network!: Network;
  workers!: ServiceWorkers;
  disk!: MemoryDisk;

  constructor(seed: number) {
    this.seed = seed;
    this.chance = new Dice(seed, 'product');
  }

  note(text: string): void {
    this.lines.push(`${(this.loop.elapsedMs / 1000).toFixed(3).padStart(10)} s  ${text}`);
  }

  scope(): Scope | undefined {
    return this.loop.current && this.scopes.get(this.loop.current);
  }
}

let current: World | undefined;

export function setWorld(world: World | undefined): void {
  current = world;
}

export function world(): World {
  if (current === undefined) throw new Error('There is no world.');
  return current;
}

type Listener = (event: never) => void;

/** Listeners that belong to the agents that added them. */
export class Emitter {
  readonly #listeners: { readonly type: string; readonly listener: Listener; readonly owner: Loop['current'] }[] = [];

  readonly add = (type: string, listener: Listener, options?: { signal?: AbortSignal }): void => {
    const entry = { type, listener, owner: world().loop.current };
    this.#listeners.push(entry);
    options?.signal?.addEventListener('abort', () => {
      const at = this.#listeners.indexOf(entry);
      if (at >= 0) this.#listeners.splice(at, 1);
    });
  };

  /** Each listener gets a task of its agent's. */
  fire(type: string, event: object = {}): void {
    for (const { owner, listener } of this.#listeners.filter((each) => each.type === type)) {
      world().loop.task(owner, () => listener(event as never));
    }
  }

  /** At once, in the task that is running. */
  call(type: string, event: object): void {
    for (const { listener } of this.#listeners.filter((each) => each.type === type)) listener(event as never);
  }
}
