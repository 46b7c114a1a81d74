// What only a page can know or do for the worker: that the network is back, that the user looks, that the worker was
// stopped, and the signs of life that keep it running. All of them become a `wake`.

import type { WakeReason } from './contracts/messages.js';
import { type Host, newcomer } from './registration.js';

export interface WakeSignals {
  /** True while there is something that the worker would do by itself. */
  readonly working: () => boolean;
  /** Resolves with the worker's answer: does it work now? */
  readonly wake: (reason: WakeReason) => Promise<boolean>;
  /** What this tab shows may be stale: it slept, or the worker died before it could tell. */
  readonly refresh: () => Promise<void>;
  /** Calls back after each change of what is known. */
  readonly subscribe: (listener: () => void) => () => void;
  readonly registration: Host;
  /** Of the lock and of the sync tag. */
  readonly name: string;
}

/** Between two wake-ups of a worker that dies at once. */
const SHORTEST_LIFE_MS = 1000;

/** Starts listening; the returned function stops it. */
export function relayWakeSignals(signals: WakeSignals): () => void {
  const over = new AbortController();
  const { signal } = over;
  const wake = (reason: WakeReason) => {
    if (signals.working() || reason === 'visible') signals.wake(reason).catch(() => {});
  };
  // Chromium fires no `online` event in a worker.
  addEventListener('online', () => wake('online'), { signal });
  const seen = () => {
    if (document.visibilityState !== 'visible') return;
    signals.refresh().catch(() => {});
    wake('visible');
    void registerSync(signals);
  };
  document.addEventListener('visibilitychange', seen, { signal });
  addEventListener('pageshow', (event) => event.persisted && seen(), { signal });
  // Whoever has just opened a page may have signed in.
  wake('visible');
  // Pages over http have no locks, and no worker that could die.
  if ('locks' in navigator) void watchWorker(signals, signal);
  return () => over.abort();
}

/**
 * While the worker works it holds a lock. Whoever gets that lock knows that the worker has died, or has nothing to do:
 * 3 to 9 ms after the end in Chromium, 45 ms in Firefox. Nothing else tells a page.
 */
async function watchWorker(signals: WakeSignals, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      while (!signals.working() && !signal.aborted) await changed(signals.subscribe, signal);
      const startedAtMs = Date.now();
      if (await signals.wake('command')) {
        await navigator.locks.request(signals.name, { signal }, () => {});
        await newcomer(signals.registration);
        await signals.refresh();
        if (signals.working()) await pause(startedAtMs + SHORTEST_LIFE_MS - Date.now(), signal);
      } else {
        // Nothing that it could do now; look again when something has changed.
        await signals.refresh();
        await changed(signals.subscribe, signal);
      }
    } catch {
      await pause(SHORTEST_LIFE_MS, signal);
    }
  }
}

interface Syncs {
  readonly sync?: { register(tag: string): Promise<void> };
  readonly periodicSync?: {
    register(tag: string, options: { readonly minInterval: number }): Promise<void>;
    unregister(tag: string): Promise<void>;
  };
}

/** The least; Chromium makes it 12 hours, or more for an app that is used less. */
const PERIOD_MS = 3_600_000;

/**
 * Background Sync calls the worker when the network is back and no page is left, three times in all; the periodic one,
 * which only an installed app is granted, also after that. Both are Chromium's alone.
 */
export async function registerSync({ registration, name, working }: WakeSignals): Promise<void> {
  const { sync, periodicSync } = registration as Host & Syncs;
  // Refused where the user has switched it off; then the next visit goes on.
  const refused = () => {};
  if (!working()) return periodicSync?.unregister(name).catch(refused);
  await sync?.register(name).catch(refused);
  await periodicSync?.register(name, { minInterval: PERIOD_MS }).catch(refused);
}

function changed(subscribe: WakeSignals['subscribe'], signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      unsubscribe();
      resolve();
    };
    const unsubscribe = subscribe(done);
    signal.addEventListener('abort', done, { once: true });
  });
}

function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, Math.max(0, delayMs));
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
