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
  readonly controller: AbortController;
  readonly released: Promise<void>;
}

export class Turns {
  readonly #latest = new Map<string, Held>();

  /** True while somebody holds, or waits for, the turn of `key`. */
  busy(key: string): boolean {
    return this.#latest.has(key);
  }

  /** Ends the present turn of `key` and queues behind it. */
  take(key: string): Turn {
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
    const held: Held = { controller, released };
    this.#latest.set(key, held);
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
