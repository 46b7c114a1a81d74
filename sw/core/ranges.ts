// Arithmetic on the bytes that a server holds: sorted, disjoint, half-open ranges.

import type { Range } from './remote.js';

/** Sorts, drops the empty, joins what touches. */
export function normalize(ranges: readonly Range[]): readonly Range[] {
  const sorted = ranges.filter(([start, end]) => end > start).sort((a, b) => a[0] - b[0]);
  const joined: Range[] = [];
  for (const range of sorted) {
    const last = joined.at(-1);
    if (last && range[0] <= last[1]) joined[joined.length - 1] = [last[0], Math.max(last[1], range[1])];
    else joined.push(range);
  }
  return joined;
}

export function totalBytes(ranges: readonly Range[]): number {
  return ranges.reduce((sum, [start, end]) => sum + (end - start), 0);
}

/** End of the unbroken prefix: the offset, in the words of offset protocols. */
export function prefixEnd(held: readonly Range[]): number {
  return held.find(([start]) => start === 0)?.[1] ?? 0;
}

/** True if all of `range` is held; an empty range is held by anything. */
export function covers(held: readonly Range[], [start, end]: Range): boolean {
  return end <= start || held.some((range) => range[0] <= start && end <= range[1]);
}
