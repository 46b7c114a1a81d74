// Puts the worker's parts together, from what its host gives it: a real service worker (install.ts), or a test that
// owns time, network and storage. Knows no `self`.

import type { UploadEvent } from '../src/contracts/messages.js';
import type { Clock } from './clock.js';
import type { CommandTools } from './commands.js';
import type { RoomCheck } from './intake.js';
import { createOutbox } from './outbox.js';
import type { Adapter } from './protocols/adapter.js';
import { createScheduler, type HoldLock } from './scheduler.js';
import { createUploadStore } from './store/upload-store.js';

/** Everything that the engine has from outside. */
export interface Host {
  readonly databaseName: string;
  readonly clock: Clock;
  readonly fetch: typeof fetch;
  readonly holdLock: HoldLock;
  readonly isOnline: () => boolean;
  readonly newId: () => string;
  readonly room?: RoomCheck | undefined;
  readonly post: (event: UploadEvent) => void;
}

export interface EngineOptions {
  /**
   * Servers by the names that pages use. A page can pick a name, never a URL. It may add whose the upload is: `photos@ann`
   * is served like `photos`, but waits, is cleared and knows its files by itself, and hooks are told (`upload.endpoint`).
   */
  readonly endpoints: Readonly<Record<string, Adapter>>;
  /** Most requests at once, over all endpoints. Default 3: HTTP/1.1 has six connections an origin, and the app needs some. */
  readonly concurrency?: number;
  /** How long completed and cancelled uploads stay listed. Default 7 days; their bytes are freed at once. */
  readonly keepSettledMs?: number;
}

export interface Engine extends CommandTools {
  readonly databaseName: string;
  /** Forgets what settled long ago. */
  prune(): Promise<void>;
}

const KEEP_SETTLED_MS = 7 * 86_400_000;

export function createEngine(options: EngineOptions, host: Host): Engine {
  const { endpoints, concurrency = 3, keepSettledMs = KEEP_SETTLED_MS } = options;
  const adapters = new Map(Object.entries(endpoints));
  // `photos@ann` is served like `photos`, in a line of its own.
  const adapterOf = (name: string) => adapters.get(name.replace(/@.*/s, ''));
  const outbox = createOutbox(host.post, host.clock);
  const store = createUploadStore(host.databaseName, host.clock);
  const tools = { ...host, store, outbox, adapterOf };
  return {
    ...tools,
    scheduler: createScheduler({ ...tools, concurrency }),
    prune: async () => outbox.removed(await store.prune(host.clock.now() - keepSettledMs)),
  };
}
