// What tests of the engine against real servers share: a front with faults, a clock that jumps, workers on one database.

import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { UploadSnapshot } from '../../src/contracts/upload.js';
import type { Adapter } from '../../sw/protocols/adapter.js';
import { Life } from '../engine/life.js';
import { VirtualTime } from '../engine/virtual-time.js';
import { itemOf, startWorker, type TestWorker } from '../engine/worker.js';
import { Front } from './front.js';

export interface File {
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export interface Handler {
  handle(request: IncomingMessage, response: ServerResponse): boolean;
  close(): Promise<void>;
}

export interface ProtocolStage {
  readonly time: VirtualTime;
  readonly front: Front;
  readonly worker: TestWorker;
  readonly dataDir: string;
  /** Another worker on the same database, as after a stop. */
  another(): TestWorker;
  /** The server ends, and another one begins on the same folder; `between` sees that folder. */
  restart(between?: (dataDir: string) => Promise<void>): Promise<void>;
  add(files: readonly File[], metadata?: Readonly<Record<string, string>>): Promise<void>;
  named(name: string): Promise<UploadSnapshot>;
  control(control: 'cancel' | 'resume' | 'retry' | 'pause', name: string): Promise<void>;
  delivery(...files: readonly File[]): Promise<void>;
}

let stages = 0;

export async function setProtocolStage(
  startServer: (dataDir: string) => Handler,
  adapterOf: (origin: string) => Adapter,
): Promise<ProtocolStage> {
  stages += 1;
  const dataDir = await mkdtemp(join(tmpdir(), 'backhaul-protocol-'));
  const time = new VirtualTime(stages);
  let server = await listen(startServer(dataDir));
  const front = await new Front(server.port).start();
  time.hanging = () => front.hanging;
  const lives: Life[] = [];
  const another = () => {
    const life = new Life();
    lives.push(life);
    const databaseName = `protocol-${process.pid}-${stages}`;
    return startWorker({ databaseName, clock: time, endpoints: { photos: adapterOf(front.origin) }, life });
  };
  let worker = another();
  onTestFinished(async () => {
    for (const life of lives) life.end();
    await front.close();
    await server.close();
    await rm(dataDir, { recursive: true, force: true });
  });
  const named = async (name: string) => {
    const found = (await worker.list()).find((snapshot) => snapshot.name === name);
    if (found === undefined) throw new Error(`no upload ${name}`);
    return found;
  };
  return {
    time,
    front,
    get worker() {
      return worker;
    },
    dataDir,
    another: () => {
      worker = another();
      return worker;
    },
    restart: async (between) => {
      await server.close();
      await between?.(dataDir);
      server = await listen(startServer(dataDir));
      front.backPort = server.port;
    },
    add: async (files, metadata = {}) => {
      const items = files.map(({ name, bytes }) => itemOf(name, bytes));
      await worker.send({ type: 'enqueue', endpoint: 'photos', metadata, priority: 'normal', items });
    },
    named,
    control: async (control, name) => {
      const { id } = await named(name);
      await worker.send({ type: 'control', control, ids: [id] });
    },
    delivery: async (...files) => {
      await time.until(`delivery of ${files.map(({ name }) => name)}`, async () => {
        const all = await Promise.all(files.map(({ name }) => named(name)));
        const failed = all.find(({ status }) => status === 'failed' || status === 'lost');
        if (failed) throw new Error(JSON.stringify(failed));
        return all.every(({ status }) => status === 'completed');
      });
    },
  };
}

export function fileOf(name: string, sizeBytes: number): File {
  return { name, bytes: new Uint8Array(randomBytes(sizeBytes)) };
}

export const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

async function listen(handler: Handler): Promise<{ readonly port: number; close(): Promise<void> }> {
  const server: Server = createServer((request, response) => {
    if (!handler.handle(request, response)) response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
      await handler.close();
    },
  };
}
