// The time after the last fault. First, in some runs, nobody has a page open and the browser calls no one back: whatever
// starts the worker, it goes on. Then somebody comes and does what does not go on by itself. Ends when all is delivered.

import { isPending, isSettled } from '../../src/contracts/upload.js';
import type { UploadRecord } from '../../sw/store/schema.js';
import type { Checks } from './checks.js';
import type { People } from './people.js';
import type { Plan } from './plan.js';
import type { ServerProcess } from './server-process.js';
import type { Strikes } from './strikes.js';
import type { World } from './world/world.js';

/** Longest back-off 300 s, longest request 120 s; jumps of the clock and Retry-After come on top. */
const CALM_LIMIT_MS = 1_200_000;
/** What no later try would change. */
const DEFINITE = [404, 413, 422];
/** What a person does while something does not go on by itself. */
const LOOK_EVERY_MS = 20_000;
/** All tabs tell the same within a second; a worker that was stopped meanwhile is started for it. */
const SETTLE_MS = 5000;

export class Calm {
  /** Everything has been delivered since then. */
  doneAtMs = Infinity;
  readonly #plan: Plan;
  readonly #world: World;
  readonly #checks: Checks;
  readonly #people: People;
  readonly #server: ServerProcess;
  readonly #strikes: Strikes;
  /** Somebody is there since then. */
  #sinceMs = Infinity;

  constructor(plan: Plan, world: World, checks: Checks, people: People, server: ServerProcess, strikes: Strikes) {
    this.#plan = plan;
    this.#world = world;
    this.#checks = checks;
    this.#people = people;
    this.#server = server;
    this.#strikes = strikes;
  }

  /** Nothing stands in the way any more. */
  begin(): void {
    const { network, disk } = this.#world;
    this.#world.note('-- everything heals');
    this.#strikes.isOver = true;
    network.faults.clear();
    network.signedOut = false;
    disk.isFull = false;
    this.#strikes.isFull = false;
    this.#server.start();
    for (const name of this.#people.accepted) {
      const excused = this.#people.givenUp.has(name) || this.#people.evictedAll;
      if (this.#named(name).length === 0 && !excused)
        this.#checks.complain(`1: ${name} was accepted, and nothing is known of it`);
    }
    if (this.#plan.alone) this.#leave();
    else this.#attend();
  }

  #leave(): void {
    const { workers } = this.#world;
    this.#world.note('-- nobody is there');
    while (this.#people.open.length > 0) this.#people.closePage();
    workers.stopAll();
    workers.callsBack = false;
    this.#strikes.goOnline();
    this.#leaveAlone(this.#limitMs());
  }

  isOver(): boolean {
    if (this.#sinceMs === Infinity) return false;
    const { loop } = this.#world;
    const settled = [...this.#checks.sources.keys()].every((name) => {
      const own = this.#named(name);
      if (this.#people.givenUp.has(name)) return own.every(({ course }) => isSettled(course.state.status));
      return own.some(({ course }) => course.state.status === 'completed');
    });
    if (!settled) this.doneAtMs = Infinity;
    else if (this.doneAtMs === Infinity) this.doneAtMs = loop.elapsedMs;
    // A button that was pressed long ago may only just have reached a worker.
    if (loop.elapsedMs - Math.max(this.doneAtMs, this.#checks.changedAtMs) > SETTLE_MS) return true;
    if (loop.elapsedMs < this.#sinceMs + CALM_LIMIT_MS + this.#strikes.extraMs) return false;
    this.#late(this.#records().filter(({ course }) => course.state.status !== 'completed'));
    return true;
  }

  /** Something of the app's, a push or a visit to another of its pages, starts the worker, and asks nothing of it. */
  #leaveAlone(untilMs: number): void {
    const { loop, workers } = this.#world;
    const { active } = workers.registration;
    const left = this.#records().filter(({ course }) => goesOn(course));
    if (left.length > 0 && loop.elapsedMs < untilMs) {
      if (this.#strikes.wrong.has(workers.newest)) workers.update();
      if (active) workers.dispatch(active, 'push');
      loop.timer(LOOK_EVERY_MS, undefined, () => this.#leaveAlone(untilMs));
      return;
    }
    if (left.length > 0) this.#late(left);
    this.#attend();
  }

  #attend(): void {
    this.#sinceMs = this.#world.loop.elapsedMs;
    this.#strikes.goOnline();
    this.#strikes.signIn();
    this.#people.openPage(() => this.#tend());
  }

  /** What a person does to what does not go on by itself. */
  #tend(): void {
    const { loop, workers } = this.#world;
    if (this.#strikes.wrong.has(workers.newest)) workers.update();
    const page = this.#people.open.findLast(({ backhaul }) => backhaul !== undefined);
    const missing = [...this.#checks.sources.keys()].filter(
      (name) => !this.#people.givenUp.has(name) && this.#named(name).length === 0,
    );
    if (page) this.#people.add(page, missing);
    for (const { name, course } of this.#records()) {
      const { state } = course;
      if (state.status === 'failed') this.#judgeFailure(name, state.error.code);
      if (state.status === 'failed') this.#people.act('retry', name);
      if (state.status === 'lost') this.#people.act('add-again', name);
      if (state.status === 'paused' || (state.status === 'waiting' && state.reason === 'auth'))
        this.#people.act('resume', name);
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
      this.#strikes.wrong.size > 0 && 'unknown-endpoint',
    ];
    if (!excuses.includes(code)) this.#checks.complain(`6: ${name} has failed: ${code}`);
  }

  #late(left: readonly UploadRecord[]): void {
    const states = left.map(({ name, course }) => `${name} is ${course.state.status}`).join(', ');
    this.#checks.complain(`L: not delivered ${CALM_LIMIT_MS / 1000} s after the last fault: ${states}`);
  }

  #limitMs(): number {
    return this.#world.loop.elapsedMs + CALM_LIMIT_MS + this.#strikes.extraMs;
  }

  #records(): readonly UploadRecord[] {
    return [...this.#checks.committed.records.values()];
  }

  #named(name: string): readonly UploadRecord[] {
    return this.#records().filter((record) => record.name === name);
  }
}

/** Nobody has to do anything for it. */
function goesOn({ state }: UploadRecord['course']): boolean {
  return state.status === 'waiting' ? state.reason !== 'auth' : isPending(state.status);
}
