// One request of an upload: its time limit by what its link has shown, a second connection where the first one may be
// dead, and what its end says about the link. Knows nothing of steps and states.

import { type Answer, ProtocolFailure, type RequestOptions } from './protocols/adapter.js';
import { hedge, requestOnce } from './protocols/http.js';
import type { RunnerContext } from './runner.js';
import type { UploadRecord } from './store/schema.js';

/** How often a time limit is looked at again: what others show of the link meanwhile can shorten it. The shortest limit. */
const LIMIT_LOOK_MS = 8000;
/** A look so far from its time: the device slept, or its clock was set. A guess; a busy phone is late by seconds. */
const LEAP_MS = 20_000;

export interface RequestContext extends RunnerContext {
  readonly record: UploadRecord;
  /** What was sent before was not answered, whatever became of it: the browser's other connections may be just as dead. */
  readonly unsettled: boolean;
  /** A body that cannot be read looks like a dead network to fetch: throws if it is so. */
  readonly checkBytes: () => Promise<void>;
}

/** Sends it, with the time that its body, or its patience, asks for. */
export async function request(url: string, options: RequestOptions, context: RequestContext): Promise<Answer> {
  const { clock, fetch, signal, adapter, pace, outbox, record } = context;
  const { attempt } = record.course;
  const { patienceMs = 0 } = options;
  const sizeBytes = options.body?.size ?? 0;
  let startedAtMs = clock.now();
  let lookAtMs = startedAtMs;
  const transfer = sizeBytes > 0 ? pace.begin(sizeBytes) : undefined;
  /** Without leaps, in which nothing could have been sent. */
  const elapsedMs = () => {
    const leapMs = clock.now() - lookAtMs;
    if (Math.abs(leapMs) > LEAP_MS) {
      startedAtMs += leapMs;
      lookAtMs += leapMs;
    }
    return clock.now() - startedAtMs;
  };
  const limit = async (stop: AbortSignal) => {
    for (;;) {
      const limitMs = transfer ? pace.limitMs(transfer, attempt) : pace.probeLimitMs(attempt);
      // Whole milliseconds: no timer waits for less.
      const leftMs = Math.ceil(Math.min(patienceMs + limitMs - elapsedMs(), LIMIT_LOOK_MS));
      if (leftMs <= 0) return elapsedMs();
      lookAtMs = clock.now() + leftMs;
      await clock.sleep(leftMs, stop);
    }
  };
  const once = (stop: AbortSignal) =>
    requestOnce(url, options, {
      fetch,
      signal: AbortSignal.any([signal, stop]),
      limit,
      credentials: adapter.requests?.credentials ?? 'same-origin',
      headers: () => adapter.requests?.headers?.(record),
    });
  const hedged = (context.unsettled || attempt > 0) && ['GET', 'HEAD'].includes(options.method);
  let acknowledgedBytes = 0;
  try {
    const answer = await (hedged
      ? hedge(once, pace.hedgeMs(), (delayMs, stop) => clock.sleep(delayMs, stop))
      : once(signal));
    if (patienceMs === 0) {
      if (answer.ok) acknowledgedBytes = sizeBytes;
      if (!transfer) pace.probed(elapsedMs());
    }
    return answer;
  } catch (cause) {
    const code = transfer && cause instanceof ProtocolFailure && cause.code;
    if (code === 'timeout') pace.stalled(sizeBytes, elapsedMs());
    if (code === 'network') await context.checkBytes();
    throw cause;
  } finally {
    if (transfer) outbox.speed(record.id, pace.end(transfer, acknowledgedBytes, elapsedMs()));
  }
}
