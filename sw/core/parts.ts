// A file as a grid of parts, of which a server may hold any. Only protocols of parts carry this along.

import { covers } from './ranges.js';
import type { Limits, Range } from './remote.js';

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
