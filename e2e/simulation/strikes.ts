// Lets a plan's faults happen, each at its moment, until all is calm; says which did.

import type { Checks } from './checks.js';
import type { People } from './people.js';
import type { Fault, Plan } from './plan.js';
import type { ServerProcess } from './server-process.js';
import type { World } from './world/world.js';

type LinkCut = Extract<Fault, { kind: 'link' }>;

export class Strikes {
  /** Faults that really happened. */
  readonly struck: string[] = [];
  /** Versions of the worker that do not know the endpoint. */
  readonly wrong = new Set<number>();
  /** No file finds room any more. */
  isFull = false;
  /** Nothing strikes any more. */
  isOver = false;
  /** Longer than all else: clocks that were put back. */
  extraMs = 0;
  readonly #world: World;
  readonly #checks: Checks;
  readonly #people: People;
  readonly #server: ServerProcess;
  readonly #names: readonly string[];
  readonly #counts = new Map<Fault['on'], number>();
  readonly #due = new Map<string, Fault[]>();

  constructor(plan: Plan, world: World, checks: Checks, people: People, server: ServerProcess) {
    this.#world = world;
    this.#checks = checks;
    this.#people = people;
    this.#server = server;
    this.#names = [...checks.sources.keys()];
    for (const fault of plan.faults) {
      const { on, at } = fault;
      if (on === 'ms') world.loop.timer(at, undefined, () => !this.isOver && this.#happen(fault));
      else if (on === 'request' && fault.kind === 'link') this.#cut(at, fault);
      else this.#due.set(`${on} ${at}`, [...(this.#due.get(`${on} ${at}`) ?? []), fault]);
    }
    world.loop.onCrossing = ({ kind }) => {
      for (const fault of this.#count(kind)) this.#happen(fault);
    };
    world.network.onAnswer = () => {
      for (const fault of this.#count('answer')) this.#happen(fault);
    };
    checks.onStatus = (status, name) => {
      for (const fault of this.#count(status)) {
        // The next request may leave in the same breath.
        if (fault.kind === 'link') this.#happen(fault);
        // Behind the commit that is being told of.
        else world.loop.task(undefined, () => this.#happen(fault, name));
      }
    };
  }

  /** A transaction that writes is about to commit: what aborts it, if anything does. */
  beforeCommit(writesBytes: boolean): string | undefined {
    const [fault] = this.#count('transaction');
    if (fault?.kind === 'abort-transaction') {
      this.#hit(fault);
      // A Retry-After that could not be stored binds nobody, as if the worker had been stopped before it was: to remember it
      // beside the store would be a second truth about every wait, and saves no more than one early request.
      this.#checks.hurry();
      return fault.error;
    }
    return this.isFull && writesBytes ? 'QuotaExceededError' : undefined;
  }

  goOnline(): void {
    const { workers } = this.#world;
    if (this.#world.online) return;
    this.#world.online = true;
    this.#people.wentOnline();
    workers.wentOnline();
  }

  signIn(): void {
    this.#world.network.signedOut = false;
    this.#people.look();
  }

  /** One more of them; answers with the faults that wait for it. */
  #count(on: Fault['on']): readonly Fault[] {
    const count = (this.#counts.get(on) ?? 0) + 1;
    this.#counts.set(on, count);
    return this.isOver ? [] : (this.#due.get(`${on} ${count}`) ?? []);
  }

  #cut(from: number, { link, after = 0, times = 1 }: LinkCut): void {
    for (let nth = 0; nth < times; nth += 1) this.#world.network.faults.set(from + after + nth, link);
  }

  #hit({ kind }: Fault): void {
    this.struck.push(kind);
    this.#world.note(`** ${kind}`);
  }

  /** `name`: of the upload that it waited for. */
  #happen(fault: Fault, name?: string): void {
    const { loop, network, workers, disk } = this.#world;
    const after = (ms: number, then: () => void) => loop.timer(ms, undefined, then);
    // A link's faults count when they strike a request.
    if (fault.kind !== 'link') this.#hit(fault);
    switch (fault.kind) {
      case 'link':
        this.#cut(network.journal.length, fault);
        break;
      case 'stop-worker':
        workers.stopAll();
        break;
      case 'update-worker':
        workers.update();
        break;
      case 'update-worker-wrongly': {
        const version = workers.update();
        if (version !== undefined) this.wrong.add(version);
        break;
      }
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
        after(fault.forMs, () => this.goOnline());
        break;
      case 'disk-full':
        disk.isFull = true;
        after(fault.forMs, () => {
          disk.isFull = false;
        });
        break;
      case 'quota':
        this.isFull = true;
        after(fault.forMs, () => {
          this.isFull = false;
        });
        break;
      case 'sign-out':
        network.signedOut = true;
        after(fault.forMs, () => this.signIn());
        break;
      case 'crash-server':
        if (this.#server.stop(fault.powerCut)) this.#checks.mayHaveLost = true;
        after(fault.forMs, () => this.#server.start());
        break;
      case 'forget':
        this.#server.forget(this.#names);
        this.#checks.mayHaveLost = true;
        break;
      case 'jump-clock':
        loop.clockMs += fault.byMs;
        this.#checks.hurry();
        if (fault.byMs < 0) this.extraMs -= fault.byMs;
        break;
      case 'evict-bytes':
      case 'evict-all':
        this.#evict(fault.kind === 'evict-all');
        break;
      case 'abort-transaction':
        break;
      default:
        this.#people.act(fault.kind, name ?? `photo-${fault.file}.jpg`);
    }
  }

  #evict(all: boolean): void {
    const { workers } = this.#world;
    this.#checks.evictions += 1;
    const over = () => {
      this.#checks.evictions -= 1;
    };
    for (const id of this.#checks.committed.records.keys()) this.#checks.evicted.add(id);
    const request = indexedDB.open('backhaul:/');
    request.addEventListener('success', () => {
      const database = request.result;
      const names = [...database.objectStoreNames].filter((name) => all || name === 'bytes');
      if (names.length === 0) {
        database.close();
        return over();
      }
      const transaction = database.transaction(names, 'readwrite');
      for (const name of names) transaction.objectStore(name).clear();
      transaction.addEventListener('abort', over);
      transaction.addEventListener('complete', () => {
        database.close();
        for (const id of this.#checks.committed.records.keys()) this.#checks.evicted.add(id);
        over();
        if (!all) return;
        this.#people.evictedAll = true;
        for (const name of this.#names) this.#checks.beginsAnew(name);
        // A browser that clears an origin ends its workers.
        workers.stopAll();
      });
    });
    request.addEventListener('upgradeneeded', () => request.transaction?.abort());
    request.addEventListener('error', over);
  }
}
