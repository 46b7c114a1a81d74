// Owns the speed of a shared wire: whoever wants to send waits for its turn. Knows nothing of sockets.
import { setTimeout as delay } from 'node:timers/promises';

/** Idle time that may be made up for. Timers are a few milliseconds late on a busy machine; more would be a burst. */
const CREDIT_MS = 50;

/** A token bucket kept as a clock: each send moves the moment at which the wire is free again. */
export class Pacer {
  #bytesPerMs: number | undefined;
  #freeAtMs = 0;

  constructor(bitsPerSecond?: number) {
    this.setRate(bitsPerSecond);
  }

  /** Undefined: as fast as it goes. */
  setRate(bitsPerSecond: number | undefined): void {
    this.#bytesPerMs = bitsPerSecond === undefined ? undefined : bitsPerSecond / 8000;
    this.#freeAtMs = 0;
  }

  get unlimited(): boolean {
    return this.#bytesPerMs === undefined;
  }

  /** Resolves when `bytes` have had the time to pass. Callers are served in order, so one piece each is fair. */
  async take(bytes: number): Promise<void> {
    if (this.#bytesPerMs === undefined) return;
    const nowMs = performance.now();
    this.#freeAtMs = Math.max(this.#freeAtMs, nowMs - CREDIT_MS) + bytes / this.#bytesPerMs;
    const waitMs = this.#freeAtMs - nowMs;
    if (waitMs >= 1) await delay(waitMs);
  }
}
