// Whether it is quiet now by the device's own clock, and until when. Summer time and travel are the clock's business: each
// look computes anew.

import type { QuietHours } from '../../src/contracts/policy.js';

/** Epoch of the end of the span in which `nowMs` lies, always later than that; undefined outside of it. */
export function quietUntilMs({ from, to }: QuietHours, nowMs: number): number | undefined {
  const next = (time: string) => {
    const [hours = 0, minutes] = time.split(':').map(Number);
    const date = new Date(nowMs);
    // The same time again tomorrow, which may be less or more than 24 hours away.
    if (date.setHours(hours, minutes, 0, 0) <= nowMs) date.setDate(date.getDate() + 1);
    return date.getTime();
  };
  const untilMs = next(to);
  // What ends before it begins again has begun.
  return untilMs < next(from) ? untilMs : undefined;
}
