// Stands between the engine and the adapter under test and writes down what passes: which call a request belongs to,
// which bytes the server is said to hold, and whether any of those were sent again (invariant 7). Changes nothing.

import { AsyncLocalStorage } from 'node:async_hooks';
import { normalize } from '../../sw/core/ranges.js';
import type { Adapter, Range, Reply } from '../../sw/protocols/adapter.js';

export type Phase = 'create' | 'probe' | 'send' | 'complete' | 'abort';

/** What the adapter was asked for. */
export interface Call {
  readonly phase: Phase;
  readonly range?: Range | undefined;
}

const calls = new AsyncLocalStorage<Call>();

/** The call that the running request belongs to. */
export function currentCall(): Call | undefined {
  return calls.getStore();
}

const phases: readonly string[] = ['create', 'probe', 'send', 'complete', 'abort'] satisfies Phase[];

export class Witness {
  /** Bytes that the adapter had reported as held, and was asked to send all the same. */
  sentAgainBytes = 0;
  /** Bytes that the server had taken with an answer that got lost, and that were sent again. */
  takenAgainBytes = 0;
  #acknowledged: readonly Range[] = [];
  #taken: readonly Range[] = [];

  /** The server has lost something, by the kit's doing: from now on it may be sent again. */
  lost(): void {
    this.#acknowledged = [];
    this.#taken = [];
  }

  /** The server has taken these bytes; the answer that says so is not seen by anybody. */
  taken(range: Range): void {
    this.#taken = normalize([...this.#taken, range]);
  }

  watch(adapter: Adapter): Adapter {
    return new Proxy(adapter, {
      get: (target, key) => {
        const value: unknown = Reflect.get(target, key, target);
        if (typeof value !== 'function') return value;
        if (typeof key !== 'string' || !phases.includes(key)) return value.bind(target);
        return (...args: unknown[]) => this.#call(key as Phase, args, (...each) => value.apply(target, each));
      },
    });
  }

  async #call(phase: Phase, args: unknown[], method: (...args: unknown[]) => Promise<Reply | undefined>) {
    const range = phase === 'send' ? (args[2] as Range) : undefined;
    if (range) {
      this.sentAgainBytes += overlap(range, this.#acknowledged);
      this.takenAgainBytes += overlap(range, this.#taken);
    }
    const reply = await calls.run({ phase, range }, () => method(...args));
    if (reply?.held) this.#acknowledged = normalize([...this.#acknowledged, ...reply.held]);
    else if (range) this.#acknowledged = normalize([...this.#acknowledged, range]);
    return reply;
  }
}

function overlap([start, end]: Range, ranges: readonly Range[]): number {
  return ranges.reduce((sum, [from, to]) => sum + Math.max(0, Math.min(end, to) - Math.max(start, from)), 0);
}
