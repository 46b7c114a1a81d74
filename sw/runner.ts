// The resume loop of ONE upload: ask, plan, send, commit, publish, until the server holds every byte. It alone calls
// adapters. Whatever it learns is committed before the next step, so that any await may be its last (invariant 5).

import { toWire, UploadError, type WireError } from '../src/contracts/errors.js';
import type { Clock } from './clock.js';
import type { CourseEvent } from './core/machine.js';
import type { Pace } from './core/pace.js';
import { heldInFull, nextStep, type Step } from './core/planning.js';
import { totalBytes } from './core/ranges.js';
import type { Failure, Range } from './core/remote.js';
import {
  type Decision,
  decide,
  lostTooOften,
  type Outage,
  RESTART_BUDGET,
  RESYNC_BUDGET,
  type RetryContext,
} from './core/retry.js';
import type { Lanes } from './lanes.js';
import type { Outbox } from './outbox.js';
import {
  type Adapter,
  type Answer,
  type Io,
  ProtocolFailure,
  type Reply,
  type RequestOptions,
} from './protocols/adapter.js';
import { hedge, requestOnce } from './protocols/http.js';
import { isReadable, lastByte } from './readable.js';
import type { UploadRecord } from './store/schema.js';
import type { UploadStore } from './store/upload-store.js';

export interface RunnerTools {
  readonly store: UploadStore;
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly fetch: typeof fetch;
  readonly online: () => boolean;
  /** Most requests at once. */
  readonly concurrency: number;
}

/** What one run is about. */
export interface RunnerContext extends RunnerTools {
  readonly adapter: Adapter;
  readonly pace: Pace;
  /** See {@link Lanes.take}. */
  readonly lane: Lanes['take'];
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

/** How often a time limit is looked at again: what others show of the link meanwhile can shorten it. The shortest limit. */
const LIMIT_LOOK_MS = 8000;

class Ended extends Error {}

export async function runUpload(queued: UploadRecord, context: RunnerContext): Promise<RunOutcome> {
  const run = new Run(queued, context);
  try {
    return await run.toTheEnd();
  } catch (cause) {
    if (cause instanceof Ended) return 'ended';
    throw cause;
  } finally {
    run.leave();
    context.outbox.speed(queued.id, undefined);
  }
}

class Run {
  #record: UploadRecord;
  readonly #context: RunnerContext;
  /** The server's word is known to be current. */
  #synced: boolean;
  /** A request of ours, of this life or the last, may still be draining. */
  #unsettled: boolean;
  #emptySent = false;
  /** Sends in a row that gained nothing. */
  #futile: number;
  /** The last request went silent: other connections may be just as dead. */
  #silent: boolean;
  #leave: (() => void) | undefined;
  /** While a hidden 413 is suspected: bodies no larger than this. */
  #cautionBytes = Infinity;

  constructor(record: UploadRecord, context: RunnerContext) {
    this.#record = record;
    this.#context = context;
    this.#unsettled = record.course.tried;
    const { state } = record.course;
    this.#silent = state.status === 'waiting' && state.error?.code === 'timeout';
    // What has failed before gets one try, not a new budget.
    this.#futile = record.course.attempt > 0 ? RESYNC_BUDGET : 0;
    this.#synced = !record.course.tried && record.sizeBytes <= (context.adapter.blindBytes ?? 0);
  }

  async toTheEnd(): Promise<RunOutcome> {
    if (this.#record.course.state.status === 'cancelled') return this.#free();
    // What is sent at once saves this commit; with a thousand small photos, commits are most of the work.
    const creates = this.#context.adapter.create !== undefined && this.#record.course.remote === null;
    if (!this.#synced || creates) await this.#commit({ type: 'started', creates });
    while (this.#record.course.state.status !== 'completed') {
      const { adapter, pace } = this.#context;
      const step = nextStep(this.#record.course, {
        adapter,
        sizeBytes: this.#record.sizeBytes,
        synced: this.#synced,
        emptySent: this.#emptySent,
        chunkBytes: Math.min(pace.chunkBytes(), this.#cautionBytes),
      });
      try {
        await this.#take(step);
      } catch (cause) {
        if (this.#context.signal.aborted) throw new Ended();
        const failure = cause instanceof ProtocolFailure ? cause : mistake(cause);
        // The store failed: nothing can be said or done here.
        if (failure === undefined) throw cause;
        if (failure.code === 'bytes-lost') await this.#lost();
        const outcome = await this.#recover(failure, step);
        if (outcome !== undefined) return outcome;
      }
      if (this.#record.course.restarts > RESTART_BUDGET) {
        await this.#end('failed', lostTooOften());
      }
    }
    return 'ended';
  }

  /** Before the first request: waits for a lane, and holds it. */
  async #enter(): Promise<void> {
    if (this.#leave) return;
    const { lane, signal, welcome } = this.#context;
    try {
      this.#leave = await lane(signal, false);
      if (welcome()) return;
    } catch {
      // Stopped by the user, or others may go first now.
    }
    await this.#commit({ type: 'yielded' });
    throw new Ended();
  }

  leave(): void {
    this.#leave?.();
    this.#leave = () => {};
  }

  async #take(step: Step): Promise<void> {
    const { adapter } = this.#context;
    const { course } = this.#record;
    const state = course.remote ?? {};
    switch (step.type) {
      case 'create': {
        const creating = { repeated: this.#unsettled, maxBytes: course.limits.maxBytes };
        await this.#ask((io) => adapter.create?.(this.#record, io, creating) ?? {});
        break;
      }
      case 'probe': {
        const probing = { unsettled: this.#unsettled, finalSent: course.finalSent, heldBytes: totalBytes(course.held) };
        await this.#ask((io) => adapter.probe(this.#record, state, io, probing));
        this.#unsettled = false;
        break;
      }
      case 'send':
        return this.#send(step.ranges);
      case 'complete':
        await this.#commit({ type: 'completing' });
        await this.#ask((io) => adapter.complete?.(this.#record, state, io) ?? { done: true });
        break;
      default:
        return step satisfies never;
    }
    this.#synced = step.type !== 'complete';
  }

  /** Parts go side by side as far as there are lanes; each answer is committed as it comes, a failure ends the rest. */
  async #send(ranges: readonly Range[]): Promise<void> {
    const { lane, signal, concurrency } = this.#context;
    const { sizeBytes } = this.#record;
    const sending = this.#commit({ type: 'sending', final: ranges.some(([, end]) => end === sizeBytes) });
    const [bytes] = await Promise.all([this.#bytes(), sending]);
    await this.#enter();
    const left = ranges.values();
    const over = new AbortController();
    const failed: unknown[] = [];
    const sendNext = async () => {
      const range: Range | undefined = failed.length > 0 ? undefined : left.next().value;
      if (range === undefined) return over.abort();
      try {
        const reply = await this.#transfer(range, bytes);
        if (sizeBytes === 0) this.#emptySent = true;
        await this.#replied(reply, range);
      } catch (cause) {
        failed.push(cause);
      }
    };
    const own = async () => {
      while (!over.signal.aborted) await sendNext();
    };
    const beside = async () => {
      const stop = AbortSignal.any([signal, over.signal]);
      // No part is taken before the lane is: uploads that wait for each other's lanes would wait for ever.
      while (!stop.aborted) {
        const leave = await lane(stop, true).catch(() => {});
        await (leave && sendNext().finally(leave));
      }
    };
    await Promise.all([own(), ...ranges.slice(1, concurrency).map(beside)]);
    if (failed.length > 0) throw sternest(failed);
  }

  async #transfer(range: Range, bytes: Blob): Promise<Reply> {
    const { adapter, onAnswer } = this.#context;
    const body = bytes.slice(...range);
    if (body.size !== range[1] - range[0]) await this.#lost();
    const reply = await adapter.send(this.#record, this.#record.course.remote ?? {}, range, body, this.#io());
    onAnswer();
    return reply;
  }

  async #ask(question: (io: Io) => Promise<Reply> | Reply): Promise<void> {
    await this.#enter();
    const reply = await question(this.#io());
    this.#context.onAnswer();
    await this.#replied(reply);
  }

  /** The whole file, or the end of this run. */
  async #bytes(): Promise<Blob> {
    const [bytes] = await this.#context.store.bytesOf([this.#record.id]);
    return bytes?.size === this.#record.sizeBytes ? bytes : this.#lost();
  }

  async #replied(reply: Reply, range?: Range): Promise<void> {
    const { course, sizeBytes } = this.#record;
    const held = reply.held ?? (range === undefined ? course.held : [...course.held, range]);
    // Without a `complete` of its own, a protocol is done when every byte is held; an empty file, when it was sent.
    const full = heldInFull({ ...course, held }, sizeBytes) && (sizeBytes > 0 || this.#emptySent);
    const done = reply.done === true || (full && this.#context.adapter.complete === undefined);
    // The next upload need not wait for this one's last commit.
    if (done) this.leave();
    await this.#commit({ type: 'replied', reply, range, doneAtMs: done ? this.#context.clock.now() : undefined });
    if (totalBytes(this.#record.course.held) > totalBytes(course.held)) {
      this.#futile = 0;
      this.#cautionBytes *= 2;
    }
  }

  /** Undefined: go on at once. */
  async #recover(failure: Failure, step: Step): Promise<RunOutcome | undefined> {
    const { clock, pace } = this.#context;
    this.#synced = false;
    this.#silent = failure.code === 'timeout';
    const sentBytes = step.type === 'send' ? Math.max(...step.ranges.map(([start, end]) => end - start)) : 0;
    const decision = decide(failure, this.#retryContext(sentBytes));
    if (step.type === 'send') {
      this.#unsettled = true;
      this.#futile += 1;
    }
    switch (decision.type) {
      case 'probe':
        break;
      case 'restart':
        await this.#commit({ type: 'restarted' });
        break;
      case 'shrink': {
        const { maxBytes, certain } = decision;
        if (!certain) this.#cautionBytes = maxBytes;
        else {
          pace.shrink(maxBytes);
          await this.#commit({ type: 'shrunk', maxBytes, anew: this.#context.adapter.kind === 'parts' });
        }
        break;
      }
      case 'wait': {
        const { reason, untilMs, error } = decision;
        await this.#commit({ type: 'waited', reason, atMs: clock.now(), untilMs, error });
        return decision;
      }
      case 'fail':
        await this.#end('failed', decision.error, failure.forget);
        break;
      default:
        return decision satisfies never;
    }
    return undefined;
  }

  #retryContext(sentBytes: number): RetryContext {
    const { clock, online, adapter, outage } = this.#context;
    const { attempt, failingSinceMs, restarts, limits } = this.#record.course;
    const nowMs = clock.now();
    return {
      nowMs,
      random: () => clock.random(),
      online: online(),
      own: { attempt, sinceMs: failingSinceMs ?? nowMs },
      shared: outage(),
      restarts,
      resyncs: this.#futile,
      sentBytes,
      minBytes: Math.max(adapter.limits.minBytes ?? 1, limits.minBytes ?? 1),
      // A grid of parts is fixed when it is made.
      rigid: adapter.kind === 'parts' ? (adapter.create ? 'while-made' : 'always') : undefined,
    };
  }

  /** After a cancel. What the server refuses to free is its own to keep. */
  async #free(): Promise<RunOutcome> {
    const { adapter, signal } = this.#context;
    try {
      await this.#enter();
      await adapter.abort?.(this.#record, this.#record.course.remote ?? {}, this.#io());
    } catch (cause) {
      if (signal.aborted) throw new Ended();
      const decision = cause instanceof ProtocolFailure && decide(cause, this.#retryContext(0));
      if (decision && decision.type === 'wait' && this.#record.course.attempt < FREE_ATTEMPTS) {
        await this.#commit({ type: 'postponed' });
        // The record itself does not wait; whoever else comes to this endpoint meanwhile does it no harm.
        return { ...decision, scope: 'endpoint' };
      }
    }
    await this.#commit({ type: 'freed' });
    return 'ended';
  }

  #lost(): Promise<never> {
    const message = `The browser lost "${this.#record.name}". Add it again: it goes on where it stands.`;
    return this.#end('lost', { code: 'bytes-lost', message });
  }

  async #end(type: 'failed' | 'lost', error: WireError, forget = false): Promise<never> {
    await this.#commit({ type, error: { ...error, uploadId: this.#record.id }, forget });
    throw new Ended();
  }

  /** A state that no longer lets the event in means that a user's command came first: then this run is over. */
  async #commit(event: CourseEvent): Promise<void> {
    const record = await this.#context.store.apply(this.#record.id, event);
    if (record === undefined) throw new Ended();
    this.#record = record;
    this.#context.outbox.changed(record);
    if (record.course.state.status === 'paused') throw new Ended();
  }

  #io(): Io {
    const { clock, signal } = this.#context;
    return {
      request: (url, options) => this.#request(url, options),
      bytes: () => this.#bytes(),
      sleep: (delayMs, stop = signal) => clock.sleep(delayMs, AbortSignal.any([signal, stop])),
      nowMs: () => clock.now(),
    };
  }

  /** One request, with the time that its body, or its patience, asks for. */
  async #request(url: string, options: RequestOptions): Promise<Answer> {
    const { clock, fetch, signal, adapter, pace, outbox } = this.#context;
    const { attempt } = this.#record.course;
    const { patienceMs = 0 } = options;
    const sizeBytes = options.body?.size ?? 0;
    const transfer = sizeBytes > 0 ? pace.begin(clock.now(), sizeBytes) : undefined;
    const startedAtMs = clock.now();
    const limitMs = () => patienceMs + (transfer ? pace.limitMs(transfer, attempt) : pace.probeLimitMs(attempt));
    const limit = async (stop: AbortSignal) => {
      for (;;) {
        const leftMs = startedAtMs + limitMs() - clock.now();
        if (leftMs <= 0) return clock.now() - startedAtMs;
        await clock.sleep(Math.min(leftMs, LIMIT_LOOK_MS), stop);
      }
    };
    const once = (stop: AbortSignal) =>
      requestOnce(url, options, {
        fetch,
        signal: AbortSignal.any([signal, stop]),
        limit,
        credentials: adapter.requests?.credentials ?? 'same-origin',
        headers: () => adapter.requests?.headers?.(this.#record) ?? {},
      });
    const hedged = this.#silent && ['GET', 'HEAD'].includes(options.method);
    let acknowledgedBytes = 0;
    try {
      const answer = await (hedged ? hedge(once, pace.hedgeMs(), this.#io().sleep) : once(signal));
      if (answer.ok && patienceMs === 0) acknowledgedBytes = sizeBytes;
      if (sizeBytes === 0 && patienceMs === 0) pace.probed(clock.now() - startedAtMs);
      return answer;
    } catch (cause) {
      const code = cause instanceof ProtocolFailure && cause.code;
      if (transfer && code === 'timeout') pace.stalled(sizeBytes, clock.now() - startedAtMs);
      // A body that cannot be read looks like a dead network to fetch.
      if (transfer && code === 'network' && !(await isReadable(lastByte(await this.#bytes()), clock)))
        await this.#lost();
      throw cause;
    } finally {
      if (transfer) outbox.speed(this.#record.id, pace.end(transfer, acknowledgedBytes, clock.now()));
    }
  }
}

/** Of what became of several parts: whatever ends the run, then what is definite, then the longest Retry-After. */
function sternest(causes: readonly unknown[]): unknown {
  const rank = (cause: unknown) => {
    if (!(cause instanceof ProtocolFailure)) return Infinity;
    return ['fatal', 'auth'].includes(cause.verdict) ? Number.MAX_VALUE : (cause.retryAfterMs ?? -1);
  };
  return causes.reduce((most, cause) => (rank(cause) > rank(most) ? cause : most));
}

/** A hook of the app (`fileId`), or an adapter, has thrown: to try again would be the same again. */
function mistake(cause: unknown): ProtocolFailure | undefined {
  if (cause instanceof UploadError || cause instanceof Ended) return undefined;
  return new ProtocolFailure(
    'fatal',
    'invalid-option',
    `The protocol threw ${toWire(cause).message}. Correct it, then retry.`,
  );
}
