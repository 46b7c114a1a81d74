// Joins the engine to a service worker: the table of its events. Only this file and the additions to it (share-target.ts,
// notify.ts, app-badge.ts) read `self`.

import { envelope, sharedName } from '../src/contracts/messages.js';
import { answer } from './answer.js';
import { systemClock } from './clock.js';
import { createEngine, type Engine, type EngineOptions } from './engine.js';
import { hold, watchForUpdate } from './wake.js';

declare const self: ServiceWorkerGlobalScope;

export type BackhaulOptions = EngineOptions;

declare const installed: unique symbol;

/** What `shareTarget()`, `notify()` and `appBadge()` take. What is in it is theirs, and may change in any version. */
export interface InstalledBackhaul {
  readonly [installed]: true;
}

/** What is in an {@link InstalledBackhaul}. */
export interface Installed extends Engine {
  /** For `waitUntil`: see {@link hold}. */
  readonly held: (work: Promise<void>) => Promise<boolean>;
}

export function opened(backhaul: InstalledBackhaul): Installed {
  return backhaul as unknown as Installed;
}

/**
 * Makes this service worker an uploader. Call it once, while the worker's script runs (listeners that are added later
 * miss events). Adds listeners for `message`, `activate`, `sync` and `periodicsync`; takes over nothing else: caching,
 * `skipWaiting` and `clients.claim` stay the app's.
 */
export function installBackhaul(options: BackhaulOptions): InstalledBackhaul {
  const { registration, serviceWorker } = self;
  const name = sharedName(registration.scope);
  const channel = new BroadcastChannel(name);
  const engine = createEngine(options, {
    databaseName: name,
    clock: systemClock,
    fetch: (input, init) => fetch(input, init),
    holdLock: (task) => navigator.locks.request(name, task),
    isOnline: () => navigator.onLine,
    newId: () => crypto.randomUUID(),
    post: (event) => channel.postMessage(envelope(event)),
  });
  const updated = watchForUpdate(registration, serviceWorker);
  const held = (work: Promise<void>) => hold(work, systemClock, updated);
  const holding = () => held(engine.scheduler.idle());

  self.addEventListener('message', (event) => {
    const { data, ports } = event;
    event.waitUntil(held(answer(data, ports[0], engine).then(engine.scheduler.idle)));
  });
  self.addEventListener('activate', () => {
    // Not held: until this event is over, no page of the app is answered by its worker.
    void start(engine, 'start');
  });
  const onSync = (event: Event) => {
    const sync = event as ExtendableEvent & { readonly tag: string };
    if (sync.tag !== name) return;
    // Rejected while work is left: then the browser calls again, after 300 s and 900 s in Chromium.
    const over = start(engine, 'sync').then(holding);
    sync.waitUntil(over.then((isOver) => isOver || Promise.reject()));
  };
  self.addEventListener('sync', onSync);
  self.addEventListener('periodicsync', onSync);
  // A worker that was stopped begins here again. One that only installs must not drive: an older one may.
  if (serviceWorker?.state === 'activated') void start(engine, 'start');
  const all: Installed = Object.assign(engine, { held });
  return all as unknown as InstalledBackhaul;
}

async function start(engine: Engine, reason: 'start' | 'sync'): Promise<void> {
  try {
    await Promise.all([engine.scheduler.wake(reason), engine.prune()]);
  } catch {
    // The store is out of order; the first command will say so to a page.
  }
}
