// How many requests run at once, over all uploads and endpoints. An upload holds one lane from its first request to its
// last answer; the further parts of an upload go beside it only while no upload waits for its first.

import { abortable } from './clock.js';

interface Waiting {
  readonly extra: boolean;
  readonly enter: () => void;
}

export class Lanes {
  #free: number;
  readonly #waiting = new Set<Waiting>();

  constructor(count: number) {
    this.#free = count;
  }

  /** Resolves with what gives the lane back. Whoever has to wait waits until `signal`, and is then rejected. */
  async take(signal: AbortSignal, extra: boolean): Promise<() => void> {
    if (this.#free > 0) this.#free -= 1;
    else {
      await abortable(signal, (enter) => {
        const waiting = { extra, enter };
        this.#waiting.add(waiting);
        return () => this.#waiting.delete(waiting);
      });
    }
    return () => this.#leave();
  }

  #leave(): void {
    const waiting = [...this.#waiting];
    const next = waiting.find(({ extra }) => !extra) ?? waiting[0];
    if (next) {
      this.#waiting.delete(next);
      next.enter();
    } else this.#free += 1;
  }
}
