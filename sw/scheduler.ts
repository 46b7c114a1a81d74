// Which upload is next, and how many at once. Holds the driver lock while there is work, so that over all tabs and
// worker versions one scheduler runs (invariant 4), and keeps a dead endpoint from being asked by every upload in turn.
// What it remembers is a cache: a new worker starts with nothing but the store, and tries at once.

import { toWire } from '../src/contracts/errors.js';
import type { WakeReason } from '../src/contracts/messages.js';
import type { WaitReason } from '../src/contracts/upload.js';
import type { Clock } from './clock.js';
import { createPace, type Pace } from './core/pace.js';
import type { Outage } from './core/retry.js';
import { createLanes } from './lanes.js';
import type { Outbox } from './outbox.js';
import type { Adapter } from './protocols/adapter.js';
import { type RunnerTools, runUpload } from './runner.js';
import type { UploadRecord } from './store/schema.js';
import type { Due } from './store/upload-store.js';
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
  /** What serves an endpoint of that name. */
  readonly adapterOf: (endpoint: string) => Adapter | undefined;
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

/** What is known of one endpoint. */
interface Site {
  readonly endpoint: string;
  readonly adapter: Adapter | undefined;
  readonly pace: Pace;
  /** Absent: it answers. */
  gate?: Gate | undefined;
}

/** What was read of the queue. Given up as a whole as soon as it may be out of date, with what is being read into it. */
interface View {
  /** Endpoints that have work. */
  endpoints?: readonly string[];
  /** Their next uploads. */
  readonly lines: Map<string, Due>;
  /** Those whose uploads were told to wait for a sign-in. */
  readonly parked: Set<string>;
}

/** Waits for a network, or a server, that gives no sign of life. */
const dead: readonly WaitReason[] = ['offline', 'backoff'];
const passing: readonly WaitReason[] = [...dead, 'locked'];
/** The user is back, perhaps from signing in; and what the browser was to send may be over without a word. */
const personal: readonly WaitReason[] = [...passing, 'auth', 'browser'];
/** Waits that a wake-up cuts short. Retry-After never is: the server asked for it. */
export const hastened: Readonly<Partial<Record<WakeReason, readonly WaitReason[]>>> = {
  online: passing,
  sync: passing,
  start: personal,
  visible: personal,
};

/** An upload that is being worked on. */
interface Run {
  readonly abort: AbortController;
  /** Calls it back while it waits for a lane; absent once it has one. */
  recall?: AbortSignal | undefined;
  ended?: Promise<void>;
}

export interface Scheduler {
  /** Looks at the queue now. True: the lock is held and there is something to do, now or in time. */
  wake(reason: WakeReason): Promise<boolean>;
  /** Settles when there is nothing left to do. */
  idle(): Promise<void>;
  /** Ends the requests of uploads that a command has just paused or cancelled; resolves when they have let go. */
  stop(ids: readonly string[]): Promise<void>;
  /** Starts no upload while `storing` runs: a file is safe only once it is stored. */
  after<Value>(storing: Promise<Value>): Promise<Value>;
  /** A user's own "go on": what is known against the endpoints no longer counts. */
  forgive(): void;
}

export function createScheduler(options: SchedulerOptions): Scheduler {
  const { store, outbox, clock, adapterOf, concurrency, holdLock } = options;
  const active = new Map<string, Run>();
  const sites = new Map<string, Site>();
  const takeLane = createLanes(concurrency);
  /** Aborted when others may have come that go before those that wait for a lane. */
  let stale = new AbortController();
  /** Aborted when the loop is to look again, even if it is just about to pause. */
  let bell = new AbortController();
  let driving: Promise<void> | undefined;
  let working: Promise<boolean> = Promise.resolve(false);
  let view: View = { lines: new Map(), parked: new Set() };
  let served = '';
  let storing = 0;
  /** The store failed in the middle: whatever the servers say, nothing is started before then. */
  let pausedUntilMs = 0;
  let announcements = 0;

  const ring = () => bell.abort();
  const forget = () => {
    view = { lines: new Map(), parked: new Set() };
  };

  function siteOf(endpoint: string): Site {
    const site = sites.get(endpoint) ?? { endpoint, adapter: adapterOf(endpoint), pace: createPace() };
    sites.set(endpoint, site);
    return site;
  }

  async function drive(onWork: () => void): Promise<void> {
    try {
      // A wake-up that came while the lock was being let go of is not lost.
      do {
        bell = new AbortController();
        await holdLock(() => loop(onWork));
      } while (bell.signal.aborted);
    } catch {
      // No lock is to be had here: nothing may be driven.
    }
    // In the same breath as the last look: a wake-up from now on begins anew.
    driving = undefined;
  }

  /** `onWork`: there is something to do. A queue with nothing is left before anybody is told. */
  async function loop(onWork: () => void): Promise<void> {
    for (let tickAtMs = 0; ; ) {
      bell = new AbortController();
      // If the store failed: what is under way goes on; whoever asks by command is told why.
      const dueAtMs = await fill().catch(() => (active.size === 0 ? Infinity : clock.now() + STORE_PAUSE_MS));
      if (active.size === 0 && dueAtMs === Infinity) return;
      onWork();
      const now = clock.now();
      if (now >= tickAtMs) {
        outbox.tick();
        tickAtMs = now + TICK_MS;
      }
      // Until something ended, somebody woke us, or the time has come.
      await clock.sleep(Math.min(dueAtMs, tickAtMs) - now, bell.signal).catch(() => {});
    }
  }

  /** Starts what can start; answers when the next one falls due (Infinity: none will by itself). */
  async function fill(): Promise<number> {
    const now = clock.now();
    const recall = stale.signal;
    // Those that were called back are in line again only when they have let go; others would pass them.
    const calledBack = [...active.values()].some(({ recall: called }) => called?.aborted);
    if (storing > 0 || calledBack) return now + STORE_PAUSE_MS;
    if (now < pausedUntilMs) return pausedUntilMs;
    const look = view;
    look.endpoints ??= await store.endpointsWithWork();
    const names = look.endpoints;
    // The one that was served last comes last.
    const first = names.indexOf(served) + 1;
    const rotated = [...names.slice(first), ...names.slice(0, first)].map(siteOf);
    // One of each in turn, until none can start.
    for (;;) {
      let started = false;
      let dueAtMs = Infinity;
      for (const site of rotated) {
        const { gate, endpoint } = site;
        if (gate?.trying || active.size >= concurrency + READY) continue;
        if (gate && now < gate.untilMs) {
          dueAtMs = Math.min(dueAtMs, gate.untilMs);
          // All of them say so, also to the next worker, which would have to ask anew.
          if (gate.reason === 'auth' && !look.parked.has(endpoint)) {
            look.parked.add(endpoint);
            outbox.changed(...(await store.park(endpoint)));
          }
          continue;
        }
        const line = await lineOf(endpoint, now);
        const record = line.records.shift();
        if (record) {
          started = true;
          served = endpoint;
          await start(site, record, recall);
        }
        dueAtMs = Math.min(dueAtMs, line.dueAtMs);
      }
      if (!started) return dueAtMs;
    }
  }

  /** What is next there: read ahead, since each look into the store takes as long as sending a small photo. */
  async function lineOf(endpoint: string, now: number): Promise<Due> {
    const { lines } = view;
    const known = lines.get(endpoint);
    if (known && known.records.length > 0 && now < known.dueAtMs) return known;
    const line = await store.next(endpoint, now, new Set(active.keys()), READ_AHEAD);
    lines.set(endpoint, line);
    return line;
  }

  async function start(site: Site, record: UploadRecord, recall: AbortSignal): Promise<void> {
    const { adapter, gate, endpoint } = site;
    const { id: uploadId } = record;
    // What is in line without a turn is damaged: by this it leaves the line, and is told of as it is.
    if (!adapter || !record.turn) {
      const error = { ...toWire(unknownEndpoint(endpoint)), uploadId };
      const failed = await store.applyAll([uploadId], { type: 'failed', error });
      // What was cancelled does not fail; nobody is left to free it.
      const freed = failed.length > 0 ? [] : await store.applyAll([uploadId], { type: 'freed' });
      outbox.changed(record, ...failed, ...freed);
      return;
    }
    if (gate) gate.trying = true;
    const own: Run = { abort: new AbortController(), recall };
    active.set(uploadId, own);
    // Not in this breath: whoever starts beside it is to be counted first.
    own.ended = Promise.resolve()
      .then(() => run(site, record, adapter, own))
      // The store failed in the middle: the record is as it was last committed, and is probed anew, but not at once.
      .catch(() => {
        pausedUntilMs = clock.now() + STORE_PAUSE_MS;
      })
      .then(() => {
        if (gate) gate.trying = false;
        active.delete(uploadId);
        ring();
      });
  }

  async function run(site: Site, record: UploadRecord, adapter: Adapter, own: Run): Promise<void> {
    const { gate, pace } = site;
    const before = announcements;
    const lane = async (stop: AbortSignal, extra: boolean) => {
      const { recall } = own;
      const leave = await takeLane(recall ? AbortSignal.any([stop, recall]) : stop, extra);
      own.recall = undefined;
      if (recall) ring();
      return leave;
    };
    const outcome = await runUpload(record, {
      ...options,
      adapter,
      pace,
      signal: own.abort.signal,
      outage: () => outageOf(site),
      onAnswer: () => void reached(site).catch(() => {}),
      lane,
      welcome: () => !site.gate || gate !== undefined,
    });
    // Turned away at a closed endpoint, it is in line again.
    if (outcome === 'ended') return site.gate && forget();
    // It waits, and falls due again.
    forget();
    if (outcome.scope !== 'endpoint') return;
    const { reason, untilMs = Infinity } = outcome;
    // The network was said to be back while this was failing: often it is, a moment later.
    if (before !== announcements && dead.includes(reason)) return hasten(dead);
    // A moment before a suspect falls due, so that another upload is the next trial.
    close(site, record.course.attempt >= SUSPECT_ATTEMPTS ? untilMs - 1 : untilMs, reason);
  }

  function outageOf({ gate }: Site): Outage {
    return gate ?? { attempt: 0, sinceMs: clock.now() };
  }

  function close(site: Site, untilMs: number, reason: WaitReason): void {
    const { attempt, sinceMs } = outageOf(site);
    const { gate } = site;
    // What the server asked for, or what only a person can end, is not undone by a neighbour's lesser failure.
    const stays = gate && !passing.includes(gate.reason) && gate.untilMs > untilMs;
    site.gate = { ...(stays ? gate : { untilMs, reason }), attempt: attempt + 1, sinceMs, trying: false };
  }

  /** The endpoint answers again: whatever waited for it goes on, save what fails by itself. */
  async function reached(site: Site): Promise<void> {
    if (!site.gate) return;
    const { attempt: mostAttempts } = site.gate;
    site.gate = undefined;
    outbox.changed(...(await store.hasten(site.endpoint, { type: 'hastened', reasons: dead, mostAttempts })));
    forget();
    ring();
  }

  async function hasten(reasons: readonly WaitReason[]): Promise<void> {
    for (const { gate } of sites.values()) {
      if (gate && reasons.includes(gate.reason)) Object.assign(gate, { attempt: 0, sinceMs: clock.now(), untilMs: 0 });
    }
    for (const endpoint of await store.endpointsWithWork()) {
      outbox.changed(...(await store.hasten(endpoint, { type: 'hastened', reasons, fresh: true })));
    }
    forget();
  }

  return {
    async wake(reason) {
      const reasons = hastened[reason];
      if (reasons) {
        announcements += 1;
        await hasten(reasons);
      }
      // Whatever comes with it may be for an endpoint that had no work before.
      forget();
      stale.abort();
      stale = new AbortController();
      ring();
      if (!driving) {
        working = new Promise((resolve) => {
          driving = drive(() => resolve(true)).then(() => resolve(false));
        });
      }
      return working;
    },
    idle: () => driving ?? Promise.resolve(),
    async stop(ids) {
      const runs = ids.flatMap((id) => active.get(id) ?? []);
      for (const { abort } of runs) abort.abort();
      await Promise.all(runs.map(({ ended }) => ended));
    },
    async after(work) {
      storing += 1;
      try {
        return await work;
      } finally {
        storing -= 1;
        ring();
      }
    },
    forgive() {
      for (const site of sites.values()) site.gate = undefined;
    },
  };
}
