// For protocols whose server holds parts in any order: which are missing, and sending them side by side. The loop is
// handed it by their adapters, so that an app whose protocols count an offset does not load it.

import { missingParts, smallestParts } from '../core/parts.js';
import type { Range } from '../core/remote.js';
import { type Parts, ProtocolFailure, type Sending } from './adapter.js';

/** For {@link Adapter.parts}. */
export const inParts: Parts = { missing: missingParts, smallest: smallestParts, sendAll };

/**
 * Parts go side by side as far as there are lanes, and room on the link; a failure ends the rest. Parts cannot be cut to
 * what a link is good for, so their number is: where nothing is known of it, or one is enough for it, one goes alone, and
 * then the rest is planned anew. Three that a slow link carries one by one would be late together, for ever.
 */
async function sendAll(
  ranges: readonly Range[],
  { send, lane, concurrency, roomBytes, signal }: Sending,
): Promise<void> {
  const [[start, end] = [0, 0]] = ranges;
  const most = Math.min(concurrency, Math.ceil(roomBytes / (end - start)));
  const left = (most > 1 ? ranges : ranges.slice(0, 1)).values();
  const over = new AbortController();
  const failed: unknown[] = [];
  const sendNext = async () => {
    const range: Range | undefined = failed.length > 0 ? undefined : left.next().value;
    if (range === undefined) return over.abort();
    await send(range).catch((cause: unknown) => void failed.push(cause));
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
  await Promise.all([own(), ...ranges.slice(1, most).map(beside)]);
  if (failed.length > 0) throw sternest(failed);
}

/** Of what became of several parts: whatever ends the run, then what is definite, then the longest Retry-After. */
function sternest(causes: readonly unknown[]): unknown {
  const rank = (cause: unknown) => {
    if (!(cause instanceof ProtocolFailure)) return Infinity;
    return ['fatal', 'auth'].includes(cause.verdict) ? Number.MAX_VALUE : (cause.retryAfterMs ?? -1);
  };
  return causes.reduce((most, cause) => (rank(cause) > rank(most) ? cause : most));
}
