// Background Fetch (Chromium): the browser itself sends the rest of an upload, in pieces that are made in advance. Its
// registration is the truth about who sends: while there is one, the loop sends nothing of that upload, in this worker or
// the next. What a registration says of its end is never believed; the loop goes on, and asks the server.

import { toWire, UploadError, type WireError } from '../src/contracts/errors.js';
import { askedFor, fetchIdOf, type Handed, handOverLock, type Piece, uploadIdOf } from '../src/contracts/hand-over.js';
import { sharedName } from '../src/contracts/messages.js';
import { isPending } from '../src/contracts/upload.js';
import { askFirst } from './ask-first.js';
import { within } from './clock.js';
import type { CommandTools } from './commands.js';
import { prefixEnd } from './core/ranges.js';
import type { Range } from './core/remote.js';
import { type InstalledBackhaul, opened } from './install.js';
import { type Adapter, type Io, ProtocolFailure } from './protocols/adapter.js';
import { requestOnce } from './protocols/http.js';
import type { UploadRecord } from './store/schema.js';
import { unknownEndpoint } from './unknown-endpoint.js';

declare const self: ServiceWorkerGlobalScope;

export interface BackgroundFetchOptions {
  /** Names from `installBackhaul({ endpoints })`. Their servers are of the app's own origin, and take pieces. */
  readonly endpoints: readonly string[];
  /**
   * Bytes that an interruption costs at most. Chromium has two requests under way, so each is half of it. Default 16 MiB;
   * more for a file that would be over 90 requests.
   */
  readonly pieceSize?: number;
}

const PIECE_BYTES = 16 * 2 ** 20;
/**
 * Chromium takes requests in the order of their numbers as text: 0, 1, 10, 11 ... 2, 20. So they are ten at most, or numbered
 * from 10 to 99, behind ten empty ones, and come in their order whatever that is by.
 */
const MOST_PLAIN = 10;
const MOST_REQUESTS = 90;
/** For the question where the server stands; without an answer, what it has said last is as good. A guess. */
const QUESTION_LIMIT_MS = 10_000;
/** For the app's hooks, all together; less than a page waits. A guess. */
const HOOKS_LIMIT_MS = 50_000;

const silent: WireError = { code: 'timeout', message: "The app's own `headers` did not answer." };

interface Registration {
  readonly id: string;
  abort(): Promise<boolean>;
}

/** What of the worker this needs; a test gives its own. */
export interface FetchDesk {
  /** Of the worker and its pages; see messages.ts. */
  readonly name: string;
  /** What relative URLs are relative to. */
  readonly location: string;
  /** Undefined where the browser has no Background Fetch. */
  readonly manager:
    | { get(id: string): Promise<Registration | undefined>; getIds(): Promise<readonly string[]> }
    | undefined;
  readonly locks: Pick<LockManager, 'request' | 'query'>;
  readonly fetch: typeof fetch;
}

type Ended = 'backgroundfetchsuccess' | 'backgroundfetchfail' | 'backgroundfetchabort';
const ends: readonly Ended[] = ['backgroundfetchsuccess', 'backgroundfetchfail', 'backgroundfetchabort'];

type EndEvent = ExtendableEvent & { readonly registration: Registration };

/**
 * Lets pages hand uploads of these endpoints over to the browser (`sendInBackground()`). Call it once, while the script
 * runs. Throws `unknown-endpoint`, or `invalid-option` for a protocol whose requests cannot be made in advance.
 */
export function backgroundFetch(backhaul: InstalledBackhaul, options: BackgroundFetchOptions): void {
  const { registration } = self;
  const { backgroundFetch: manager } = registration as { backgroundFetch?: NonNullable<FetchDesk['manager']> };
  const desk: FetchDesk = {
    name: sharedName(registration.scope),
    location: self.location.href,
    manager,
    locks: navigator.locks,
    fetch: (input, init) => fetch(input, init),
  };
  const { held: holding, ...tools } = opened(backhaul);
  const carrying = carry(tools, options, desk);
  const held = (work: Promise<unknown>) => holding(work.then(() => tools.scheduler.idle()));
  self.addEventListener('message', (event) => {
    const id = askedFor(event.data);
    if (id !== undefined) event.waitUntil(held(carrying.handOver(id, (handed) => event.ports[0]?.postMessage(handed))));
  });
  for (const type of ends) {
    self.addEventListener(type, (event) => {
      (event as EndEvent).waitUntil(held(carrying.ended(type, (event as EndEvent).registration.id)));
    });
  }
  void carrying.endStray().catch(() => {});
}

export function carry(
  { store, outbox, scheduler, adapterOf, clock }: CommandTools,
  { endpoints, pieceSize = PIECE_BYTES }: BackgroundFetchOptions,
  { name, location, manager, locks, fetch }: FetchDesk,
) {
  /** With what they ask the server by themselves. */
  const adapters = new Map<Adapter, Adapter['probe']>();
  const { stop } = scheduler;
  /** By a look at all: the store finds one by its turn alone, and these have none. */
  const find = async (id: string) => {
    for await (const page of store.pages()) {
      const found = page.find((record) => record.id === id);
      if (found) return found;
    }
    return undefined;
  };
  const waits = () => ({ type: 'waited', reason: 'browser', atMs: clock.now() }) as const;

  /** The browser sends it, or is about to: a page lets go of the lock only when it has it, or has refused it. */
  async function isHandedOver(id: string): Promise<boolean> {
    const { held = [] } = await locks.query();
    return held.some((lock) => lock.name === handOverLock(name, id)) || !!(await manager?.get(fetchIdOf(id)));
  }

  /** Before each request of the loop: one driver (invariant 4). */
  async function giveWay(id: string): Promise<void> {
    if (!(await isHandedOver(id))) return;
    outbox.changed(...(await store.applyAll([id], waits())));
    // Ends the run: what it makes of this does not apply to an upload that waits.
    throw new ProtocolFailure('busy', 'locked', 'Background Fetch sends it.');
  }

  /** To the loop, which asks the server first. */
  async function takeBack(id: string): Promise<void> {
    const event = { type: 'hastened', reasons: ['browser'], fresh: true } as const;
    outbox.changed(...(await store.applyAll([id], event)));
    void scheduler.wake('command');
  }

  /** Also those that nobody waits for any more: paused, or gone, in a moment in which they could not be ended. */
  async function endStray(ended: readonly string[] = []): Promise<void> {
    for (const fetchId of (await manager?.getIds()) ?? []) {
      const id = uploadIdOf(fetchId);
      if (id === undefined) continue;
      const record = await find(id);
      if (ended.includes(id) || !record || !isPending(record.course.state.status)) {
        await (await manager?.get(fetchId))?.abort();
      }
    }
  }

  async function requestsFor(id: string): Promise<Handed> {
    const queued = await find(id);
    if (!queued) throw new UploadError('unknown-upload', `No upload ${id} on this device.`);
    const adapter = adapterOf(queued.endpoint);
    const probe = adapter && adapters.get(adapter);
    if (!probe) throw new UploadError('invalid-option', `backgroundFetch() does not name "${queued.endpoint}".`);
    // Resolves when no other version of this worker drives.
    await scheduler.wake('command');
    // The last byte will leave the device, and nobody is there to note it.
    const marks = [{ type: 'sending', final: true } as const, waits()];
    const [, record] = await Promise.all(marks.map((event) => store.apply(id, event)));
    await stop([id]);
    const [bytes] = await store.bytesOf([id]);
    if (!record || bytes?.size !== record.sizeBytes) {
      throw new UploadError('invalid-transition', `"${queued.name}" is not on its way.`);
    }
    outbox.changed(record);
    const start = await heldBytes(record, adapter, probe);
    return { bytes, pieces: await piecesOf(record, adapter, start) };
  }

  /** Where the server stands, as well as can be known: it passes over what it holds beyond. */
  async function heldBytes(record: UploadRecord, adapter: Adapter, probe: Adapter['probe']): Promise<number> {
    const { held, remote } = record.course;
    const io: Io = {
      request: (url, options) =>
        requestOnce(url, options, {
          fetch,
          credentials: adapter.requests?.credentials ?? 'same-origin',
          signal: new AbortController().signal,
          headers: () => adapter.requests?.headers?.(record),
          limit: (signal) => clock.sleep(QUESTION_LIMIT_MS, signal).then(() => QUESTION_LIMIT_MS),
        }),
      bytes: () => Promise.reject(new ProtocolFailure('fatal', 'bytes-lost', 'A question needs none.')),
      sleep: clock.sleep,
      nowMs: clock.now,
    };
    const context = { unsettled: true, finalSent: false, heldBytes: prefixEnd(held) };
    const reply = await probe(record, remote ?? {}, io, context).catch(() => undefined);
    return prefixEnd(reply?.held ?? held);
  }

  /** Tokens are asked for here, for each: they are of no use to anybody once they have expired. */
  async function piecesOf(record: UploadRecord, adapter: Adapter, from: number): Promise<readonly Piece[]> {
    const { sizeBytes, course } = record;
    const { credentials = 'same-origin', headers: ownHeaders } = adapter.requests ?? {};
    const requestBytes = Math.ceil(Math.max(pieceSize / 2, (sizeBytes - from) / MOST_REQUESTS));
    const ranges: Range[] = [];
    for (let start = from; start < sizeBytes; start += requestBytes) {
      ranges.push([start, Math.min(sizeBytes, start + requestBytes)]);
    }
    if (ranges.length > MOST_PLAIN) ranges.unshift(...new Array<Range>(MOST_PLAIN).fill([from, from]));
    const pieces: Piece[] = [];
    for (const [start, end] of ranges) {
      const request = await adapter.piece?.(record, course.remote ?? {}, [start, end]);
      const url = new URL(request?.url ?? '', location);
      // Its Background Fetch makes no preflight.
      if (!request || url.origin !== new URL(location).origin) {
        throw new UploadError(
          'invalid-option',
          `Chromium sends in the background to the app's own origin, not ${url}.`,
        );
      }
      const headers = { ...(await ownHeaders?.(record)), ...request.headers };
      pieces.push({ url: url.href, method: request.method, headers, credentials, start, end });
    }
    // Held as a whole, it only needs the loop to say so.
    if (pieces.length === 0)
      throw new UploadError('invalid-transition', `Nothing of "${record.name}" is left to send.`);
    return pieces;
  }

  for (const endpoint of endpoints) {
    const adapter = adapterOf(endpoint);
    if (!adapter) throw unknownEndpoint(endpoint);
    if (!adapter.piece) {
      throw new UploadError(
        'invalid-option',
        `backgroundFetch: the requests of "${endpoint}" cannot be made in advance. Use byteOffsetPieces().`,
      );
    }
    if (adapters.has(adapter)) continue;
    adapters.set(adapter, adapter.probe.bind(adapter));
    askFirst(adapter, ['probe', 'send'], ({ id }) => giveWay(id));
  }
  // What a user pauses, cancels or clears is no more sent by the browser either.
  scheduler.stop = async (ids) => {
    await Promise.all([stop(ids), endStray(ids)]);
  };

  return {
    endStray,
    /** Answers a page, and sees to it that the upload has a driver when the page has let go. */
    async handOver(id: string, reply: (handed: Handed) => void): Promise<void> {
      reply(await within<Handed>(requestsFor(id).catch(wireOf), HOOKS_LIMIT_MS, clock, silent));
      await locks.request(handOverLock(name, id), () => {});
      await endStray();
      if (!(await isHandedOver(id))) await takeBack(id);
    },
    /** Whatever it says of itself. */
    async ended(type: Ended, fetchId: string): Promise<void> {
      const id = uploadIdOf(fetchId);
      // One that was handed over again meanwhile is at it.
      if (id === undefined || (await isHandedOver(id))) return;
      if (type !== 'backgroundfetchabort') return takeBack(id);
      // The user has ended it in the browser's own list. Not a cancel, since what would be lost is not said there; nor does
      // the worker go on with what the user has just stopped.
      const state = (await find(id))?.course.state;
      if (state?.status !== 'waiting' || state.reason !== 'browser') return;
      outbox.changed(...(await store.applyAll([id], { type: 'paused' })));
    },
  };
}

/** What is not ours comes from the app's hooks. */
function wireOf(cause: unknown): WireError {
  const error = toWire(cause);
  return cause instanceof UploadError ? error : { ...error, code: 'network' };
}
