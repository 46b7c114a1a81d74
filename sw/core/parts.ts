// A file as a grid of parts, of which a server may hold any. Only protocols of parts carry this along.

import type { Course } from './machine.js';
import { covers, totalBytes } from './ranges.js';
import type { Limits, Range } from './remote.js';

/** What nginx allows by default, less what may be around it. */
const USUAL_BYTES = 1_000_000;

/** The smallest parts for which a grid is made anew: after a refusal, and where bodies were only cut off. */
export function smallestParts(
  adapter: { readonly limits: Limits; readonly create?: unknown },
  { held, limits }: Pick<Course, 'held' | 'limits'>,
  sentBytes: number,
): { readonly minBytes: number; readonly suspectBytes: number } {
  // Made anew before, and yet as coarse as it was: the server keeps to it.
  const fixed = !adapter.create || sentBytes > (limits.maxBytes ?? Infinity);
  return {
    minBytes: fixed ? Infinity : (adapter.limits.minBytes ?? 1),
    // It may have been the network: that must not leave a file in crumbs, nor cost a whole part that was taken. A last
    // one that is smaller proves nothing of the others.
    suspectBytes: totalBytes(held) < sentBytes ? USUAL_BYTES : Infinity,
  };
}

/** The parts that a server lacks, each whole; without `partBytes` the file is one part. */
export function missingParts(held: readonly Range[], sizeBytes: number, limits: Limits): readonly Range[] {
  const partBytes = limits.partBytes ?? sizeBytes;
  const parts = sizeBytes / partBytes;
  const count = limits.lastPart === 'larger' ? Math.max(1, Math.floor(parts)) : Math.ceil(parts);
  const ranges = Array.from({ length: count }, (_, index): Range => {
    const start = index * partBytes;
    return [start, index === count - 1 ? sizeBytes : start + partBytes];
  });
  return ranges.filter((range) => !covers(held, range));
}
