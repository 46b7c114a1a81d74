// What is in the files of a run: the same for the same seed.

import { Dice } from '../conformance/dice.js';

let noise: Uint8Array | undefined;

/** Large files are windows of the same noise, which is made once. */
export function contentOf(seed: number, index: number, size: number): Uint8Array {
  const dice = new Dice(seed, 'bytes', index);
  if (size < 1_000_000) return dice.bytes(size);
  noise ??= new Dice(1, 'noise').bytes(17_000_000);
  const start = dice.between(0, noise.length - size);
  return noise.subarray(start, start + size);
}
