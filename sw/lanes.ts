// How many requests run at once, over all uploads and endpoints. An upload holds one lane from its first request to its
// last answer; the further parts of an upload go beside it only while no upload waits for its first.

interface Waiting {
  readonly extra: boolean;
  readonly enter: () => void;
}

export class Lanes {
  #free: number;
  #waiting: readonly Waiting[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  /** Resolves with what gives the lane back. Whoever has to wait waits until `signal`, and is then rejected. */
  async take(signal: AbortSignal, extra: boolean): Promise<() => void> {
    if (this.#free > 0) this.#free -= 1;
    else {
      signal.throwIfAborted();
      await new Promise<void>((resolve, reject) => {
        const stop = () => {
          this.#waiting = this.#waiting.filter((each) => each !== waiting);
          reject(signal.reason);
        };
        const enter = () => {
          signal.removeEventListener('abort', stop);
          resolve();
        };
        const waiting = { extra, enter };
        this.#waiting = [...this.#waiting, waiting];
        signal.addEventListener('abort', stop);
      });
    }
    return () => this.#leave();
  }

  #leave(): void {
    const next = this.#waiting.find(({ extra }) => !extra) ?? this.#waiting[0];
    this.#waiting = this.#waiting.filter((each) => each !== next);
    if (next) next.enter();
    else this.#free += 1;
  }
}
