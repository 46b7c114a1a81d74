// One run: builds a world from a plan, lets its faults happen, heals everything, and waits until what can be delivered is
// delivered. Says what was broken, what happened, and how often.

import { installBackhaul } from '../../sw/install.js';
import { Calm } from './calm.js';
import { Checks } from './checks.js';
import { contentOf } from './content.js';
import { People } from './people.js';
import type { Plan } from './plan.js';
import { resetStorage } from './platform/indexed-db.js';
import { SimLocks } from './platform/locks.js';
import { ServiceWorkers } from './platform/service-workers.js';
import { ServerProcess } from './server-process.js';
import { MemoryDisk } from './servers/memory-disk.js';
import { type Protocol, protocols } from './servers/protocols.js';
import { Strikes } from './strikes.js';
import { Network } from './world/network.js';
import { setWorld, World } from './world/world.js';

export interface Outcome {
  readonly plan: Plan;
  readonly complaints: readonly string[];
  /** Faults that really happened. */
  readonly struck: readonly string[];
  readonly trace: readonly string[];
  readonly steps: number;
  readonly requests: number;
}

const MOST_STEPS = 100_000;

const rejections: unknown[] = [];
process.on('unhandledRejection', (cause) => rejections.push(cause));

export async function simulate(plan: Plan): Promise<Outcome> {
  rejections.length = 0;
  const protocol = protocols.find(({ name }) => name === plan.protocol);
  if (protocol === undefined) throw new Error(`No protocol ${plan.protocol}.`);
  const world = new World(plan.seed);
  setWorld(world);
  const { loop } = world;
  const sources = new Map(plan.sizes.map((size, index) => [`photo-${index}.jpg`, contentOf(plan.seed, index, size)]));
  const checks = new Checks(world, protocol, sources);
  const people = new People(world, checks, sources);
  checks.onChange = (id, revision) => people.watch(id, revision);
  const server = new ServerProcess(world, protocol);
  world.disk = new MemoryDisk();
  world.locks = new SimLocks(loop);
  const network = new Network(world, plan.link, server);
  world.network = network;
  network.onRequest = (passing) => checks.onRequest(passing);
  const strikes = new Strikes(plan, world, checks, people, server);
  world.workers = new ServiceWorkers(world, (version) => runWorker(version, plan, protocol, checks, strikes));
  world.workers.onMessage = (data) => checks.onMessage(data);
  resetStorage({
    beforeCommit: ({ _scope }) => strikes.beforeCommit(_scope.has('bytes')),
    committed: (transaction) => checks.onCommit(transaction),
  });
  const calm = new Calm(plan, world, checks, people, server, strikes);
  server.start();
  people.openPage((page) => people.add(page, [...sources.keys()]));
  loop.timer(plan.chaosMs, undefined, () => calm.begin());
  try {
    await loop.run(() => calm.isOver(), MOST_STEPS);
  } catch (cause) {
    checks.complain(`L: ${String(cause)}`);
  }
  checks.judgeServer();
  if (calm.doneAtMs < Infinity) people.judge();
  await new Promise((resolve) => setImmediate(resolve));
  for (const cause of rejections) checks.complain(`11: nobody heard of ${String(cause)}`);
  return {
    plan,
    complaints: checks.complaints,
    struck: [...strikes.struck, ...network.struck.map((type) => `link: ${type}`)],
    trace: world.lines,
    steps: loop.steps,
    requests: network.journal.length,
  };
}

/** The app's worker script, of that version. */
function runWorker(version: number, plan: Plan, protocol: Protocol, checks: Checks, strikes: Strikes): void {
  const adapter = protocol.adapter(plan.pieceBytes);
  const photos = plan.asksFirst && version === 1 ? { ...adapter, blindBytes: 0 } : adapter;
  installBackhaul({
    endpoints: strikes.wrong.has(version) ? {} : { photos: checks.watch(photos) },
    concurrency: plan.concurrency,
  });
}
