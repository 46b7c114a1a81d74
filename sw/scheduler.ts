// Which upload is next, and how many at once. Holds the driver lock while there is work, so that over all tabs and
// worker versions one scheduler runs (invariant 4), and keeps a dead endpoint from being asked by every upload in turn.
// What it remembers is a cache: a new worker starts with nothing but the store, and tries at once.

import { toWire } from '../src/contracts/errors.js';
import type { WakeReason } from '../src/contracts/messages.js';
import type { WaitReason } from '../src/contracts/upload.js';
import { type Clock, within } from './clock.js';
import { Pace } from './core/pace.js';
import type { Outage } from './core/retry.js';
import { Lanes } from './lanes.js';
import type { Outbox } from './outbox.js';
import type { Adapter } from './protocols/adapter.js';
import { type RunnerTools, runUpload } from './runner.js';
import type { UploadRecord } from './store/schema.js';
import { unknownEndpoint } from './unknown-endpoint.js';

/** Chromium and Firefox end an idle worker after 30 s; the ticks ask a page for a sign of life well before that. */
const TICK_MS = 20_000;
/** Pause after the store itself failed, or until it has taken in new files at the latest. */
const STORE_PAUSE_MS = 5000;
/** Uploads that wait for a lane with their bytes at hand, so that no lane waits for the store. */
const READY = 2;
/** Uploads that are read at once. A guess: ten seconds of small photos. */
const READ_AHEAD = 32;
/** Uploads that failed so often on their own no longer go first when an endpoint is tried again. */
const SUSPECT_ATTEMPTS = 3;

/** Runs `task` while nobody else, in any tab or worker version, holds the same lock. */
export type HoldLock = (task: () => Promise<void>) => Promise<void>;

export interface SchedulerOptions extends RunnerTools {
  readonly endpoints: ReadonlyMap<string, Adapter>;
  readonly holdLock: HoldLock;
  readonly outbox: Outbox;
  readonly clock: Clock;
}

/** What is known of an endpoint's reachability. */
interface Gate extends Outage {
  /** Until then nothing is tried there; then one upload is. Infinity: until somebody acts (sign-in). */
  untilMs: number;
  reason: WaitReason;
  trying: boolean;
}

/** The next uploads of an endpoint, as they were when they were read. */
interface Line {
  readonly records: UploadRecord[];
  readonly dueAtMs: number;
}

/** Waits for a network, or a server, that gives no sign of life. */
const dead: readonly WaitReason[] = ['offline', 'backoff'];
const passing: readonly WaitReason[] = [...dead, 'locked'];
/** Waits that a wake-up cuts short. Retry-After never is: the server asked for it. */
const hastened: Readonly<Partial<Record<WakeReason, readonly WaitReason[]>>> = {
  online: passing,
  sync: passing,
  // The user is back, perhaps from signing in.
  start: [...passing, 'auth'],
  visible: [...passing, 'auth'],
};

export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #active = new Map<string, { readonly abort: AbortController; readonly ended: Promise<void> }>();
  readonly #paces = new Map<string, Pace>();
  readonly #gates = new Map<string, Gate>();
  readonly #lanes: Lanes;
  readonly #lines = new Map<string, Line>();
  /** Aborted when others may have come that go before those that wait for a lane. */
  #stale = new AbortController();
  /** Those that wait for a lane, with the signal that calls them back. */
  readonly #ready = new Map<string, AbortSignal>();
  #driving: Promise<void> | undefined;
  #working: Promise<boolean> = Promise.resolve(false);
  #woken = false;
  #nudge: () => void = () => {};
  #endpoints: readonly string[] | undefined;
  #served = '';
  #storing = 0;
  #announcements = 0;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#lanes = new Lanes(options.concurrency);
  }

  /** Looks at the queue now. True: the lock is held and there is something to do, now or in time. */
  async wake(reason: WakeReason): Promise<boolean> {
    const reasons = hastened[reason];
    if (reasons) {
      this.#announcements += 1;
      await this.#hasten(reasons);
    }
    // Whatever comes with it may be for an endpoint that had no work before.
    this.#endpoints = undefined;
    this.#lines.clear();
    this.#stale.abort();
    this.#stale = new AbortController();
    this.#poke();
    if (!this.#driving) {
      this.#working = new Promise((resolve) => {
        this.#driving = this.#drive(() => resolve(true)).then(() => resolve(false));
      });
    }
    return this.#working;
  }

  /** Settles when there is nothing left to do. */
  idle(): Promise<void> {
    return this.#driving ?? Promise.resolve();
  }

  /** Ends the requests of uploads that a command has just paused or cancelled; resolves when they have let go. */
  async stop(ids: readonly string[]): Promise<void> {
    const runs = ids.flatMap((id) => this.#active.get(id) ?? []);
    for (const { abort } of runs) abort.abort();
    await Promise.all(runs.map(({ ended }) => ended));
  }

  /** Starts no upload while `storing` runs: a file is safe only once it is stored. */
  async after<Value>(storing: Promise<Value>): Promise<Value> {
    this.#storing += 1;
    try {
      return await storing;
    } finally {
      this.#storing -= 1;
      this.#poke();
    }
  }

  /** A user's own "go on": what is known against the endpoints no longer counts. */
  forgive(): void {
    this.#gates.clear();
  }

  async #drive(onWork: () => void): Promise<void> {
    try {
      // A wake-up that came while the lock was being let go of is not lost.
      do {
        this.#woken = false;
        await this.#options.holdLock(async () => {
          const over = new AbortController();
          const work = () => {
            onWork();
            void this.#tick(over.signal);
          };
          await this.#loop(work).finally(() => over.abort());
        });
      } while (this.#woken);
    } catch {
      // No lock is to be had here: nothing may be driven.
    }
    // In the same breath as the last look: a wake-up from now on begins anew.
    this.#driving = undefined;
  }

  /** `onWork`: there is something to do. A queue with nothing is left before anybody is told. */
  async #loop(onWork: () => void): Promise<void> {
    for (let told = false; ; told = true) {
      let dueAtMs: number;
      try {
        this.#woken = false;
        dueAtMs = await this.#fill();
      } catch {
        // The store failed. What is under way goes on; whoever asks by command is told why.
        dueAtMs = this.#active.size === 0 ? Infinity : this.#options.clock.now() + STORE_PAUSE_MS;
      }
      if (this.#active.size === 0 && dueAtMs === Infinity) return;
      if (!told) onWork();
      await this.#pause(dueAtMs - this.#options.clock.now());
    }
  }

  /** Starts what can start; answers when the next one falls due (Infinity: none will by itself). */
  async #fill(): Promise<number> {
    const { store, clock, concurrency } = this.#options;
    const now = clock.now();
    const stale = this.#stale.signal;
    // Those that were called back are in line again only when they have let go; others would pass them.
    const calledBack = [...this.#ready.values()].some(({ aborted }) => aborted);
    if (this.#storing > 0 || calledBack) return now + STORE_PAUSE_MS;
    const known = this.#endpoints ?? (await store.endpointsWithWork());
    // Not remembered if somebody woke us while they were read.
    this.#endpoints = this.#woken ? undefined : known;
    // The one that was served last comes last.
    const first = known.indexOf(this.#served) + 1;
    const rotated = [...known.slice(first), ...known.slice(0, first)];
    const dueAtMs = new Map<string, number>();
    // One of each in turn.
    for (let started = true; started; ) {
      started = false;
      for (const endpoint of rotated) {
        const gate = this.#gates.get(endpoint);
        if (gate?.trying || this.#active.size >= concurrency + READY) continue;
        if (gate !== undefined && now < gate.untilMs) {
          dueAtMs.set(endpoint, gate.untilMs);
          continue;
        }
        const line = await this.#line(endpoint, now);
        const record = line.records.shift();
        if (record !== undefined) {
          started = true;
          this.#served = endpoint;
          await this.#start(record, stale);
        }
        dueAtMs.set(endpoint, line.dueAtMs);
      }
    }
    return Math.min(...dueAtMs.values());
  }

  /** What is next at `endpoint`: read ahead, since each look into the store takes as long as sending a small photo. */
  async #line(endpoint: string, now: number): Promise<Line> {
    const known = this.#lines.get(endpoint);
    if (known && known.records.length > 0 && now < known.dueAtMs) return known;
    const { store, outbox } = this.#options;
    const due = await store.next(endpoint, now, new Set(this.#active.keys()), READ_AHEAD);
    outbox.changed(...due.corrupt);
    // Behind damaged records there may be sound ones: look again.
    const line = { records: [...due.records], dueAtMs: due.corrupt.length > 0 ? now : due.dueAtMs };
    // Not remembered if somebody woke us meanwhile.
    if (!this.#woken) this.#lines.set(endpoint, line);
    return line;
  }

  async #start(record: UploadRecord, stale: AbortSignal): Promise<void> {
    const { endpoints, store, outbox } = this.#options;
    const { id: uploadId, endpoint } = record;
    const adapter = endpoints.get(endpoint);
    if (adapter === undefined) {
      const error = toWire(unknownEndpoint(endpoint));
      outbox.changed(...(await store.applyAll([uploadId], { type: 'failed', error: { ...error, uploadId } })));
      return;
    }
    const gate = this.#gates.get(endpoint);
    if (gate !== undefined) gate.trying = true;
    const abort = new AbortController();
    // Not in this breath: whoever starts beside it is to be counted first.
    const ended = Promise.resolve()
      .then(() => this.#run(record, adapter, abort.signal, stale))
      // The store failed in the middle: the record is as it was last committed, and is probed anew, but not at once.
      .catch(() => this.#close(endpoint, this.#options.clock.now() + STORE_PAUSE_MS, 'backoff'))
      .then(() => {
        if (gate !== undefined) gate.trying = false;
        this.#active.delete(uploadId);
        this.#ready.delete(uploadId);
        this.#poke();
      });
    this.#active.set(uploadId, { abort, ended });
    this.#ready.set(uploadId, stale);
  }

  async #run(record: UploadRecord, adapter: Adapter, signal: AbortSignal, stale: AbortSignal): Promise<void> {
    const { id, endpoint, course } = record;
    const pace = this.#paces.get(endpoint) ?? new Pace();
    this.#paces.set(endpoint, pace);
    const outage = () => this.#outage(endpoint);
    const onAnswer = () => void this.#reached(endpoint).catch(() => {});
    const lane = async (stop: AbortSignal, extra: boolean) => {
      const leave = await this.#lanes.take(extra ? stop : AbortSignal.any([stop, stale]), extra);
      if (this.#ready.delete(id)) this.#poke();
      return leave;
    };
    const gate = this.#gates.get(endpoint);
    const welcome = () => this.#gates.get(endpoint) === undefined || gate !== undefined;
    const announcements = this.#announcements;
    const outcome = await runUpload(record, {
      ...this.#options,
      adapter,
      pace,
      signal,
      outage,
      onAnswer,
      lane,
      welcome,
    });
    if (outcome === 'ended') return;
    // It waits, and falls due again.
    this.#lines.delete(endpoint);
    if (outcome.scope !== 'endpoint') return;
    const { reason, untilMs = Infinity } = outcome;
    // The network was said to be back while this was failing: often it is, a moment later.
    if (announcements !== this.#announcements && dead.includes(reason)) return this.#hasten(dead);
    // A moment before a suspect falls due, so that another upload is the next trial.
    this.#close(endpoint, course.attempt >= SUSPECT_ATTEMPTS ? untilMs - 1 : untilMs, reason);
  }

  #outage(endpoint: string): Outage {
    return this.#gates.get(endpoint) ?? { attempt: 0, sinceMs: this.#options.clock.now() };
  }

  #close(endpoint: string, untilMs: number, reason: WaitReason): void {
    const { attempt, sinceMs } = this.#outage(endpoint);
    const before = this.#gates.get(endpoint);
    // What the server asked for, or what only a person can end, is not undone by a neighbour's lesser failure.
    const stays = before && !passing.includes(before.reason) && before.untilMs > untilMs;
    const later = stays ? before : { untilMs, reason };
    this.#gates.set(endpoint, { ...later, attempt: attempt + 1, sinceMs, trying: false });
  }

  /** The endpoint answers again: whatever waited for it goes on, save what fails by itself. */
  async #reached(endpoint: string): Promise<void> {
    const gate = this.#gates.get(endpoint);
    if (!gate) return;
    this.#gates.delete(endpoint);
    const { store, outbox } = this.#options;
    outbox.changed(...(await store.hasten(endpoint, { type: 'hastened', reasons: dead, mostAttempts: gate.attempt })));
    this.#lines.delete(endpoint);
    this.#poke();
  }

  async #hasten(reasons: readonly WaitReason[]): Promise<void> {
    const { store, clock, outbox, endpoints } = this.#options;
    for (const gate of this.#gates.values()) {
      if (reasons.includes(gate.reason)) Object.assign(gate, { attempt: 0, sinceMs: clock.now(), untilMs: 0 });
    }
    for (const endpoint of endpoints.keys()) {
      outbox.changed(...(await store.hasten(endpoint, { type: 'hastened', reasons, fresh: true })));
    }
    this.#lines.clear();
  }

  async #tick(over: AbortSignal): Promise<void> {
    const { outbox, clock } = this.#options;
    while (!over.aborted) {
      outbox.tick();
      await clock.sleep(TICK_MS, over).catch(() => {});
    }
  }

  /** Makes the loop look again, even if it is just about to pause. */
  #poke(): void {
    this.#woken = true;
    this.#nudge();
  }

  /** Until something ended, somebody woke us, or the time has come. */
  async #pause(delayMs: number): Promise<void> {
    if (this.#woken) return;
    const nudged = new Promise<void>((resolve) => {
      this.#nudge = resolve;
    });
    await (delayMs === Infinity ? nudged : within(nudged, delayMs, this.#options.clock, undefined));
  }
}
