// What tests of the engine share: a plain server, a clock that jumps, workers on one database, and an end to all of it.

import { randomBytes } from 'node:crypto';
import { onTestFinished } from 'vitest';
import type { EnqueueOutcome } from '../../src/contracts/messages.js';
import type { Priority, UploadSnapshot, UploadStatus } from '../../src/contracts/upload.js';
import { type ByteOffsetOptions, byteOffset } from '../../sw/index.js';
import type { Adapter } from '../../sw/protocols/adapter.js';
import { Life } from './life.js';
import { PlainServer } from './plain-server.js';
import { VirtualTime } from './virtual-time.js';
import { fileIdOf, itemOf, startWorker, type TestWorker, type TestWorkerOptions } from './worker.js';

export interface File {
  readonly name: string;
  readonly id: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export interface Stage {
  readonly time: VirtualTime;
  readonly server: PlainServer;
  readonly worker: TestWorker;
  readonly databaseName: string;
  /** Another worker on the same database, as after an update or a stop. */
  another(options?: Partial<TestWorkerOptions>): TestWorker;
  add(files: readonly File[], options?: { endpoint?: string; priority?: Priority }): Promise<readonly EnqueueOutcome[]>;
  named(name: string): Promise<UploadSnapshot>;
  statuses(): Promise<Record<string, UploadStatus>>;
  /** Lets time pass until all uploads of these files are completed. */
  delivery(...files: readonly File[]): Promise<void>;
}

let databases = 0;

export async function setStage(
  options: Partial<ByteOffsetOptions> = {},
  more: {
    readonly endpoints?: (server: PlainServer) => Readonly<Record<string, Adapter>>;
    readonly worker?: Partial<TestWorkerOptions>;
    readonly seed?: number;
  } = {},
): Promise<Stage> {
  const time = new VirtualTime(more.seed);
  const server = await new PlainServer().start();
  time.hanging = () => server.hanging;
  databases += 1;
  const databaseName = `stage-${process.pid}-${databases}`;
  const lives: Life[] = [];
  const another = (changed: Partial<TestWorkerOptions> = {}) => {
    const life = changed.life ?? new Life();
    lives.push(life);
    return startWorker({
      databaseName,
      clock: time,
      endpoints: { photos: byteOffset({ ...server.urls, settleMs: 0, ...options }), ...more.endpoints?.(server) },
      ...more.worker,
      ...changed,
      life,
    });
  };
  const worker = another();
  onTestFinished(async () => {
    for (const life of lives) life.end();
    await server.stop();
  });
  const list = async () => worker.list();
  const stage: Stage = {
    time,
    server,
    worker,
    databaseName,
    another,
    add: async (files, { endpoint = 'photos', priority = 'normal' } = {}) => {
      const items = files.map(({ name, bytes }) => itemOf(name, bytes));
      return (await worker.send({ type: 'enqueue', endpoint, metadata: {}, priority, items })).outcomes;
    },
    named: async (name) => {
      const found = (await list()).find((snapshot) => snapshot.name === name);
      if (found === undefined) throw new Error(`no upload ${name}`);
      return found;
    },
    statuses: async () => Object.fromEntries((await list()).map(({ name, status }) => [name, status])),
    delivery: async (...files) => {
      await time.until(`delivery of ${files.map(({ name }) => name)}`, async () => {
        const states = await stage.statuses();
        return files.every(({ name }) => states[name] === 'completed');
      });
    },
  };
  return stage;
}

export function fileOf(name: string, sizeBytes: number): File {
  return { name, id: fileIdOf(name, sizeBytes), bytes: new Uint8Array(randomBytes(sizeBytes)) };
}

/** How often exactly this file was delivered whole; anything else under its name is an error. */
export function deliveries(server: PlainServer, file: File): number {
  const all = server.delivered.get(file.id) ?? [];
  for (const bytes of all) {
    if (Buffer.compare(bytes, file.bytes) !== 0) throw new Error(`${file.name} was delivered, but not as it is`);
  }
  return all.length;
}
