// Which upload is next, and how many at once. Holds the driver lock while there is work, so that over all tabs and
// worker versions one scheduler runs (invariant 4), and keeps a dead endpoint from being asked by every upload in turn.
// What it remembers is a cache: a new worker starts with nothing but the store, and tries at once.

import { toWire, UploadError } from '../src/contracts/errors.js';
import type { WakeReason } from '../src/contracts/messages.js';
import type { WaitReason } from '../src/contracts/upload.js';
import { type Clock, within } from './clock.js';
import { Pace } from './core/pace.js';
import type { Outage } from './core/retry.js';
import type { Outbox } from './outbox.js';
import type { Adapter } from './protocols/adapter.js';
import { type RunnerTools, runUpload } from './runner.js';
import type { UploadRecord } from './store/schema.js';

/** Chromium and Firefox end an idle worker after 30 s; the ticks ask a page for a sign of life well before that. */
const TICK_MS = 20_000;
/** Pause after the store itself failed, or until it has taken in new files at the latest. */
const STORE_PAUSE_MS = 5000;
/** Uploads that failed so often on their own no longer go first when an endpoint is tried again. */
const SUSPECT_ATTEMPTS = 3;

/** Runs `task` while nobody else, in any tab or worker version, holds the same lock. */
export type HoldLock = (task: () => Promise<void>) => Promise<void>;

export interface SchedulerOptions extends RunnerTools {
  readonly endpoints: ReadonlyMap<string, Adapter>;
  readonly holdLock: HoldLock;
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly concurrency: number;
}

/** What is known of an endpoint's reachability. */
interface Gate extends Outage {
  /** Until then nothing is tried there; then one upload is. Infinity: until somebody acts (sign-in). */
  untilMs: number;
  reason: WaitReason;
  trying: boolean;
}

/** Waits that a wake-up cuts short. Retry-After never is: the server asked for it. */
const hastened: Readonly<Partial<Record<WakeReason, readonly WaitReason[]>>> = {
  online: ['offline', 'backoff', 'locked'],
  start: ['offline', 'backoff', 'locked', 'auth'],
  sync: ['offline', 'backoff', 'locked'],
  // The user is back, perhaps from signing in.
  visible: ['offline', 'backoff', 'locked', 'auth'],
};

export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #active = new Map<string, { readonly abort: AbortController; readonly ended: Promise<void> }>();
  readonly #paces = new Map<string, Pace>();
  readonly #gates = new Map<string, Gate>();
  #driving: Promise<void> | undefined;
  #working: Promise<boolean> = Promise.resolve(false);
  #woken = false;
  #nudge: () => void = () => {};
  #turn = 0;
  #storing = 0;

  constructor(options: SchedulerOptions) {
    this.#options = options;
  }

  /** Looks at the queue now. True: the lock is held and there is something to do, now or in time. */
  async wake(reason: WakeReason): Promise<boolean> {
    const reasons = hastened[reason];
    if (reasons !== undefined) await this.#hasten(reasons);
    this.#poke();
    if (this.#driving === undefined) {
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
    const { store, concurrency } = this.#options;
    for (;;) {
      if (this.#storing > 0) return this.#options.clock.now() + STORE_PAUSE_MS;
      let dueAtMs = Infinity;
      let started = false;
      const endpoints = await store.endpointsWithWork();
      this.#turn += 1;
      for (let index = 0; index < endpoints.length && this.#active.size < concurrency; index += 1) {
        const endpoint = endpoints[(index + this.#turn) % endpoints.length] ?? '';
        const next = await this.#next(endpoint);
        if (typeof next === 'number') dueAtMs = Math.min(dueAtMs, next);
        else {
          await this.#start(next);
          started = true;
        }
      }
      if (!started) return dueAtMs;
    }
  }

  /** The next upload of one endpoint, or when there is one. */
  async #next(endpoint: string): Promise<UploadRecord | number> {
    const { store, clock, outbox } = this.#options;
    const now = clock.now();
    const gate = this.#gates.get(endpoint);
    if (gate?.trying) return Infinity;
    if (gate !== undefined && now < gate.untilMs) return gate.untilMs;
    return store.next(endpoint, now, new Set(this.#active.keys()), (corrupt) => outbox.changed(corrupt));
  }

  async #start(record: UploadRecord): Promise<void> {
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
    const ended = this.#run(record, adapter, abort.signal)
      // The store failed in the middle: the record is as it was last committed, and is probed anew, but not at once.
      .catch(() => this.#close(endpoint, this.#options.clock.now() + STORE_PAUSE_MS, 'backoff'))
      .then(() => {
        if (gate !== undefined) gate.trying = false;
        this.#active.delete(uploadId);
        this.#poke();
      });
    this.#active.set(uploadId, { abort, ended });
  }

  async #run(record: UploadRecord, adapter: Adapter, signal: AbortSignal): Promise<void> {
    const { endpoint, course } = record;
    const pace = this.#paces.get(endpoint) ?? new Pace();
    this.#paces.set(endpoint, pace);
    const outage = () => this.#outage(endpoint);
    const onAnswer = () => void this.#reached(endpoint).catch(() => {});
    const parallel = () => Math.max(1, this.#options.concurrency + 1 - this.#active.size);
    const outcome = await runUpload(record, { ...this.#options, adapter, pace, signal, outage, onAnswer, parallel });
    if (outcome === 'ended' || outcome.scope !== 'endpoint') return;
    const { reason, untilMs = Infinity } = outcome;
    // A moment before a suspect falls due, so that another upload is the next trial.
    this.#close(endpoint, course.attempt >= SUSPECT_ATTEMPTS ? untilMs - 1 : untilMs, reason);
  }

  #outage(endpoint: string): Outage {
    return this.#gates.get(endpoint) ?? { attempt: 0, sinceMs: this.#options.clock.now() };
  }

  #close(endpoint: string, untilMs: number, reason: WaitReason): void {
    const { attempt, sinceMs } = this.#outage(endpoint);
    this.#gates.set(endpoint, { attempt: attempt + 1, sinceMs, untilMs, reason, trying: false });
  }

  /** The endpoint answers again: whatever waited for it goes on, save what fails by itself. */
  async #reached(endpoint: string): Promise<void> {
    const gate = this.#gates.get(endpoint);
    if (gate === undefined) return;
    this.#gates.delete(endpoint);
    const { store, clock, outbox } = this.#options;
    const reasons = ['offline', 'backoff'] as const;
    outbox.changed(...(await store.hasten(endpoint, clock.now(), reasons, gate.attempt)));
    this.#poke();
  }

  async #hasten(reasons: readonly WaitReason[]): Promise<void> {
    const { store, clock, outbox, endpoints } = this.#options;
    for (const gate of this.#gates.values()) {
      if (reasons.includes(gate.reason)) gate.untilMs = 0;
    }
    for (const endpoint of endpoints.keys()) {
      outbox.changed(...(await store.hasten(endpoint, clock.now(), reasons)));
    }
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

export function unknownEndpoint(name: string): UploadError {
  return new UploadError('unknown-endpoint', `No endpoint "${name}" in installBackhaul(). Name it there, then retry.`);
}
