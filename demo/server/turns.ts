// One writer per upload: a newer request ends the older one and waits until it has let go.
// Knows nothing of files or HTTP.

/** Why a turn was ended by somebody else; the `reason` of its signal. */
export type EndReason = 'replaced' | 'closing';

export interface Turn {
  /** Aborted when a newer request wants the turn, or the server closes. Let go soon, by {@link Turn.release}. */
  readonly signal: AbortSignal;
  /** Resolves once every earlier turn was released. Nothing may be read or written before. */
  readonly ready: Promise<void>;
  release(): void;
}

interface Held {
  readonly startByte: number;
  readonly controller: AbortController;
  readonly released: Promise<void>;
}

export class Turns {
  readonly #latest = new Map<string, Held>();
  /** Told when somebody takes the turn of a key. */
  readonly #watchers = new Map<string, Set<() => void>>();

  /** True while somebody holds, or waits for, the turn of `key`. */
  busy(key: string): boolean {
    return this.#latest.has(key);
  }

  /** Where the latest of those that hold, or wait for, the turn of `key` begins. */
  startOf(key: string): number | undefined {
    return this.#latest.get(key)?.startByte;
  }

  /** Resolves when the turn of `key` is let go of; or, if nobody has it, when somebody takes it. False: not within `limitMs`. */
  async change(key: string, limitMs: number): Promise<boolean> {
    const held = this.#latest.get(key);
    if (held !== undefined) return held.released.then(() => true);
    const watchers = this.#watchers.get(key) ?? new Set();
    this.#watchers.set(key, watchers);
    return new Promise((resolve) => {
      const done = (taken: boolean) => {
        clearTimeout(timer);
        watchers.delete(told);
        if (watchers.size === 0) this.#watchers.delete(key);
        resolve(taken);
      };
      const told = () => done(true);
      const timer = setTimeout(done, limitMs, false);
      watchers.add(told);
    });
  }

  /** Ends the present turn of `key` and queues behind it. */
  take(key: string, startByte = 0): Turn {
    const previous = this.#latest.get(key);
    const ready = previous?.released ?? Promise.resolve();
    const controller = new AbortController();
    let resolve: () => void = () => undefined;
    const own = new Promise<void>((done) => {
      resolve = done;
    });
    // Waits for the earlier ones as well: a turn given up while waiting must not let the next one overtake.
    const released = ready
      .then(() => own)
      .then(() => {
        if (this.#latest.get(key) === held) this.#latest.delete(key);
      });
    const held: Held = { controller, released, startByte };
    this.#latest.set(key, held);
    for (const told of [...(this.#watchers.get(key) ?? [])]) told();
    previous?.controller.abort('replaced' satisfies EndReason);
    return { signal: controller.signal, ready, release: resolve };
  }

  /** Ends every turn and waits until all are released. */
  async endAll(): Promise<void> {
    const all = [...this.#latest.values()];
    for (const { controller } of all) controller.abort('closing' satisfies EndReason);
    await Promise.all(all.map(({ released }) => released));
  }
}
