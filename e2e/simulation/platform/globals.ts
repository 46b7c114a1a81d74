// The globals that product code finds: those of the agent whose task is running, in the world that is. Installed once.

import { SimResponse } from '../world/response.js';
import { Emitter, world } from '../world/world.js';
import { MemoryAbortController, MemoryAbortSignal } from './abort.js';
import { installStorage } from './indexed-db.js';
import { clone, MemoryBlob, MemoryFile } from './memory-blob.js';
import { MemoryBroadcastChannel, MemoryMessageChannel } from './messaging.js';

export function installGlobals(): void {
  const setTimer = (run: (...args: unknown[]) => void, delayMs = 0, ...args: unknown[]) => {
    const { loop } = world();
    const timer = loop.timer(Number(delayMs), loop.current, () => run(...args));
    return Object.assign(timer, { unref: () => timer, ref: () => timer });
  };
  const setRepeating = (run: () => void, everyMs = 0) => {
    const { loop } = world();
    const owner = loop.current;
    const handle = { cancelled: false, unref: () => handle, ref: () => handle };
    const again = () => {
      if (handle.cancelled) return;
      loop.timer(everyMs, owner, again);
      run();
    };
    loop.timer(everyMs, owner, () => !handle.cancelled && again());
    return handle;
  };
  const clear = (timer: { cancelled: boolean } | undefined) => {
    if (timer) timer.cancelled = true;
  };
  const emitter = () => world().scope()?.emitter ?? new Emitter();
  const values = {
    AbortController: MemoryAbortController,
    AbortSignal: MemoryAbortSignal,
    Blob: MemoryBlob,
    File: MemoryFile,
    BroadcastChannel: MemoryBroadcastChannel,
    MessageChannel: MemoryMessageChannel,
    Response: SimResponse,
    TextDecoderStream: class {},
    structuredClone: clone,
    setTimeout: setTimer,
    clearTimeout: clear,
    setInterval: setRepeating,
    clearInterval: clear,
    fetch: (url: string, init: RequestInit) => world().network.fetch(String(url), init),
    performance: { now: () => world().loop.elapsedMs },
    crypto: { randomUUID },
    navigator: {
      get onLine() {
        return world().online;
      },
      locks: { request: (name: string, ...rest: unknown[]) => world().locks.request(name, ...rest) },
      serviceWorker: {},
    },
    addEventListener: (...args: Parameters<Emitter['add']>) => emitter().add(...args),
  };
  for (const [name, value] of Object.entries(values)) {
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
  Object.defineProperty(globalThis, 'self', { get: () => world().scope()?.self, configurable: true });
  Object.defineProperty(globalThis, 'document', { get: () => world().scope()?.document, configurable: true });
  Date.now = () => Math.round(world().loop.now());
  Math.random = () => world().chance.next();
  installStorage();
}

function randomUUID(): string {
  const hex = Buffer.from(world().chance.bytes(16)).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
