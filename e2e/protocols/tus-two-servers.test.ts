// Past one machine: two @tus/server processes over one store, behind a balancer. @tus/server's locks end at its process,
// so the balancer sends the requests of one upload to one process as long as that lives; without that, a locker that
// all of them share is needed. One process is killed in the middle: the upload goes on at the other.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { type TusOptions, tus } from '../../sw/index.js';
import { Life } from '../engine/life.js';
import { itemOf, startWorker, until } from '../engine/worker.js';
import { type Fault, Front, type Passed } from './front.js';
import { type File, fileOf, sha256 } from './stage.js';
import { readStored, type SharedStore } from './tus-store.js';

/** One line to have them share a cluster: `{ type: 's3', dataDir, endpoint, bucket, accessKeyId, secretAccessKey }`. */
const storeIn = (dataDir: string): SharedStore => ({ type: 'folder', dataDir });

interface Node {
  readonly port: number;
  kill(): Promise<void>;
}

async function startNode(store: SharedStore): Promise<Node> {
  const script = fileURLToPath(new URL('./tus-process.ts', import.meta.url));
  const node: ChildProcess = spawn(process.execPath, ['--import', 'tsx', script], {
    env: { ...process.env, TUS_STORE: JSON.stringify(store) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(node, 'exit');
  const [line] = (await Promise.race([once(node.stdout ?? node, 'data'), ended])) as [unknown];
  return {
    port: Number(String(line)),
    kill: async () => {
      node.kill('SIGKILL');
      await ended;
    },
  };
}

async function setStage(options: (origin: string) => Partial<TusOptions>) {
  const dataDir = await mkdtemp(join(tmpdir(), 'backhaul-two-'));
  const store = storeIn(dataDir);
  const nodes = await Promise.all([startNode(store), startNode(store)]);
  const living = new Set(nodes);
  const front = await new Front(0).start();
  // By the upload's URL; a creation goes to the first that lives.
  const nodeOf = ({ path }: Passed): Node => {
    const all = [...living];
    const node = all[Number.parseInt(sha256(Buffer.from(path)).slice(0, 8), 16) % all.length];
    if (node === undefined) throw new Error('no server lives');
    return node;
  };
  front.route = (passed) => nodeOf(passed).port;
  const life = new Life();
  const worker = startWorker({
    databaseName: `two-${process.pid}-${dataDir}`,
    endpoints: { photos: tus({ endpoint: `${front.origin}/api/tus`, ...options(front.origin) }) },
    life,
  });
  onTestFinished(async () => {
    life.end();
    await front.close();
    await Promise.all(nodes.map((node) => node.kill()));
    await rm(dataDir, { recursive: true, force: true });
  });
  return {
    front,
    nodes,
    kill: async (node: Node) => {
      living.delete(node);
      await node.kill();
    },
    nodeOf,
    add: async (files: readonly File[]) => {
      const items = files.map(({ name, bytes }) => itemOf(name, bytes));
      await worker.send({ type: 'enqueue', endpoint: 'photos', metadata: {}, priority: 'normal', items });
    },
    /** The hash of what the store holds in the end. */
    delivery: async (file: File) => {
      const done = await until(
        'delivery',
        async () => (await worker.list()).find(({ name, status }) => name === file.name && status === 'completed'),
        60_000,
      );
      const path = front.of('PATCH').at(-1)?.path ?? done.id;
      return sha256(await readStored(store, path.slice(path.lastIndexOf('/') + 1)));
    },
  };
}

test.each([
  { size: 1_000_000, pieceSize: 200_000, nth: 2, afterBytes: 90_000 },
  // By the parts of S3.
  { size: 15_000_000, pieceSize: 5_242_880, nth: 1, afterBytes: 5_000_000 },
])(
  'a server is killed in the middle of a piece, and the other one goes on from there: %j',
  { timeout: 120_000 },
  async ({ size, pieceSize, nth, afterBytes }) => {
    // Of equal size: of what @tus/s3-store holds of an unfinished part, a killed server may lose some.
    const stage = await setStage(() => ({ pieceSize, minPieceSize: pieceSize }));
    const file = fileOf('a.bin', size);
    const killed: Node[] = [];
    stage.front.fault = (passed): Fault | undefined => {
      if (passed.method !== 'PATCH' || passed.nth !== nth) return undefined;
      const node = stage.nodeOf(passed);
      killed.push(node);
      return { type: 'cut', afterBytes, before: () => stage.kill(node) };
    };
    await stage.add([file]);
    expect(await stage.delivery(file)).toBe(sha256(file.bytes));
    expect(killed).toHaveLength(1);
    expect(stage.front.bytesAgain()).toBe(0);
    expect(stage.front.of('POST')).toHaveLength(1);
  },
);

test('a server is killed while it makes a small file: that is on the other one, once', {
  timeout: 90_000,
}, async () => {
  const stage = await setStage((origin) => ({
    metadata: ({ id }) => ({ id }),
    uploadUrl: ({ id }) => `${origin}/api/tus/${id}`,
  }));
  const file = fileOf('a.bin', 300_000);
  stage.front.fault = (passed): Fault | undefined => {
    if (passed.method !== 'POST' || passed.nth !== 0) return undefined;
    const node = stage.nodeOf(passed);
    return { type: 'cut', afterBytes: 200_000, before: () => stage.kill(node) };
  };
  await stage.add([file]);
  expect(await stage.delivery(file)).toBe(sha256(file.bytes));
  expect(new Set(stage.front.passed.filter(({ method }) => method !== 'POST').map(({ path }) => path)).size).toBe(1);
  expect(stage.front.bytesAgain()).toBe(0);
});

test('requests go to one server and the other in turn: each knows what the other has', {
  timeout: 90_000,
}, async () => {
  const stage = await setStage(() => ({ pieceSize: 100_000 }));
  let turn = 0;
  stage.front.route = () => {
    turn += 1;
    return stage.nodes[turn % 2]?.port ?? 0;
  };
  const file = fileOf('a.bin', 500_000);
  await stage.add([file]);
  expect(await stage.delivery(file)).toBe(sha256(file.bytes));
  expect(stage.front.bytesAgain()).toBe(0);
});
