// Web Locks: one holder a name, over all agents; freed when the task is done, or its agent dead.

import type { Agent, Loop } from '../world/loop.js';

interface Waiting {
  readonly owner: Agent | undefined;
  readonly enter: () => void;
}

export class SimLocks {
  readonly #loop: Loop;
  readonly #held = new Map<string, Agent | undefined>();
  readonly #waiting = new Map<string, Waiting[]>();

  constructor(loop: Loop) {
    this.#loop = loop;
  }

  /** Who drives. */
  holder(name: string): Agent | undefined {
    return this.#held.get(name);
  }

  request(name: string, ...rest: unknown[]): Promise<unknown> {
    const task = rest.at(-1) as () => unknown;
    const { signal } = (rest.length > 1 ? rest[0] : {}) as { signal?: AbortSignal };
    const owner = this.#loop.current;
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const line = this.#waiting.get(name) ?? [];
      this.#waiting.set(name, line);
      const waiting: Waiting = {
        owner,
        enter: () => {
          const free = () => this.#free(name, owner);
          owner?.onDeath(free);
          const work = async () => task();
          work().finally(free).then(resolve, reject);
        },
      };
      line.push(waiting);
      signal?.addEventListener('abort', () => {
        const at = line.indexOf(waiting);
        if (at < 0) return;
        line.splice(at, 1);
        reject(signal.reason);
      });
      this.#grant(name);
    });
  }

  #free(name: string, owner: Agent | undefined): void {
    if (!this.#held.has(name) || this.#held.get(name) !== owner) return;
    this.#held.delete(name);
    this.#grant(name);
  }

  #grant(name: string): void {
    const line = this.#waiting.get(name) ?? [];
    while (!this.#held.has(name)) {
      const next = line.shift();
      if (next === undefined) return;
      if (next.owner?.dead) continue;
      this.#held.set(name, next.owner);
      // It may die before it hears of it.
      next.owner?.onDeath(() => this.#free(name, next.owner));
      this.#loop.task(next.owner, next.enter);
    }
  }
}
