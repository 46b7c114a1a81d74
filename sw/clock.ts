// Time and chance, as a parameter: so that a test can own both.

export interface Clock {
  /** Epoch milliseconds. */
  now(): number;
  /** [0, 1). */
  random(): number;
  /** Rejects with the signal's reason as soon as that is aborted. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}

/** setTimeout fires at once above this. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  random: () => Math.random(),
  sleep: (delayMs, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const stop = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(
        () => {
          signal?.removeEventListener('abort', stop);
          resolve();
        },
        Math.min(Math.max(0, delayMs), LONGEST_TIMER_MS),
      );
      signal?.addEventListener('abort', stop, { once: true });
    }),
};

/** What `work` becomes, or `late` if that takes longer than `limitMs`. */
export async function within<Value, Late = Value>(
  work: Promise<Value>,
  limitMs: number,
  clock: Clock,
  late: Late,
): Promise<Value | Late> {
  const timer = new AbortController();
  const limit = clock.sleep(limitMs, timer.signal).catch(() => {});
  try {
    return await Promise.race([work, limit.then(() => late)]);
  } finally {
    timer.abort();
  }
}
