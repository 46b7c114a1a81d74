// The resume loop of ONE upload: ask, plan, send, commit, publish, until the server holds every byte. It alone calls
// adapters. Whatever it learns is committed before the next step, so that any await may be its last (invariant 5).

import { toWire, UploadError, type WireError } from '../src/contracts/errors.js';
import type { Clock } from './clock.js';
import type { CourseEvent } from './core/machine.js';
import type { Pace } from './core/pace.js';
import { nextStep, type Step } from './core/planning.js';
import { totalBytes } from './core/ranges.js';
import type { Range } from './core/remote.js';
import { type Decision, decide, lostTooOften, type Outage, RESTART_BUDGET, RESYNC_BUDGET } from './core/retry.js';
import type { TakeLane } from './lanes.js';
import type { Outbox } from './outbox.js';
import { type Adapter, type AdapterState, type Io, ProtocolFailure, type Reply } from './protocols/adapter.js';
import { bytesLost, isReadable, lastByte } from './readable.js';
import { request } from './request.js';
import type { UploadRecord } from './store/schema.js';
import type { UploadStore } from './store/upload-store.js';

export interface RunnerTools {
  readonly store: UploadStore;
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly fetch: typeof fetch;
  readonly isOnline: () => boolean;
  /** Most requests at once. */
  readonly concurrency: number;
}

/** What one run is about. */
export interface RunnerContext extends RunnerTools {
  readonly adapter: Adapter;
  readonly pace: Pace;
  readonly lane: TakeLane;
  /** Aborted when the user pauses or cancels; the state is then already committed. */
  readonly signal: AbortSignal;
  /** The endpoint's failures so far. */
  readonly outage: () => Outage;
  /** False: since this run was started, the endpoint was found to be out of reach, or to want a sign-in. */
  readonly welcome: () => boolean;
  /** The endpoint answered something that made sense. */
  readonly onAnswer: () => void;
}

/** Why a run ended: settled for good, taken over by a user's command, or waiting. */
export type RunOutcome = 'ended' | Extract<Decision, { type: 'wait' }>;

/** How often a server is asked to free what was cancelled. With the back-off that is about an hour. A guess. */
const FREE_ATTEMPTS = 12;

class Ended extends Error {}

export async function runUpload(queued: UploadRecord, context: RunnerContext): Promise<RunOutcome> {
  const { store, outbox, clock, adapter, pace, signal, lane, onAnswer } = context;
  const { id, sizeBytes } = queued;
  let record = queued;
  const { tried, attempt } = record.course;
  /** The server's word is known to be current. */
  let synced = !tried && sizeBytes <= (adapter.blindBytes ?? 0);
  /** A request of ours, of this life or the last, may still be draining. */
  let unsettled = tried;
  let emptySent = false;
  /** Sends in a row that gained nothing. What has failed before gets one try, not a new budget. */
  let futile = attempt > 0 ? RESYNC_BUDGET : 0;
  /** While a hidden 413 is suspected, and no body has passed yet: none larger than this. */
  let cautionBytes = Infinity;
  /** What was made in parts that are too large. */
  let replaced: AdapterState | null = null;
  /** Gives the lane back; undefined before the first request. */
  let leave: (() => void) | undefined;

  /** Ends the run where nothing is left to do, or where a user's command came first and lets the event in no more. */
  async function commit(event: CourseEvent): Promise<void> {
    const next = await store.apply(id, event);
    if (!next) throw new Ended();
    record = next;
    outbox.changed(record);
    if (!record.turn) throw new Ended();
  }

  async function end(type: 'failed' | 'lost', error: WireError, forget = false): Promise<never> {
    await commit({ type, error: { ...error, uploadId: id }, forget });
    throw new Ended();
  }

  function lost(): Promise<never> {
    return end('lost', bytesLost(record));
  }

  /** The whole file, or the end of this run. */
  async function allBytes(): Promise<Blob> {
    const [bytes] = await store.bytesOf([id]);
    return bytes?.size === sizeBytes ? bytes : lost();
  }

  const io: Io = {
    request: (url, options) =>
      request(url, options, {
        ...context,
        record,
        unsettled,
        checkBytes: async () => {
          if (!(await isReadable(lastByte(await allBytes()), clock))) await lost();
        },
      }),
    bytes: allBytes,
    sleep: (delayMs, stop = signal) => clock.sleep(delayMs, AbortSignal.any([signal, stop])),
    nowMs: () => clock.now(),
  };

  /** Before the first request: waits for a lane, and holds it. */
  async function enter(): Promise<void> {
    if (leave) return;
    try {
      leave = await lane(signal, false);
      if (context.welcome()) return;
    } catch {
      // Stopped by the user, or others may go first now.
    }
    await commit({ type: 'yielded', before: queued.course });
    throw new Ended();
  }

  function exit(): void {
    leave?.();
    leave = () => {};
  }

  async function ask(question: (remote: AdapterState) => Promise<Reply> | Reply): Promise<void> {
    await enter();
    const reply = await question(record.course.remote ?? {});
    await replied(reply);
  }

  async function replied(reply: Reply, range?: Range): Promise<void> {
    onAnswer();
    const { course } = record;
    const held = reply.held ?? (range ? [...course.held, range] : course.held);
    // Without a `complete` of its own, a protocol is done when every byte is held; an empty file, when it was sent.
    const full = totalBytes(held) >= sizeBytes && (sizeBytes > 0 || emptySent);
    const done = reply.done === true || (full && !adapter.complete);
    // The next upload need not wait for this one's last commit.
    if (done) exit();
    await commit({ type: 'replied', reply, range, doneAtMs: done ? clock.now() : undefined });
    if (totalBytes(record.course.held) > totalBytes(course.held)) {
      futile = 0;
      // Where larger bodies gained nothing, this one did: so it may be for all. What a question finds was a larger one's.
      if (range) pace.limitTo(cautionBytes, false);
      cautionBytes = Infinity;
    }
  }

  /** Each answer is committed as it comes. */
  async function sendAll(ranges: readonly Range[]): Promise<void> {
    const announced = commit({ type: 'sending', final: ranges.some(([, end]) => end === sizeBytes) });
    const [bytes] = await Promise.all([allBytes(), announced]);
    await enter();
    const send = async (range: Range) => {
      const body = bytes.slice(...range);
      if (body.size !== range[1] - range[0]) await lost();
      const reply = await adapter.send(record, record.course.remote ?? {}, range, body, io);
      emptySent = sizeBytes === 0;
      await replied(reply, range);
    };
    const [first = [0, 0]] = ranges;
    await (adapter.parts?.sendAll(ranges, { ...context, send, roomBytes: pace.nextBytes() }) ?? send(first));
  }

  async function take(step: Step): Promise<void> {
    const { course } = record;
    switch (step.type) {
      case 'create': {
        const creating = { repeated: unsettled, maxBytes: course.limits.maxBytes, replaced };
        await ask(() => adapter.create?.(record, io, creating) ?? {});
        break;
      }
      case 'probe': {
        const probing = { unsettled, finalSent: course.finalSent, heldBytes: totalBytes(course.held) };
        await ask((remote) => adapter.probe(record, remote, io, probing));
        unsettled = false;
        break;
      }
      case 'send':
        return sendAll(step.ranges);
      case 'complete':
        await commit({ type: 'completing' });
        await ask((remote) => adapter.complete?.(record, remote, io) ?? { done: true });
        break;
      case 'abort':
        await enter();
        await adapter.abort?.(record, course.remote ?? {}, io);
        await commit({ type: 'freed' });
        break;
      default:
        step satisfies never;
    }
    synced = step.type !== 'complete';
  }

  /** Undefined: go on at once. */
  async function recover(failure: ProtocolFailure, step: Step): Promise<RunOutcome | undefined> {
    const { limits, failingSinceMs, attempt } = record.course;
    const error = toWire(failure);
    const nowMs = clock.now();
    const sentBytes = step.type === 'send' ? Math.max(...step.ranges.map(([start, end]) => end - start)) : 0;
    const decision = decide(failure, {
      nowMs,
      random: () => clock.random(),
      online: context.isOnline(),
      own: { attempt, sinceMs: failingSinceMs ?? nowMs },
      shared: context.outage(),
      resyncs: futile,
      sentBytes,
      minBytes: Math.max(adapter.limits.minBytes ?? 1, limits.minBytes ?? 1),
      ...adapter.parts?.smallest(adapter, record.course, sentBytes),
    });
    synced = false;
    if (step.type === 'send') {
      unsettled = true;
      futile += 1;
    }
    // What the server refuses to free is its own to keep.
    if (step.type === 'abort' && (decision.type !== 'wait' || attempt >= FREE_ATTEMPTS)) {
      await commit({ type: 'freed' });
    }
    switch (decision.type) {
      case 'probe':
        break;
      case 'restart':
        await commit({ type: 'restarted' });
        break;
      case 'shrink': {
        const { maxBytes, certain } = decision;
        if (!certain && !adapter.parts) cautionBytes = maxBytes;
        else {
          pace.limitTo(maxBytes, true);
          replaced = record.course.remote;
          await commit({ type: 'shrunk', maxBytes, anew: adapter.parts !== undefined });
        }
        break;
      }
      case 'wait': {
        const { reason, untilMs } = decision;
        await commit({ type: 'waited', reason, atMs: nowMs, untilMs, error });
        // A cancelled record does not wait by itself; whoever else comes to its endpoint meanwhile does it no harm.
        return step.type === 'abort' ? { ...decision, scope: 'endpoint' } : decision;
      }
      case 'fail':
        await end('failed', error, failure.forget);
        break;
      default:
        decision satisfies never;
    }
    return undefined;
  }

  async function toTheEnd(): Promise<RunOutcome> {
    for (let started = false; ; started = true) {
      const nextBytes = pace.nextBytes();
      const ceilingBytes = Math.min(pace.ceilingBytes, cautionBytes);
      const step = nextStep(record.course, { adapter, sizeBytes, synced, emptySent, nextBytes, ceilingBytes });
      const creates = step.type === 'create';
      try {
        // What is sent at once saves this commit; with a thousand small photos, commits are most of the work.
        if (!started && (creates || step.type === 'probe')) await commit({ type: 'started', creates });
        await take(step);
      } catch (cause) {
        if (signal.aborted) throw new Ended();
        const failure = cause instanceof ProtocolFailure ? cause : mistake(cause);
        // The store failed: nothing can be said or done here.
        if (!failure) throw cause;
        if (failure.code === 'bytes-lost') await lost();
        const outcome = await recover(failure, step);
        if (outcome) return outcome;
      }
      if (record.course.restarts > RESTART_BUDGET) await end('failed', lostTooOften);
    }
  }

  try {
    return await toTheEnd();
  } catch (cause) {
    if (cause instanceof Ended) return 'ended';
    throw cause;
  } finally {
    exit();
    outbox.speed(id, undefined);
  }
}

/** A hook of the app (`fileId`), or an adapter, has thrown: to try again would be the same again. */
function mistake(cause: unknown): ProtocolFailure | undefined {
  if (cause instanceof UploadError || cause instanceof Ended) return undefined;
  return new ProtocolFailure('fatal', 'invalid-option', `The protocol threw ${toWire(cause).message}`);
}
