// Invariant 5 for protocols that make an upload before they send it: the worker is stopped at the k-th await, and started
// again. No accepted file is lost, none is on the server twice, no acknowledged byte is sent again.

import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createIetfServer } from '../../demo/server/ietf-server.js';
import { createTusServer } from '../../demo/server/tus-server.js';
import { type Adapter, resumableUpload, tus } from '../../sw/index.js';
import { Life } from '../engine/life.js';
import { itemOf, startWorker, type TestWorker, until } from '../engine/worker.js';
import { type Handler, type ProtocolStage, setProtocolStage, sha256 } from './stage.js';

interface Protocol {
  readonly name: string;
  readonly server: (dataDir: string) => Handler;
  readonly adapter: (origin: string) => Adapter;
  /** Hashes of the whole files that the server holds. */
  readonly whole: (dataDir: string) => Promise<readonly string[]>;
}

/** @tus/file-store keeps `<id>` and `<id>.json`. */
async function wholeInTus(dataDir: string): Promise<string[]> {
  const names = (await readdir(dataDir)).filter((name) => name.endsWith('.json'));
  const found = names.map(async (name) => {
    const { size } = JSON.parse(await readFile(join(dataDir, name), 'utf8')) as { size: number };
    const bytes = await readFile(join(dataDir, name.slice(0, -'.json'.length)));
    return bytes.length === size && size > 0 ? [sha256(bytes)] : [];
  });
  return (await Promise.all(found)).flat();
}

async function wholeInIetf(dataDir: string): Promise<string[]> {
  const names = (await readdir(dataDir)).filter((name) => name.endsWith('.complete'));
  const found = await Promise.all(names.map((name) => readFile(join(dataDir, name.replace(/complete$/, 'data')))));
  return found.filter(({ length }) => length > 0).map((bytes) => sha256(bytes));
}

const tusServer = (dataDir: string) => createTusServer({ dataDir, lockDrainTimeoutMs: 20 });
const protocols: readonly Protocol[] = [
  {
    name: 'tus, small files in one request',
    server: tusServer,
    adapter: (origin) =>
      tus({
        endpoint: `${origin}/api/tus`,
        pieceSize: 80_000,
        oneRequestBytes: 50_000,
        metadata: ({ id }) => ({ id }),
        uploadUrl: ({ id }) => `${origin}/api/tus/${id}`,
      }),
    whole: wholeInTus,
  },
  {
    name: 'tus',
    server: tusServer,
    adapter: (origin) => tus({ endpoint: `${origin}/api/tus`, pieceSize: 80_000 }),
    whole: wholeInTus,
  },
  {
    name: 'resumable uploads, draft -15',
    server: (dataDir) => createIetfServer({ dataDir, draft: 15 }),
    adapter: (origin) => resumableUpload({ endpoint: `${origin}/api/resumable`, pieceSize: 80_000 }),
    whole: wholeInIetf,
  },
];

const sources = [
  { name: 'empty', bytes: new Uint8Array(0) },
  { name: 'inline', bytes: new Uint8Array(randomBytes(10_000)) },
  { name: 'pieces', bytes: new Uint8Array(randomBytes(200_000)) },
];

/** Hands over until it is told that everything is accepted, then leaves the rest to the worker. */
async function deliver(stage: ProtocolStage, protocol: Protocol, run: string, lives: readonly Life[]): Promise<void> {
  // The bytes differ from run to run, so that each file is known by its hash.
  const items = sources.map(({ name, bytes }) => itemOf(`${run}-${name}`, bytesOf(run, bytes)));
  let accepted = false;
  for (const life of lives) {
    const worker: TestWorker = startWorker({
      databaseName: `${protocol.name}-${run}`,
      life,
      endpoints: { photos: protocol.adapter(stage.front.origin) },
    });
    const work = async () => {
      if (accepted) await worker.engine.scheduler.wake('start');
      else {
        await worker.send({ type: 'enqueue', endpoint: 'photos', metadata: {}, priority: 'normal', items });
        accepted = true;
      }
      await until(`delivery of ${run}`, async () => {
        const list = life.dead ? [] : await worker.list();
        return life.dead || (list.length === sources.length && list.every(({ status }) => status === 'completed'));
      });
    };
    // What a dead worker had promised never settles.
    await Promise.race([work(), life.died]);
  }
}

function bytesOf(run: string, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(bytes);
  copy.set(new TextEncoder().encode(run).subarray(0, copy.length));
  return copy;
}

test.each(protocols)(
  '$name: a worker stopped at any await delivers everything, once',
  { timeout: 300_000 },
  async (protocol) => {
    const stage = await setProtocolStage(protocol.server, protocol.adapter);
    const whole = new Life();
    await deliver(stage, protocol, 'whole', [whole]);
    // Fewer would mean that the seams no longer see the engine's awaits.
    expect(whole.crossings).toBeGreaterThan(100);
    const runs = ['whole'];
    for (let stopAt = 1; stopAt <= whole.crossings; stopAt += 2) {
      const run = `at-${stopAt}`;
      runs.push(run);
      await deliver(stage, protocol, run, [new Life(stopAt), new Life()]);
    }
    const expected = runs.flatMap((run) =>
      sources.filter(({ bytes }) => bytes.length > 0).map(({ bytes }) => sha256(bytesOf(run, bytes))),
    );
    expect([...(await protocol.whole(stage.dataDir))].sort()).toEqual(expected.sort());
    expect(stage.front.bytesAgain()).toBe(0);
  },
);
