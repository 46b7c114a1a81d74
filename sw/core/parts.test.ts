import { describe, expect, test } from 'vitest';
import { smallestParts } from './parts.js';

const adapter = { limits: {}, create: () => {} };
const begun = { held: [], limits: {} };

describe('a grid is made anew for smaller parts', () => {
  test('after a refusal, of any size that the adapter allows', () => {
    expect(smallestParts(adapter, begun, 5_000_000).minBytes).toBe(1);
    expect(smallestParts({ ...adapter, limits: { minBytes: 7 } }, begun, 5_000_000).minBytes).toBe(7);
  });

  test('after a refusal of smaller ones, too', () => {
    expect(smallestParts(adapter, { held: [], limits: { maxBytes: 1000 } }, 1000).minBytes).toBe(1);
  });

  test('not if it stayed as coarse as before, nor if nothing is made at all', () => {
    expect(smallestParts(adapter, { held: [], limits: { maxBytes: 1000 } }, 1001).minBytes).toBe(Infinity);
    expect(smallestParts({ limits: {} }, begun, 5_000_000).minBytes).toBe(Infinity);
  });

  test('where bodies were only cut off, down to a megabyte, and not once a whole part is held', () => {
    expect(smallestParts(adapter, begun, 5_000_000).suspectBytes).toBe(1_000_000);
    const holding = (start: number, end: number) => ({ held: [[start, end] as const], limits: {} });
    expect(smallestParts(adapter, holding(0, 5_000_000), 5_000_000).suspectBytes).toBe(Infinity);
    expect(smallestParts(adapter, holding(10_000_000, 14_999_999), 5_000_000).suspectBytes).toBe(1_000_000);
  });
});
