// Holds uploads up while the policy of their endpoint says so. What the app wants stands in the worker's code; what the user
// wants otherwise is user-wishes.ts. What a browser does not tell holds nothing up: an upload must not wait for an end that
// nobody will see. The loop knows nothing of this: the endpoints' adapters ask here before each request.

import { batteryLock, type Connection, checkPolicy, isMetered, type Policy } from '../src/contracts/policy.js';
import { isPending, type PolicyReason, type WaitReason } from '../src/contracts/upload.js';
import { askFirst } from './ask-first.js';
import type { CommandTools } from './commands.js';
import type { CourseEvent } from './core/machine.js';
import { quietUntilMs } from './core/quiet-hours.js';
import { type Installed, type InstalledBackhaul, opened } from './install.js';
import { ProtocolFailure, type UploadSource } from './protocols/adapter.js';
import { hastened } from './scheduler.js';
import type { Kept } from './store/policy-store.js';
import { idsOf } from './store/upload-store.js';
import { unknownEndpoint } from './unknown-endpoint.js';

declare const self: ServiceWorkerGlobalScope;

/** Uploads that are taken out of line in one transaction. A guess. */
const HELD_AT_ONCE = 100;

const reasons: readonly PolicyReason[] = ['metered', 'battery', 'quiet-hours'];

declare const made: unique symbol;

/** What `userWishes()` takes. What is in it is its own, and may change in any version. */
export interface Policies {
  readonly [made]: true;
}

/** What is in {@link Policies}. */
export interface Rules extends CommandTools {
  /** What the user wants otherwise. */
  wishes(): Promise<Kept>;
  /** Throws `unknown-endpoint`. */
  policyOf(endpoint: string): Promise<Policy>;
  /** Makes what waits, and what does not, agree with how things are now. */
  settle(): Promise<void>;
}

/** `navigator.connection`, where it is there. */
export type WatchedConnection = (Connection & EventTarget) | undefined;

interface Hold {
  readonly reason: PolicyReason;
  readonly untilMs?: number;
}

/**
 * Lets uploads of these endpoints wait for better moments. Pages call `relayConditions()`, so that the end of a wait
 * is seen although the browser has stopped the worker. Call it once, while the script runs, after `installBackhaul()`, or
 * in `hostInPage()`. Throws `unknown-endpoint` or `invalid-option`.
 */
export function policies(backhaul: InstalledBackhaul, wanted: Readonly<Record<string, Policy>>): Policies {
  const { connection, locks } = self.navigator as WorkerNavigator & { readonly connection?: WatchedConnection };
  const tools: Installed = opened(backhaul);
  const lock = batteryLock(tools.databaseName);
  // Pages over http have no locks.
  const batteryLow = async () => !!(await locks?.query())?.held?.some(({ name }) => name === lock);
  const rules = enforce(wanted, tools, connection, batteryLow);
  // That it began came before this was asked.
  if (self.serviceWorker?.state === 'activated') void tools.scheduler.wake('start');
  return rules as unknown as Policies;
}

export function enforce(
  wanted: Readonly<Record<string, Policy>>,
  tools: CommandTools,
  connection: WatchedConnection,
  batteryLow: () => Promise<boolean>,
): Rules {
  const { store, outbox, clock, scheduler, adapterOf } = tools;
  const { wake } = scheduler;
  const { tick } = outbox;
  /** By endpoint the hold that its uploads are told of, as far as this worker knows: its reason or end, 0 for none. */
  const told = new Map<string, string | number>();
  let settled = Promise.resolve();

  async function policyOf(endpoint: string): Promise<Policy> {
    const kept = (await rules.wishes()) as Readonly<Record<string, Policy>>;
    // `photos@ann` is served like `photos`, and may be wanted otherwise by Ann.
    const name = endpoint.replace(/@.*/s, '');
    if (!Object.hasOwn(wanted, name)) throw unknownEndpoint(endpoint);
    return { ...wanted[name], ...kept[name], ...kept[endpoint] };
  }

  async function holdOf(endpoint: string): Promise<Hold | undefined> {
    // None for what is not named, or no longer.
    const { unmetered, batteryNotLow, quietHours } = await policyOf(endpoint).catch((): Policy => ({}));
    if (unmetered && isMetered(connection)) return { reason: 'metered' };
    if (batteryNotLow && (await batteryLow())) return { reason: 'battery' };
    const untilMs = quietHours && quietUntilMs(quietHours, clock.now());
    return untilMs ? { reason: 'quiet-hours', untilMs } : undefined;
  }

  /** Answers how many wait now. What a user has paused or cancelled meanwhile stays so, and no attempt is counted. */
  async function park(ids: readonly string[], hold: Hold): Promise<number> {
    const events: readonly CourseEvent[] = [
      { type: 'waited', reason: hold.reason, atMs: 0 },
      { type: 'hastened', reasons, fresh: true },
      { type: 'parked', state: { status: 'waiting', ...hold } },
    ];
    // One transaction: nobody sees what is between.
    const [, , parked = []] = await Promise.all(events.map((event) => store.applyAll(ids, event)));
    outbox.changed(...parked);
    return parked.length;
  }

  /** Before each request of the loop. */
  async function ask({ id, endpoint }: UploadSource): Promise<void> {
    const hold = await holdOf(endpoint);
    if (!hold || (await rules.wishes())[id]) return;
    await park([id], hold);
    // Others have come into line, or this one was in it again.
    told.delete(endpoint);
    void settle();
    // Ends the run, with whatever parts of it are under way.
    void scheduler.stop([id]);
    throw new ProtocolFailure('busy', 'locked', 'A policy');
  }

  /** Takes all out of line that are in it, and stops what is under way, save what its user wants at once. */
  async function holdUp(endpoint: string, hold: Hold): Promise<void> {
    const spared = new Set(Object.keys(await rules.wishes()));
    // Once around for what another tab, or a worker of before, puts back: it will hear of this, too.
    for (let parked = HELD_AT_ONCE; parked === HELD_AT_ONCE; ) {
      const { records } = await store.next(endpoint, clock.now(), spared, HELD_AT_ONCE);
      // What was cancelled is there to be freed.
      const ids = idsOf(records.filter(({ course }) => isPending(course.state.status)));
      await scheduler.stop(ids);
      parked = await park(ids, hold);
    }
  }

  function settle(): Promise<void> {
    settled = settled
      .then(async () => {
        for (const endpoint of await store.endpointsWithWork()) {
          const hold = await holdOf(endpoint);
          const before = told.get(endpoint);
          const now = hold?.untilMs ?? hold?.reason ?? 0;
          if (before === now) continue;
          told.set(endpoint, now);
          // A worker that starts leaves those as they are that wait for what still is.
          const over: WaitReason[] = reasons.filter((reason) => before || reason !== hold?.reason);
          // What backgroundFetch() has handed over is stopped like the rest.
          if (hold) over.push('browser');
          outbox.changed(...(await store.hasten(endpoint, { type: 'hastened', reasons: over, fresh: true })));
          if (hold) await holdUp(endpoint, hold);
          // The loop has read ahead.
          void wake('command');
        }
      })
      .catch(() => told.clear());
    return settled;
  }

  for (const [endpoint, policy] of Object.entries(wanted)) {
    checkPolicy(policy);
    const adapter = adapterOf(endpoint);
    if (!adapter) throw unknownEndpoint(endpoint);
    // `piece`: what backgroundFetch() hands over. Not `abort`, which only frees.
    askFirst(adapter, ['create', 'probe', 'send', 'complete', 'piece'], ask);
  }
  Object.assign(scheduler, {
    async wake(reason) {
      if (hastened[reason]) await settle();
      return wake(reason);
    },
  } satisfies Partial<typeof scheduler>);
  Object.assign(outbox, {
    // Quiet hours begin.
    tick() {
      tick();
      void settle();
    },
  } satisfies Partial<typeof outbox>);
  connection?.addEventListener('change', settle);

  const rules: Rules = { ...tools, wishes: async () => ({}), policyOf, settle };
  return rules;
}
