// What the user wants otherwise than the app's policies, field by field, and which uploads at once: asked for by pages, kept on
// this device. Where the user said nothing, an update of the app may change its own.

import { toWire } from '../src/contracts/errors.js';
import { checkPolicy, isPolicy, openPolicyMessage, type Policy, type PolicyMessage } from '../src/contracts/policy.js';
import { isSettled } from '../src/contracts/upload.js';
import { execute } from './commands.js';
import type { Installed } from './install.js';
import type { Policies, Rules } from './policies.js';
import { hastened } from './scheduler.js';
import { createPolicyStore, type Kept, type PolicyStore } from './store/policy-store.js';
import { idsOf } from './store/upload-store.js';

declare const self: ServiceWorkerGlobalScope;

/** Lets pages call `policy()`, `setPolicy()` and `sendNow()`. Call it once, with what `policies()` has returned. */
export function userWishes(policies: Policies): void {
  const rules = policies as unknown as Rules & Installed;
  const { databaseName, held, scheduler } = rules;
  const obey = heed(rules, createPolicyStore(databaseName));
  // What a page's own host is told comes by an event that no other window can send.
  self.addEventListener(self.registration ? 'message' : 'backhaul', (event) => {
    const { data, ports } = event as ExtendableMessageEvent;
    const message = openPolicyMessage(data);
    if (!message) return;
    const answered = obey(message)
      .catch(toWire)
      .then((answer) => ports[0]?.postMessage(answer));
    (event as Partial<ExtendableEvent>).waitUntil?.(held(answered.then(() => scheduler.idle())));
  });
}

/** Answers what carries out a page's message. */
export function heed(rules: Rules, kept: PolicyStore): (message: PolicyMessage) => Promise<Policy> {
  const { store, outbox, scheduler } = rules;
  const { wake } = scheduler;
  const { changed } = outbox;
  const { clear } = store;
  let known: Promise<Kept> | undefined;

  /** What cannot be read leaves the app its own. */
  function wishes(): Promise<Kept> {
    // Another version may have written it.
    const isWish = ([, value]: [string, unknown]) => value === true || isPolicy(value);
    known ??= kept().then(
      (all) => Object.fromEntries(Object.entries(all).filter(isWish)),
      () => ({}),
    );
    return known;
  }

  async function keep(changes: Kept): Promise<void> {
    await kept(changes);
    known = undefined;
  }

  async function forget(keys: readonly string[]): Promise<void> {
    const all = await wishes();
    const found = keys.filter((key) => key in all);
    if (found.length > 0) await keep(Object.fromEntries(found.map((key) => [key, undefined])));
  }

  rules.wishes = wishes;
  Object.assign(scheduler, {
    wake(reason) {
      // Another tab may have changed them, where each has a loop of its own.
      if (hastened[reason]) known = undefined;
      return wake(reason);
    },
  } satisfies Partial<typeof scheduler>);
  Object.assign(outbox, {
    // Adding it again, perhaps a week later, is another wish.
    changed(...records) {
      changed(...records);
      const over = records.filter(({ course }) => isSettled(course.state.status));
      void forget(idsOf(over)).catch(() => {});
    },
  } satisfies Partial<typeof outbox>);
  Object.assign(store, {
    async clear(endpoint) {
      const gone = await clear(endpoint);
      await forget([endpoint, ...gone]);
      return gone;
    },
  } satisfies Partial<typeof store>);

  return async ({ endpoint, change, id }) => {
    // There is one.
    await rules.policyOf(endpoint);
    if (typeof id === 'string') {
      await keep({ [id]: true });
      await execute({ type: 'control', control: 'resume', ids: [id] }, rules);
    }
    if (change) {
      checkPolicy(change);
      const all = await wishes();
      await keep({ [endpoint]: { ...(all[endpoint] as Policy), ...change } });
      // What waits may go on; what is under way may have to stop.
      void rules.settle();
    }
    return rules.policyOf(endpoint);
  };
}
