// What only a page can do for the policies of its worker: see the battery, and wake a worker that the browser has stopped
// when connection or battery change. A low battery is told by a lock, which a worker that starts anew finds at once, and which
// goes away with the page that saw it. Apps without policies have nothing of it in their bundle.

import type { Backhaul } from './backhaul.js';
import { sharedName } from './contracts/messages.js';
import { batteryLock, type Connection, isMetered } from './contracts/policy.js';

/** Of a full one. Where Android, too, calls a battery low. */
const LOW_LEVEL = 0.15;

interface Battery extends EventTarget {
  readonly charging: boolean;
  readonly level: number;
}

/** What not every browser has. */
interface Senses {
  readonly connection?: Connection & EventTarget;
  getBattery?(): Promise<Battery>;
}

/** What this browser tells. Where it does not, a policy that depends on it holds nothing up. */
export interface KnownConditions {
  /** Whether a connection is cellular: Chromium on Android and ChromeOS. */
  readonly metered: boolean;
  /** Whether the user wants to save data: Chromium. */
  readonly saveData: boolean;
  readonly battery: boolean;
}

export function knownConditions(): KnownConditions {
  const { connection, getBattery } = navigator as Senses;
  return {
    metered: connection?.type !== undefined,
    saveData: connection?.saveData !== undefined,
    battery: getBattery !== undefined,
  };
}

/** Tells the worker when what its policies depend on changes, so that what waits goes on at once. Returns what ends that. */
export function relayConditions(backhaul: Backhaul): () => void {
  const over = new AbortController();
  const { signal } = over;
  const { connection, getBattery } = navigator as Senses;
  const tell = () => void backhaul.wake().catch(() => {});
  let metered: boolean | undefined;
  const look = () => {
    if (isMetered(connection) === metered) return;
    metered = isMetered(connection);
    tell();
  };
  connection?.addEventListener('change', look, { signal });
  look();
  // Forbidden by the page's permissions policy: then nobody knows.
  void getBattery?.call(navigator).then(
    (battery) => watch(battery, batteryLock(sharedName(backhaul.registration.scope)), tell, signal),
    () => {},
  );
  return () => over.abort();
}

/** Holds `lock` as long as the battery is low, and calls `tell` each time when that has begun or ended. */
function watch(battery: Battery, lock: string, tell: () => void, signal: AbortSignal): void {
  let low: AbortController | undefined;
  const look = () => {
    const isLow = !signal.aborted && !battery.charging && battery.level <= LOW_LEVEL;
    if (isLow === (low !== undefined)) return;
    low?.abort();
    low = isLow ? new AbortController() : undefined;
    if (low) holdWhile(low.signal, lock, tell).then(tell, () => {});
  };
  for (const type of ['levelchange', 'chargingchange']) battery.addEventListener(type, look, { signal });
  signal.addEventListener('abort', look);
  look();
}

/** Several pages see the same battery. */
function holdWhile(low: AbortSignal, lock: string, begun: () => void): Promise<void> {
  return navigator.locks.request(lock, { mode: 'shared', signal: low }, () => {
    begun();
    return new Promise<void>((resolve) => low.addEventListener('abort', () => resolve()));
  });
}
