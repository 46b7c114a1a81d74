// How many requests run at once, over all uploads and endpoints: those that wait are served by rank, not by arrival, so
// that an upload which was begun earlier also ends earlier.

interface Waiting {
  readonly rank: number;
  readonly enter: () => void;
}

export class Lanes {
  #free: number;
  readonly #waiting = new Set<Waiting>();

  constructor(count: number) {
    this.#free = count;
  }

  /** Resolves with what gives the lane back. Rejects with the signal's reason if that is aborted meanwhile. */
  async take(rank: number, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (this.#free > 0) this.#free -= 1;
    else {
      await new Promise<void>((resolve, reject) => {
        const waiting = { rank, enter: resolve };
        this.#waiting.add(waiting);
        signal.addEventListener('abort', () => {
          // Not while it was being let in: then the lane is its own, and it gives it back.
          if (this.#waiting.delete(waiting)) reject(signal.reason);
        });
      });
    }
    return () => this.#leave();
  }

  #leave(): void {
    let first: Waiting | undefined;
    for (const waiting of this.#waiting) if (first === undefined || waiting.rank < first.rank) first = waiting;
    if (first === undefined) this.#free += 1;
    else {
      this.#waiting.delete(first);
      first.enter();
    }
  }
}
