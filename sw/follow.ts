// Knows at each change how many uploads are not done yet, for those that tell the user when no page can. It hears what
// every tab hears, from the same channel, so that the engine knows nothing of it and a worker without it has none of it.

import { openEnvelope, sharedName, type UploadEvent, WIRE_VERSION } from '../src/contracts/messages.js';
import { isPending, type UploadSnapshot } from '../src/contracts/upload.js';
import { type InstalledBackhaul, opened } from './install.js';
import type { Outbox } from './outbox.js';
import type { UploadStore } from './store/upload-store.js';

declare const self: ServiceWorkerGlobalScope;

/** The last events are told a moment after the work is over (outbox.ts). */
const LAST_EVENTS_MS = 200;

/** What changed, and how things stand now. */
export interface Situation {
  readonly snapshots: readonly UploadSnapshot[];
  /** Uploads for which the worker has something to do, now or later. */
  readonly pending: number;
  /** True if this change is the first that asks for a sign-in. */
  readonly signIn: boolean;
}

/** What it takes to look at all uploads. */
export interface Listing {
  readonly store: UploadStore;
  readonly outbox: Outbox;
}

type Listen = (situation: Situation) => Promise<unknown> | unknown;

/** What makes situations out of events. One at a time, in their order; a rejection leaves the next ones as they are. */
export function follower(tools: Listing, listen: Listen) {
  /** Unknown until the first event, and after a failure. */
  let known: Known | undefined;

  async function take(event: UploadEvent): Promise<void> {
    if (event.type === 'tick') return;
    const snapshots = event.type === 'changed' ? event.snapshots : [];
    const ids = event.type === 'changed' ? snapshots.map(({ id }) => id) : event.ids;
    if (known === undefined) {
      known = { pending: new Set(), asking: new Set() };
      for await (const snapshot of everyUpload(tools)) note(known, snapshot);
      // They are listed as this event made them.
      for (const id of ids) forget(known, id);
    }
    const { pending, asking } = known;
    const asked = asking.size > 0;
    if (event.type === 'removed') for (const id of ids) forget(known, id);
    for (const snapshot of snapshots) note(known, snapshot);
    await listen({ snapshots, pending: pending.size, signIn: !asked && asking.size > 0 });
  }

  let work = Promise.resolve();
  return (event: UploadEvent): Promise<void> => {
    work = work
      .then(() => take(event))
      .catch(() => {
        known = undefined;
      });
    return work;
  };
}

/** Calls `listen` after each change, in this worker or in one beside it, and keeps the worker alive for it. */
export function follow(backhaul: InstalledBackhaul, listen: Listen): void {
  const name = sharedName(self.registration.scope);
  const { scheduler, clock, held, ...tools } = opened(backhaul);
  const take = follower(tools, listen);
  let taken = Promise.resolve();
  new BroadcastChannel(name).onmessage = ({ data }) => {
    const envelope = openEnvelope(data);
    if (envelope?.wire === WIRE_VERSION) taken = take(envelope.body as UploadEvent);
  };
  const finished = async () => {
    await scheduler.idle();
    await clock.sleep(LAST_EVENTS_MS);
    await taken;
  };
  for (const type of ['message', 'sync'] as const) {
    self.addEventListener(type, (event) => (event as ExtendableEvent).waitUntil(held(finished())));
  }
}

/** All that this device remembers, in order of acceptance. */
export async function* everyUpload({ store, outbox }: Listing) {
  for await (const page of store.pages()) yield* page.map(outbox.snapshotOf);
}

interface Known {
  readonly pending: Set<string>;
  /** Those of them that wait for a sign-in. */
  readonly asking: Set<string>;
}

function note(known: Known, snapshot: UploadSnapshot): void {
  forget(known, snapshot.id);
  if (isPending(snapshot.status)) known.pending.add(snapshot.id);
  if (snapshot.status === 'waiting' && snapshot.reason === 'auth') known.asking.add(snapshot.id);
}

function forget({ pending, asking }: Known, id: string): void {
  pending.delete(id);
  asking.delete(id);
}
