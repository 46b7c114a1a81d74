// What a browser may offer beyond what Backhaul needs, and which engine does. Looked at in the page and in the worker
// (engines.spec.ts): an engine that begins to offer something, or ends it, makes the run red.
import type { EngineName } from './engine.js';

export interface Offer {
  /** A row of the README's table. */
  readonly what: string;
  readonly where: 'worker' | 'page';
  /** Names from the global object on; there if all of them are. */
  readonly path: string;
  readonly by: readonly EngineName[];
}

export const offers: readonly Offer[] = [
  {
    what: 'Background Sync: goes on when the network is back, with no page open',
    where: 'worker',
    path: 'registration.sync',
    by: ['chromium'],
  },
  {
    what: 'Periodic Background Sync',
    where: 'worker',
    path: 'registration.periodicSync',
    by: ['chromium'],
  },
  { what: 'Background Fetch', where: 'worker', path: 'registration.backgroundFetch', by: ['chromium'] },
  {
    what: 'tells how much room is left (`storage.estimate`)',
    where: 'worker',
    path: 'navigator.storage.estimate',
    by: ['chromium', 'firefox'],
  },
  {
    what: 'can be asked to evict nothing (`storage.persist`)',
    where: 'page',
    path: 'navigator.storage.persist',
    by: ['chromium', 'firefox'],
  },
  {
    what: 'tells a worker that its user saves data (`navigator.connection.saveData`)',
    where: 'worker',
    path: 'navigator.connection.saveData',
    by: ['chromium'],
  },
  {
    what: 'tells a worker what it is connected by (`navigator.connection.type`; Chromium does on Android and ChromeOS)',
    where: 'worker',
    path: 'navigator.connection.type',
    by: [],
  },
  {
    what: 'tells a page of the battery (`navigator.getBattery`)',
    where: 'page',
    path: 'navigator.getBattery',
    by: ['chromium'],
  },
];
