// A worker in Node: the real engine on fake-indexeddb and real HTTP, in a life that can end anywhere, with a page's
// part (commands in, events out) and the lock that browsers share between lives.

import { type Command, envelope, type ReplyOf, type UploadEvent } from '../../src/contracts/messages.js';
import type { UploadSnapshot } from '../../src/contracts/upload.js';
import { type Clock, systemClock } from '../../sw/clock.js';
import { execute, parseCommand } from '../../sw/commands.js';
import { createEngine, type Engine, type EngineOptions } from '../../sw/engine.js';
import { roomBy } from '../../sw/room.js';
import { Life, never } from './life.js';

/** Locks as a browser has them: one holder a name, the next in line when it is done or dead. */
const tails = new Map<string, Promise<void>>();

export interface TestWorker {
  readonly life: Life;
  readonly engine: Engine;
  readonly events: UploadEvent[];
  /** Sends a command as a page does; never settles if the life ends before the reply. */
  send<Type extends Command['type']>(command: Extract<Command, { type: Type }>): Promise<ReplyOf[Type]>;
  list(): Promise<readonly UploadSnapshot[]>;
}

export interface TestWorkerOptions extends EngineOptions {
  readonly databaseName: string;
  readonly life?: Life;
  readonly clock?: Clock;
  readonly online?: () => boolean;
  readonly estimate?: () => Promise<StorageEstimate>;
  readonly onEvent?: (event: UploadEvent) => void;
  /** What the worker's script calls beside `installBackhaul()`. */
  readonly additions?: ((engine: Engine) => void) | undefined;
}

export function startWorker(options: TestWorkerOptions): TestWorker {
  const { life = new Life(), clock = systemClock, databaseName, online = () => true } = options;
  const events: UploadEvent[] = [];
  const engine = life.run(() => {
    const made = createEngine(options, {
      databaseName,
      clock: {
        now: () => clock.now(),
        random: () => clock.random(),
        sleep: (ms, signal) => life.cross(clock.sleep(ms, signal)),
      },
      fetch: life.fetch,
      isOnline: online,
      newId: () => crypto.randomUUID(),
      room: options.estimate && roomBy(options.estimate),
      post: (event) => {
        events.push(event);
        options.onEvent?.(event);
      },
      holdLock: (task) => hold(`${databaseName}:driver`, life, task),
    });
    options.additions?.(made);
    return made;
  });
  const send: TestWorker['send'] = (command) =>
    life.run(async () => {
      const parsed = parseCommand(envelope(command));
      if (parsed === undefined) throw new Error('not a command');
      try {
        return (await execute(parsed, engine)) as never;
      } catch (cause) {
        // Of a worker that was stopped meanwhile no page hears, be it that its store was taken away.
        if (life.dead) return never;
        throw cause;
      }
    });
  return {
    life,
    engine,
    events,
    send,
    list: async () => (await send({ type: 'list', afterOrder: -1 })).snapshots,
  };
}

async function hold(name: string, life: Life, task: () => Promise<void>): Promise<void> {
  const before = tails.get(name) ?? Promise.resolve();
  let free = () => {};
  const held = new Promise<void>((resolve) => {
    free = resolve;
  });
  tails.set(
    name,
    before.then(() => held),
  );
  life.onDeath(free);
  await life.cross(before);
  try {
    await task();
  } finally {
    free();
  }
}

/** Polls until `condition` gives something; fails with `what` after `limitMs`. */
export async function until<Value>(
  what: string,
  condition: () => Promise<Value | undefined | false> | Value | undefined | false,
  limitMs = 15_000,
): Promise<Value> {
  const endMs = Date.now() + limitMs;
  for (;;) {
    const value = await condition();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > endMs) throw new Error(`${what}: not within ${limitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A file as a page would hand it over. */
export function itemOf(name: string, bytes: Uint8Array<ArrayBuffer>) {
  const file = new Blob([bytes], { type: 'application/octet-stream' });
  return {
    file,
    name,
    type: file.type,
    sizeBytes: file.size,
    lastModifiedMs: 1_700_000_000_000,
    fingerprint: `${name}-${file.size}`,
  };
}

/** The default id of the byte-offset protocol. */
export function fileIdOf(name: string, sizeBytes: number): string {
  return encodeURIComponent(`${name}-${sizeBytes}-1700000000000`);
}
