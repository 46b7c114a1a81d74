// One run: builds a world from a plan, lets its faults happen, heals everything, and waits until what can be delivered is
// delivered. Says what was broken, what happened, and how often.

import { installBackhaul } from '../../sw/install.js';
import { Dice } from '../conformance/dice.js';
import { Checks } from './checks.js';
import { People } from './people.js';
import type { Fault, Plan } from './plan.js';
import { resetStorage } from './platform/indexed-db.js';
import { SimLocks } from './platform/locks.js';
import { ServiceWorkers } from './platform/service-workers.js';
import { MemoryDisk } from './servers/memory-disk.js';
import { protocols, type Served, serve } from './servers/protocols.js';
import { Agent } from './world/loop.js';
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

/** Longest back-off 300 s, longest request 120 s; jumps of the clock and Retry-After come on top. */
const CALM_LIMIT_MS = 1_200_000;
/** What no later try would change. */
const DEFINITE = [404, 413, 422];
const MOST_STEPS = 400_000;
/** What a person does while something does not go on by itself. */
const LOOK_EVERY_MS = 20_000;
/** All tabs tell the same within a second; a worker that was stopped meanwhile is started for it. */
const SETTLE_MS = 5000;

const rejections: unknown[] = [];
process.on('unhandledRejection', (cause) => rejections.push(cause));

export async function simulate(plan: Plan): Promise<Outcome> {
  rejections.length = 0;
  const run = new Run(plan);
  return run.toTheEnd();
}

class Run {
  readonly #plan: Plan;
  readonly #world: World;
  readonly #checks: Checks;
  readonly #people: People;
  readonly #protocol;
  readonly #sources = new Map<string, Uint8Array>();
  readonly #struck: string[] = [];
  readonly #counts = { worker: 0, page: 0, server: 0, transaction: 0 };
  readonly #due = new Map<string, Fault[]>();
  #server: { readonly agent: Agent; readonly served: Served } | undefined;
  #servers = 0;
  #isFull = false;
  #calm = false;
  #extraMs = 0;
  #doneAtMs = Infinity;
  #calmSinceMs = Infinity;

  constructor(plan: Plan) {
    this.#plan = plan;
    const protocol = protocols.find(({ name }) => name === plan.protocol);
    if (protocol === undefined) throw new Error(`No protocol ${plan.protocol}.`);
    this.#protocol = protocol;
    const world = new World(plan.seed);
    setWorld(world);
    this.#world = world;
    for (const [index, size] of plan.sizes.entries()) {
      this.#sources.set(`photo-${index}.jpg`, contentOf(plan, index, size));
    }
    this.#checks = new Checks(world, protocol, this.#sources);
    this.#people = new People(world, this.#checks, this.#sources);
    this.#checks.onChange = (id, revision) => this.#people.watch(id, revision);
    world.disk = new MemoryDisk();
    world.locks = new SimLocks(world.loop);
    world.network = new Network(world, plan.link, {
      agent: () => this.#server?.agent,
      serve: (request, response) => this.#server && serve(this.#server.served, request, response),
    });
    world.network.onRequest = (passing) => this.#checks.onRequest(passing);
    world.workers = new ServiceWorkers(world, () =>
      installBackhaul({
        endpoints: { photos: this.#checks.watch(protocol.adapter(plan.pieceBytes)) },
        concurrency: plan.concurrency,
      }),
    );
    resetStorage({
      beforeCommit: ({ _scope }) => {
        this.#counts.transaction += 1;
        const [fault] = this.#take('transaction', this.#counts.transaction);
        if (fault?.kind === 'abort-transaction') {
          this.#hit(fault);
          // A Retry-After that could not be kept binds nobody, as if the worker had been stopped before it was.
          this.#checks.hurry();
          return fault.error;
        }
        return this.#isFull && _scope.has('bytes') ? 'QuotaExceededError' : undefined;
      },
      committed: (transaction) => this.#checks.onCommit(transaction),
    });
    world.loop.onCrossing = ({ kind }) => {
      this.#counts[kind] += 1;
      for (const fault of this.#take(kind, this.#counts[kind])) this.#happen(fault);
    };
    for (const fault of plan.faults) {
      if (fault.on === 'ms') world.loop.timer(fault.at, undefined, () => !this.#calm && this.#happen(fault));
      else if (fault.kind === 'link') world.network.faults.set(fault.at, fault.link);
      else this.#due.set(`${fault.on} ${fault.at}`, [...(this.#due.get(`${fault.on} ${fault.at}`) ?? []), fault]);
    }
  }

  async toTheEnd(): Promise<Outcome> {
    const { loop, network } = this.#world;
    this.#startServer();
    this.#people.openPage((page) => this.#people.add(page, [...this.#sources.keys()]));
    loop.timer(this.#plan.chaosMs, undefined, () => this.#heal());
    try {
      await loop.run(() => this.#isOver(), MOST_STEPS);
    } catch (cause) {
      this.#checks.complain(`L: ${String(cause)}`);
    }
    this.#checks.judgeServer();
    if (this.#doneAtMs < Infinity) this.#people.judge();
    await new Promise((resolve) => setImmediate(resolve));
    for (const cause of rejections) this.#checks.complain(`11: nobody heard of ${String(cause)}`);
    for (const type of network.struck) this.#struck.push(`link: ${type}`);
    return {
      plan: this.#plan,
      complaints: this.#checks.complaints,
      struck: this.#struck,
      trace: this.#world.lines,
      steps: loop.steps,
      requests: network.journal.length,
    };
  }

  #take(on: Fault['on'], at: number): readonly Fault[] {
    return this.#calm ? [] : (this.#due.get(`${on} ${at}`) ?? []);
  }

  #hit({ kind }: Fault): void {
    this.#struck.push(kind);
    this.#world.note(`** ${kind}`);
  }

  #happen(fault: Fault): void {
    const { loop, network, workers, disk } = this.#world;
    const after = (ms: number, then: () => void) => loop.timer(ms, undefined, then);
    this.#hit(fault);
    switch (fault.kind) {
      case 'stop-worker':
        workers.stopAll();
        break;
      case 'update-worker':
        workers.update();
        break;
      case 'close-page':
        this.#people.closePage();
        break;
      case 'open-page':
        this.#people.openPage();
        break;
      case 'look':
        this.#people.look();
        break;
      case 'offline':
        this.#world.online = false;
        network.reset();
        after(fault.forMs, () => this.#goOnline());
        break;
      case 'disk-full':
        disk.isFull = true;
        after(fault.forMs, () => {
          disk.isFull = false;
        });
        break;
      case 'quota':
        this.#isFull = true;
        after(fault.forMs, () => {
          this.#isFull = false;
        });
        break;
      case 'sign-out':
        network.signedOut = true;
        after(fault.forMs, () => this.#signIn());
        break;
      case 'crash-server':
        this.#stopServer(fault.powerCut && this.#protocol.syncs);
        after(fault.forMs, () => this.#startServer());
        break;
      case 'forget':
        this.#forget();
        break;
      case 'jump-clock':
        loop.clockMs += fault.byMs;
        this.#checks.hurry();
        if (fault.byMs < 0) this.#extraMs -= fault.byMs;
        break;
      case 'evict-bytes':
      case 'evict-all':
        this.#evict(fault.kind === 'evict-all');
        break;
      case 'link':
      case 'abort-transaction':
        break;
      default:
        this.#people.act(fault.kind, `photo-${fault.file}.jpg`);
    }
  }

  /** The server comes back without what was unfinished there. */
  #forget(): void {
    const { disk } = this.#world;
    this.#stopServer(false);
    const finished = new Set([...this.#sources.keys()].flatMap((name) => this.#protocol.finished(disk, name)));
    const isFinished = (path: string) => {
      const data = disk.files.get(path.replace(/\.[a-z]+$/, '.data'));
      return [...finished].some((bytes) => data && Buffer.compare(data.bytes, bytes) === 0);
    };
    for (const path of [...disk.files.keys()]) if (!isFinished(path)) disk.files.delete(path);
    this.#checks.mayHaveLost = true;
    this.#startServer();
  }

  #evict(all: boolean): void {
    const { workers } = this.#world;
    this.#checks.evicting = true;
    for (const id of this.#checks.committed.records.keys()) this.#checks.evicted.add(id);
    const request = indexedDB.open('backhaul:/');
    request.addEventListener('success', () => {
      const database = request.result;
      const names = [...database.objectStoreNames].filter((name) => all || name === 'bytes');
      if (names.length === 0) return database.close();
      const transaction = database.transaction(names, 'readwrite');
      for (const name of names) transaction.objectStore(name).clear();
      transaction.addEventListener('complete', () => {
        database.close();
        for (const id of this.#checks.committed.records.keys()) this.#checks.evicted.add(id);
        this.#checks.evicting = false;
        if (!all) return;
        this.#people.evictedAll = true;
        for (const name of this.#sources.keys()) {
          this.#checks.begunAnew.set(name, (this.#checks.begunAnew.get(name) ?? 0) + 1);
        }
        // A browser that clears an origin ends its workers.
        workers.stopAll();
      });
    });
    request.addEventListener('upgradeneeded', () => request.transaction?.abort());
    request.addEventListener('error', () => {
      this.#checks.evicting = false;
    });
  }

  #startServer(): void {
    if (this.#server !== undefined) return;
    this.#servers += 1;
    const agent = new Agent(`server ${this.#servers}`, 'server');
    const { loop } = this.#world;
    loop.task(agent, () => {
      this.#server = { agent, served: this.#protocol.start() };
    });
  }

  #stopServer(powerCut: boolean): void {
    this.#server?.agent.end();
    this.#server = undefined;
    this.#world.network.reset();
    if (!powerCut) return;
    this.#checks.mayHaveLost = true;
    this.#world.disk.powerCut();
  }

  #goOnline(): void {
    if (this.#world.online) return;
    this.#world.online = true;
    this.#people.wentOnline();
    this.#world.workers.wentOnline();
  }

  #signIn(): void {
    this.#world.network.signedOut = false;
    this.#people.look();
  }

  /** Nothing stands in the way any more, and somebody looks after it. */
  #heal(): void {
    const { network, disk, loop } = this.#world;
    this.#world.note('-- everything heals');
    this.#calm = true;
    this.#calmSinceMs = loop.elapsedMs;
    network.faults.clear();
    disk.isFull = false;
    this.#isFull = false;
    if (this.#server === undefined) this.#startServer();
    for (const name of this.#people.accepted) {
      const known = [...this.#checks.committed.records.values()].some((record) => record.name === name);
      const excused = this.#people.givenUp.has(name) || this.#people.evictedAll;
      if (!known && !excused) this.#checks.complain(`1: ${name} was accepted, and nothing is known of it`);
    }
    this.#goOnline();
    this.#signIn();
    this.#people.openPage(() => this.#tend());
  }

  /** What a person does to what does not go on by itself. */
  #tend(): void {
    const { loop } = this.#world;
    const page = this.#people.open.findLast(({ backhaul }) => backhaul !== undefined);
    const records = [...this.#checks.committed.records.values()];
    const missing = [...this.#sources.keys()].filter(
      (name) => !this.#people.givenUp.has(name) && !records.some((record) => record.name === name),
    );
    if (page) this.#people.add(page, missing);
    for (const { name, course } of records) {
      const { state } = course;
      const act = {
        paused: 'resume',
        failed: 'retry',
        lost: 'add-again',
      } as const;
      if (state.status === 'failed') this.#judgeFailure(name, state.error.code);
      if (state.status in act) this.#people.act(act[state.status as keyof typeof act], name);
      if (state.status === 'waiting' && state.reason === 'auth') this.#people.act('resume', name);
    }
    loop.timer(LOOK_EVERY_MS, undefined, () => this.#tend());
  }

  /** 6: the network never fails an upload. */
  #judgeFailure(name: string, code: string): void {
    const { faults } = this.#plan;
    const isLost = faults.some(({ kind }) => kind === 'crash-server' || kind === 'forget');
    const isRefused = faults.some(
      (fault) => fault.kind === 'link' && fault.link.type === 'answered' && DEFINITE.includes(fault.link.status),
    );
    const excuses: readonly (string | false)[] = [
      isLost && 'server-lost-bytes',
      isRefused && 'refused',
      isRefused && 'too-large',
    ];
    if (!excuses.includes(code)) this.#checks.complain(`6: ${name} has failed: ${code}`);
  }

  #isOver(): boolean {
    if (!this.#calm) return false;
    const { loop } = this.#world;
    const records = [...this.#checks.committed.records.values()];
    const settled = [...this.#sources.keys()].every((name) => {
      const own = records.filter((record) => record.name === name);
      if (this.#people.givenUp.has(name)) {
        return own.every(({ course }) => ['completed', 'cancelled', 'failed', 'lost'].includes(course.state.status));
      }
      return own.some(({ course }) => course.state.status === 'completed');
    });
    if (!settled) this.#doneAtMs = Infinity;
    else if (this.#doneAtMs === Infinity) this.#doneAtMs = loop.elapsedMs;
    if (loop.elapsedMs - this.#doneAtMs > SETTLE_MS) return true;
    if (loop.elapsedMs - this.#calmSinceMs < CALM_LIMIT_MS + this.#extraMs) return false;
    this.#checks.complain(
      `L: not delivered ${CALM_LIMIT_MS / 1000} s after the last fault: ${records
        .filter(({ course }) => course.state.status !== 'completed')
        .map(({ name, course }) => `${name} is ${course.state.status}`)
        .join(', ')}`,
    );
    return true;
  }
}

let noise: Uint8Array | undefined;

/** Large files are windows of the same noise, which is made once. */
function contentOf({ seed }: Plan, index: number, size: number): Uint8Array {
  const dice = new Dice(seed, 'bytes', index);
  if (size < 1_000_000) return dice.bytes(size);
  noise ??= new Dice(1, 'noise').bytes(17_000_000);
  const start = dice.between(0, noise.length - size);
  return noise.subarray(start, start + size);
}
