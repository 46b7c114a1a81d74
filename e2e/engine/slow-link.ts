// A link in virtual time: bodies that are under way share its speed evenly, and an answer comes when the last byte of its
// body is through. Nothing is known of a body before that: fetch tells no progress.

import type { VirtualTime } from './virtual-time.js';

const STEP_MS = 200;

export interface Body {
  readonly url: string;
  readonly bytes: number;
  readonly startedAtMs: number;
  leftBytes: number;
  /** Its connection is dead, and says so to nobody. */
  dead: boolean;
}

export class SlowLink {
  /** Every body, in order of its beginning. */
  readonly bodies: Body[] = [];
  readonly #time: VirtualTime;
  readonly #bytesPerSecond: number;
  readonly #open = new Set<Body>();

  constructor(time: VirtualTime, bytesPerSecond: number) {
    this.#time = time;
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** What is under way is never heard of again; new connections work. */
  blackHole(): void {
    for (const body of this.#open) body.dead = true;
  }

  readonly fetch: typeof globalThis.fetch = async (url, { body, signal } = {}) => {
    const bytes = body instanceof Blob ? body.size : 0;
    const own: Body = {
      url: String(url),
      bytes,
      leftBytes: bytes,
      startedAtMs: this.#time.now(),
      dead: false,
    };
    this.bodies.push(own);
    this.#open.add(own);
    try {
      do {
        await this.#time.sleep(STEP_MS, signal ?? undefined);
        const alive = [...this.#open].filter(({ dead }) => !dead).length;
        if (!own.dead) own.leftBytes -= (this.#bytesPerSecond * STEP_MS) / 1000 / alive;
      } while (own.leftBytes > 0 || own.dead);
      return new Response();
    } finally {
      this.#open.delete(own);
    }
  };
}
