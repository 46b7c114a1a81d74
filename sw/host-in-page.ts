// The other host of the engine: a page, where there is no service worker. The same loop, store and commands; what a
// worker is by nature, one for all tabs and stopped by nobody's closing, this has to make up for or go without.

import { envelope, openEnvelope, sharedName, type WakeReason, WIRE_VERSION } from '../src/contracts/messages.js';
import { answer } from './answer.js';
import { systemClock } from './clock.js';
import { createEngine, type EngineOptions } from './engine.js';
import type { InstalledBackhaul } from './install.js';
import { roomBy } from './room.js';
import type { HoldLock, Scheduler } from './scheduler.js';
import { holdConnection } from './store/connection-lock.js';

/** What `Backhaul.register()` speaks with in place of a worker's registration. */
export interface PageHost {
  readonly inPage: true;
  readonly scope: string;
  readonly active: {
    readonly scriptURL: string;
    postMessage(message: unknown, ports: readonly MessagePort[]): void;
  };
  readonly waiting: null;
  readonly installing: null;
}

/** What one tab's host tells the others: each has a scheduler of its own, and only one of them drives. */
type Word =
  | { readonly type: 'wake'; readonly reason: WakeReason }
  | { readonly type: 'stop'; readonly ids: readonly string[] }
  | { readonly type: 'forgive' };

/**
 * Runs uploads in the page itself, with the options of `installBackhaul`. For `fallback` of `Backhaul.register()`, in a
 * module that is loaded only then. Uploads go on while a page of the app is open, and at its next visit.
 * `add`: calls what a worker's script calls after `installBackhaul`, as far as a page can do it: `policies()`.
 */
export function hostInPage(
  options: EngineOptions,
  add: (backhaul: InstalledBackhaul) => void = () => {},
): (scope: string) => PageHost {
  return (scope) => {
    const name = sharedName(scope);
    const events = new BroadcastChannel(name);
    const others = new BroadcastChannel(`${name}:hosts`);
    const engine = createEngine(options, {
      databaseName: name,
      clock: systemClock,
      fetch: ownFetch(),
      holdLock: lockOf(name),
      isOnline: () => navigator.onLine,
      newId,
      room: roomBy(async () => navigator.storage.estimate()),
      post: (event) => events.postMessage(envelope(event)),
    });
    add(engine as unknown as InstalledBackhaul);
    const { scheduler } = engine;
    const tell = (word: Word) => others.postMessage(envelope(word));
    others.addEventListener('message', ({ data }) => void obey(data, scheduler).catch(() => {}));
    const everywhere: Scheduler = {
      ...scheduler,
      wake(reason) {
        // Each tab hears the ticks, and sends heartbeats of its own.
        if (reason !== 'heartbeat') tell({ type: 'wake', reason });
        return scheduler.wake(reason);
      },
      stop(ids) {
        tell({ type: 'stop', ids });
        return scheduler.stop(ids);
      },
      forgive() {
        tell({ type: 'forgive' });
        scheduler.forgive();
      },
    };
    void engine.prune().catch(() => {});
    return {
      inPage: true,
      scope,
      active: {
        scriptURL: '(this page)',
        postMessage: (data, ports) => {
          void answer(data, ports[0], { ...engine, scheduler: everywhere });
          // For what was added; other windows can send no event of this name.
          dispatchEvent(new MessageEvent('backhaul', { data, ports: [...ports] }));
        },
      },
      waiting: null,
      installing: null,
    };
  };
}

async function obey(data: unknown, scheduler: Scheduler): Promise<void> {
  const opened = openEnvelope(data);
  if (opened?.wire !== WIRE_VERSION) return;
  const word = opened.body as Word;
  switch (word.type) {
    case 'wake':
      await scheduler.wake(word.reason);
      break;
    case 'stop':
      await scheduler.stop(word.ids);
      break;
    case 'forgive':
      scheduler.forgive();
      break;
    default:
      word satisfies never;
  }
}

/** From here on, a page that was to go away is taken to stay. A guess. */
const STAYS_MS = 10_000;

/**
 * What ends with the page says nothing of the network; and since WebKit then reads no Blob either, the upload would be
 * taken for lost. A page that comes back (bfcache) has a time limit on it.
 */
function ownFetch(): typeof fetch {
  let isLeaving = false;
  const leave = () => {
    isLeaving = true;
  };
  const stay = () => {
    isLeaving = false;
  };
  // WebKit ends requests between the two.
  addEventListener('beforeunload', () => {
    leave();
    // The user may have stayed, or got a download.
    setTimeout(stay, STAYS_MS);
  });
  addEventListener('pagehide', leave);
  addEventListener('pageshow', stay);
  return async (input, init) => {
    try {
      return await fetch(input, init);
    } catch (cause) {
      if (isLeaving && !init?.signal?.aborted) await new Promise(() => {});
      throw cause;
    }
  };
}

/** Pages over http have no Web Locks. */
function lockOf(name: string): HoldLock {
  const { locks }: { locks?: LockManager } = navigator;
  return (task) => (locks ? locks.request(name, task) : holdConnection(`${name}:lock`, task));
}

/** Pages over http lack `randomUUID`, too. */
function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
