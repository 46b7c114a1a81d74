// Chance that can be had again: the same seed and the same labels give the same numbers, in whatever order they are
// asked for elsewhere.

export class Dice {
  #state: number;

  /** `labels`: what the dice are for, so that one seed serves many of them. */
  constructor(seed: number, ...labels: readonly (string | number)[]) {
    // FNV-1a, 32 bits.
    let hash = 0x811c9dc5;
    for (const character of `${seed}/${labels.join('/')}`) {
      hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193);
    }
    this.#state = hash >>> 0;
  }

  /** [0, 1). Mulberry32. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }

  /** A whole number of [from, to]. */
  between(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from + 1));
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<Value>(values: readonly Value[]): Value {
    const value = values[this.between(0, values.length - 1)];
    if (value === undefined) throw new RangeError('Nothing to pick from.');
    return value;
  }

  bytes(count: number): Uint8Array<ArrayBuffer> {
    const words = new Uint32Array(Math.ceil(count / 4));
    // Never 0, where xorshift would stay.
    let word = this.#state | 1;
    for (let at = 0; at < words.length; at += 1) {
      word ^= word << 13;
      word ^= word >>> 17;
      word ^= word << 5;
      words[at] = word;
    }
    this.next();
    return new Uint8Array(words.buffer, 0, count).slice();
  }
}
