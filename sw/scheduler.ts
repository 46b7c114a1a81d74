// Which upload is next, and how many at once. Holds the driver lock while there is work, so that over all tabs and
// worker versions one scheduler runs (invariant 4), and keeps a dead endpoint from being asked by every upload in turn.
// What it remembers is a cache: a new worker starts with nothing but the store, and tries at once.

import { UploadError } from '../src/contracts/errors.js';
import type { WakeReason } from '../src/contracts/messages.js';
import type { WaitReason } from '../src/contracts/upload.js';
import type { Clock } from './clock.js';
import { Pace } from './core/pace.js';
import type { Outage } from './core/retry.js';
import type { Outbox } from './outbox.js';
import type { Adapter } from './protocols/adapter.js';
import { type RunnerTools, runUpload } from './runner.js';
import type { UploadRecord } from './store/schema.js';

/** HTTP/1.1 has six connections an origin, and the app needs some. */
const DEFAULT_CONCURRENCY = 3;
/** Chromium and Firefox end an idle worker after 30 s; the ticks ask a page for a sign of life well before that. */
const TICK_MS = 20_000;
/** Pause after the store itself failed. */
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
  readonly concurrency?: number;
}

/** What is known of an endpoint's reachability. */
interface Gate {
  outage: Outage;
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
  #holding: Promise<void> = Promise.resolve();
  #woken = false;
  #nudge: () => void = () => {};
  #turn = 0;

  constructor(options: SchedulerOptions) {
    this.#options = options;
  }

  /** Looks at the queue now. Resolves when the lock is held, or there turned out to be no work: then with false. */
  async wake(reason: WakeReason): Promise<boolean> {
    const reasons = hastened[reason];
    if (reasons !== undefined) await this.#hasten(reasons);
    this.#poke();
    if (this.#driving === undefined) {
      let held = () => {};
      this.#holding = new Promise((resolve) => {
        held = resolve;
      });
      this.#driving = this.#drive(held).finally(() => {
        held();
        this.#driving = undefined;
      });
    }
    const driving = this.#driving;
    await this.#holding;
    return driving === this.#driving;
  }

  /** Settles when there is nothing left to do, or this worker may not do it. Never rejects. */
  idle(): Promise<void> {
    return this.#driving ?? Promise.resolve();
  }

  /** Ends the requests of uploads that a command has just paused or cancelled; resolves when they have let go. */
  async stop(ids: readonly string[]): Promise<void> {
    const runs = ids.flatMap((id) => this.#active.get(id) ?? []);
    for (const { abort } of runs) abort.abort();
    await Promise.all(runs.map(({ ended }) => ended));
  }

  /** A user's own "go on": what is known against the endpoints no longer counts. */
  forgive(): void {
    this.#gates.clear();
  }

  async #drive(held: () => void): Promise<void> {
    const { clock, outbox, holdLock } = this.#options;
    do {
      this.#woken = false;
      await holdLock(async () => {
        // Nothing to do is found out before anybody is told that work is going on.
        if (!(await this.#hasWork())) return;
        held();
        const over = new AbortController();
        const ticks = this.#tick(outbox, clock, over.signal);
        try {
          await this.#loop();
        } finally {
          over.abort();
          await ticks;
        }
      });
    } while (this.#woken);
  }

  async #loop(): Promise<void> {
    for (;;) {
      try {
        this.#woken = false;
        const dueAtMs = await this.#fill();
        if (this.#active.size === 0 && dueAtMs === Number.POSITIVE_INFINITY) return;
        await this.#pause(dueAtMs - this.#options.clock.now());
      } catch {
        // The store failed. What is under way goes on; whoever asks by command is told why.
        if (this.#active.size === 0) return;
        await this.#pause(STORE_PAUSE_MS);
      }
    }
  }

  /** Starts what can start; answers when the next one falls due (Infinity: none will by itself). */
  async #fill(): Promise<number> {
    const { store, concurrency = DEFAULT_CONCURRENCY } = this.#options;
    for (;;) {
      let dueAtMs = Number.POSITIVE_INFINITY;
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
    if (gate !== undefined && (gate.trying || now < gate.untilMs))
      return gate.trying ? Number.POSITIVE_INFINITY : gate.untilMs;
    const next = await store.next(endpoint, now, new Set(this.#active.keys()), (corrupt) => outbox.changed(corrupt));
    return next === undefined ? Number.POSITIVE_INFINITY : 'record' in next ? next.record : next.dueAtMs;
  }

  async #start(record: UploadRecord): Promise<void> {
    const { endpoints, store, outbox } = this.#options;
    const { id, endpoint } = record;
    const adapter = endpoints.get(endpoint);
    if (adapter === undefined) {
      const message = `The worker has no endpoint "${endpoint}" any more. Name it again in installBackhaul, then retry.`;
      const failed = await store.apply(id, {
        type: 'failed',
        error: { code: 'unknown-endpoint', message, uploadId: id },
      });
      if (failed !== undefined) outbox.changed(failed);
      return;
    }
    const gate = this.#gates.get(endpoint);
    if (gate !== undefined) gate.trying = true;
    const abort = new AbortController();
    const ended = this.#run(record, adapter, abort.signal)
      .catch(() => {
        // The store failed in the middle: the record is as it was last committed, and is probed anew.
      })
      .then(() => {
        this.#active.delete(id);
        this.#poke();
      });
    this.#active.set(id, { abort, ended });
  }

  async #run(record: UploadRecord, adapter: Adapter, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const { endpoint } = record;
    const pace = this.#paces.get(endpoint) ?? new Pace();
    this.#paces.set(endpoint, pace);
    const outcome = await runUpload(record, this.#options, {
      adapter,
      pace,
      signal,
      outage: () => this.#gates.get(endpoint)?.outage ?? { attempt: 0, sinceMs: clock.now() },
      onAnswer: () => void this.#reached(endpoint),
    }).finally(() => {
      const gate = this.#gates.get(endpoint);
      if (gate !== undefined) gate.trying = false;
    });
    if (outcome === 'ended' || outcome.scope !== 'endpoint') return;
    const before = this.#gates.get(endpoint)?.outage ?? { attempt: 0, sinceMs: clock.now() };
    const untilMs = outcome.untilMs ?? Number.POSITIVE_INFINITY;
    this.#gates.set(endpoint, {
      outage: { attempt: before.attempt + 1, sinceMs: before.sinceMs },
      // A moment before a suspect falls due, so that another upload is the next trial.
      untilMs: record.course.attempt >= SUSPECT_ATTEMPTS ? untilMs - 1 : untilMs,
      reason: outcome.reason,
      trying: false,
    });
  }

  /** The endpoint answers again: whatever waited for it goes on, save what fails by itself. */
  async #reached(endpoint: string): Promise<void> {
    const gate = this.#gates.get(endpoint);
    if (gate === undefined) return;
    this.#gates.delete(endpoint);
    const { store, clock, outbox } = this.#options;
    const ids = await store.waiting(endpoint, clock.now());
    const records = await Promise.all(ids.map((id) => store.get(id)));
    const innocent = records.flatMap((record) =>
      record !== undefined && record.course.attempt <= gate.outage.attempt ? [record.id] : [],
    );
    outbox.changed(...(await store.applyAll(innocent, { type: 'hastened', reasons: ['offline', 'backoff'] })));
    this.#poke();
  }

  async #hasten(reasons: readonly WaitReason[]): Promise<void> {
    const { store, clock, outbox, endpoints } = this.#options;
    for (const gate of this.#gates.values()) {
      if (reasons.includes(gate.reason)) gate.untilMs = 0;
    }
    const ids = await Promise.all([...endpoints.keys()].map((endpoint) => store.waiting(endpoint, clock.now())));
    outbox.changed(...(await store.applyAll(ids.flat(), { type: 'hastened', reasons })));
  }

  /** Whether anything will happen by itself, now or later. Waiting for a sign-in is not work. */
  async #hasWork(): Promise<boolean> {
    try {
      const { store } = this.#options;
      for (const endpoint of await store.endpointsWithWork()) {
        if (this.#gates.get(endpoint)?.untilMs === Number.POSITIVE_INFINITY) continue;
        const next = await store.next(endpoint, Number.MAX_VALUE, new Set(), () => {});
        if (next !== undefined && 'record' in next) return true;
      }
      return false;
    } catch (cause) {
      if (cause instanceof UploadError) return false;
      throw cause;
    }
  }

  async #tick(outbox: Outbox, clock: Clock, over: AbortSignal): Promise<void> {
    try {
      for (;;) {
        outbox.tick();
        await clock.sleep(TICK_MS, over);
      }
    } catch {
      // The work is over.
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
    const timer = new AbortController();
    const nudged = new Promise<void>((resolve) => {
      this.#nudge = resolve;
    });
    const late =
      delayMs === Number.POSITIVE_INFINITY ? nudged : this.#options.clock.sleep(delayMs, timer.signal).catch(() => {});
    await Promise.race([nudged, late]);
    timer.abort();
  }
}
