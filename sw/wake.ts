// How long an event may keep the worker alive. Chromium stops a worker 300 s into one event even if others come, and
// lets a new version wait as long as an event of the old one lasts; so no event is held for longer than needed.

import { type Clock, within } from './clock.js';

/** Less than half of what Chromium allows, more than the minute at which it runs timers of hidden tabs. */
const LONGEST_HOLD_MS = 120_000;

/** For `waitUntil`: until the work is over, two minutes have passed, or a newer worker waits. True: the work is over. */
export function hold(idle: Promise<void>, clock: Clock, updated: Promise<void>): Promise<boolean> {
  const over = Promise.race([idle.then(() => true), updated.then(() => false)]);
  return within(over, LONGEST_HOLD_MS, clock, false);
}

/**
 * Resolves once a newer version of this worker is installed: from then on, it must be able to take over at any time.
 * `self`: this worker; in Chromium it hears of its own installation, too.
 */
export function watchForUpdate(
  registration: ServiceWorkerRegistration,
  self: ServiceWorker | undefined,
): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      const { waiting, active } = registration;
      if (waiting && waiting !== self && active) resolve();
    };
    look();
    registration.addEventListener('updatefound', () => registration.installing?.addEventListener('statechange', look));
  });
}
