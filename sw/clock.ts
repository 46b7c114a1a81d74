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
    abortable(signal, (resolve) => {
      const timer = setTimeout(resolve, Math.min(delayMs, LONGEST_TIMER_MS));
      return () => clearTimeout(timer);
    }),
};

/** Resolves as `begin` says. Rejects as soon as `signal` is aborted, and then undoes with what `begin` has returned. */
export function abortable(
  signal: AbortSignal | undefined,
  begin: (resolve: () => void) => () => unknown,
): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const stop = () => {
      undo();
      reject(signal?.reason);
    };
    const undo = begin(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    });
    signal?.addEventListener('abort', stop);
  });
}

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
