// Past one machine: two @tus/server processes over one store, a folder or an S3 cluster, behind a balancer. @tus/server's
// locks end at its process, so the balancer sends the requests of one upload to one process as long as that lives;
// without that, a locker that all of them share is needed. One process is killed in the middle: the upload goes on at
// the other. On the cluster: skipped, by name and reason, where Ceph cannot run.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type TusOptions, tus } from '../../sw/index.js';
import { Life } from '../engine/life.js';
import { itemOf, startWorker, until } from '../engine/worker.js';
import { type CephOrReason, cephOrReason } from '../harness/ceph.js';
import { type Fault, Front, type Passed } from './front.js';
import { type File, fileOf, sha256 } from './stage.js';
import { readStored, type SharedStore } from './tus-store.js';

/** Installing takes a minute, starting a quarter of one on an idle machine. */
const CLUSTER_LIMIT_MS = 600_000;
const LIMIT_MS = 120_000;

interface Node {
  readonly port: number;
  kill(): Promise<void>;
}

async function startNode(store: SharedStore): Promise<Node> {
  const script = fileURLToPath(new URL('./tus-process.ts', import.meta.url));
  const node: ChildProcess = spawn(process.execPath, ['--import', 'tsx', script], {
    env: { ...process.env, TUS_STORE: JSON.stringify(store), NODE_NO_WARNINGS: '1' },
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

/** One store as each of the two processes reaches it. */
type Stores = (dataDir: string) => readonly [SharedStore, SharedStore];

async function setStage(storesIn: Stores, options: (origin: string) => Partial<TusOptions>) {
  const dataDir = await mkdtemp(join(tmpdir(), 'backhaul-two-'));
  const stores = storesIn(dataDir);
  const nodes = await Promise.all(stores.map(startNode));
  const living = new Set(nodes);
  const front = await new Front(0).start();
  const nodeOf = ({ path }: Passed): Node => {
    const all = [...living];
    const node = all[Number.parseInt(sha256(Buffer.from(path)).slice(0, 8), 16) % all.length];
    if (node === undefined) throw new Error('no server lives');
    return node;
  };
  front.route = (passed) => nodeOf(passed).port;
  const life = new Life();
  const worker = startWorker({
    databaseName: dataDir,
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
    nodeOf,
    kill: async (node: Node) => {
      living.delete(node);
      await node.kill();
    },
    /** The hash of what the store holds in the end. */
    deliver: async ({ name, bytes }: File): Promise<string> => {
      const items = [itemOf(name, bytes)];
      await worker.send({ type: 'enqueue', endpoint: 'photos', metadata: {}, priority: 'normal', items });
      const done = await until(
        'delivery',
        async () => (await worker.list()).find(({ status }) => status === 'completed'),
        LIMIT_MS / 2,
      );
      const path = front.of('PATCH').at(-1)?.path ?? done.id;
      return sha256(await readStored(stores[0], path.slice(path.lastIndexOf('/') + 1)));
    },
  };
}

type Stage = Awaited<ReturnType<typeof setStage>>;

/** A server dies in the middle of this request. */
function killed({ front, nodeOf, kill }: Stage, method: string, nth: number, afterBytes: number): Node[] {
  const gone: Node[] = [];
  front.fault = (passed): Fault | undefined => {
    if (passed.method !== method || passed.nth !== nth) return undefined;
    const node = nodeOf(passed);
    gone.push(node);
    return { type: 'cut', afterBytes, before: () => kill(node) };
  };
  return gone;
}

async function inPieces(stores: Stores, size: number, pieceSize: number): Promise<void> {
  // Of equal size: of what @tus/s3-store holds of an unfinished part, a killed server may lose some.
  const stage = await setStage(stores, () => ({ pieceSize, minPieceSize: pieceSize }));
  const file = fileOf('a.bin', size);
  const gone = killed(stage, 'PATCH', 1, pieceSize - 10_000);
  expect(await stage.deliver(file)).toBe(sha256(file.bytes));
  expect(gone).toHaveLength(1);
  expect(stage.front.bytesAgain()).toBe(0);
  expect(stage.front.of('POST')).toHaveLength(1);
}

async function inOneRequest(stores: Stores): Promise<void> {
  const stage = await setStage(stores, (origin) => ({
    metadata: ({ id }) => ({ id }),
    uploadUrl: ({ id }) => `${origin}/api/tus/${id}`,
  }));
  const file = fileOf('a.bin', 300_000);
  const gone = killed(stage, 'POST', 0, 200_000);
  expect(await stage.deliver(file)).toBe(sha256(file.bytes));
  expect(gone).toHaveLength(1);
  // One upload, whoever made it.
  const others = stage.front.passed.filter(({ method }) => method !== 'POST');
  expect(new Set(others.map(({ path }) => path)).size).toBe(1);
  expect(stage.front.bytesAgain()).toBe(0);
}

async function inTurn(stores: Stores, size: number, pieceSize: number): Promise<void> {
  const stage = await setStage(stores, () => ({ pieceSize, minPieceSize: pieceSize }));
  let turn = 0;
  stage.front.route = () => {
    turn += 1;
    return stage.nodes[turn % 2]?.port ?? 0;
  };
  const file = fileOf('a.bin', size);
  expect(await stage.deliver(file)).toBe(sha256(file.bytes));
  expect(stage.front.bytesAgain()).toBe(0);
}

const PIECES = 'a server is killed in the middle of a piece: the other one goes on from there';
const ONE_REQUEST = 'a server is killed while it makes a small file: that is on the other one, once';
const IN_TURN = 'requests go to one server and the other in turn: each knows what the other has';

describe('over a folder', { timeout: LIMIT_MS }, () => {
  const stores: Stores = (dataDir) => [
    { type: 'folder', dataDir },
    { type: 'folder', dataDir },
  ];
  test(PIECES, () => inPieces(stores, 1_000_000, 200_000));
  test(ONE_REQUEST, () => inOneRequest(stores));
  test(IN_TURN, () => inTurn(stores, 500_000, 100_000));
});

describe('over an S3 cluster', { timeout: LIMIT_MS }, () => {
  /** The least that S3 takes for a part that is not the last. */
  const PART = 5_242_880;
  let started: CephOrReason = { reason: 'not started' };
  let bucket = '';
  beforeAll(async () => {
    started = await cephOrReason({ osds: 3, gateways: 2 });
    if ('ceph' in started) bucket = await started.ceph.bucket();
  }, CLUSTER_LIMIT_MS);
  afterAll(async () => {
    if ('ceph' in started) await started.ceph.stop();
  });
  /** Each process by a gateway of its own. */
  const stores: Stores = (dataDir) => {
    if (!('ceph' in started)) throw new Error(started.reason);
    const { gateways, accessKeyId, secretAccessKey } = started.ceph;
    const [first = '', second = ''] = gateways;
    const shared = { type: 's3', dataDir, bucket, accessKeyId, secretAccessKey } as const;
    return [
      { ...shared, endpoint: first },
      { ...shared, endpoint: second },
    ];
  };
  const onCluster = (name: string, run: () => Promise<void>) =>
    test(name, async (t) => ('reason' in started ? t.skip(started.reason) : run()));
  onCluster(PIECES, () => inPieces(stores, 3 * PART - 100_000, PART));
  onCluster(ONE_REQUEST, () => inOneRequest(stores));
  onCluster(IN_TURN, () => inTurn(stores, 2 * PART + 100_000, PART));
});
