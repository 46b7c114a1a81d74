// AbortController and AbortSignal, with what the product and the servers use of them. Node's own keep a signal that others
// follow for as long as it is not aborted, and most are in agents that died: a batch would grow by half a megabyte a run.

import { world } from '../world/world.js';

type Listener = () => void;

class AbortError extends Error {
  override readonly name: string = 'AbortError';
}

export class MemoryAbortSignal {
  aborted = false;
  reason: unknown;
  readonly #listeners = new Set<Listener>();
  readonly #followers: MemoryAbortSignal[] = [];

  static any(signals: readonly MemoryAbortSignal[]): MemoryAbortSignal {
    const any = new MemoryAbortSignal();
    const first = signals.find(({ aborted }) => aborted);
    if (first) any.end(first.reason);
    else for (const signal of signals) signal.#followers.push(any);
    return any;
  }

  static timeout(delayMs: number): MemoryAbortSignal {
    const signal = new MemoryAbortSignal();
    const { loop } = world();
    loop.timer(delayMs, loop.current, () => signal.end(new AbortError('Timed out.')));
    return signal;
  }

  addEventListener(_type: 'abort', listener: Listener): void {
    if (!this.aborted) this.#listeners.add(listener);
  }

  removeEventListener(_type: 'abort', listener: Listener): void {
    this.#listeners.delete(listener);
  }

  throwIfAborted(): void {
    if (this.aborted) throw this.reason;
  }

  /** The controller's part. Each listener hears of it once. */
  end(reason: unknown): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    for (const listener of listeners) listener();
    for (const follower of this.#followers.splice(0)) follower.end(reason);
  }
}

export class MemoryAbortController {
  readonly signal = new MemoryAbortSignal();

  abort(reason: unknown = new AbortError('Aborted.')): void {
    this.signal.end(reason);
  }
}
