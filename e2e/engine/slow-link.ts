// A link in virtual time: bodies that are under way share its speed evenly, and an answer comes when the last byte of its
// body is through. Nothing is known of a body before that: fetch tells no progress.

import { createEngine, type Engine } from '../../sw/engine.js';
import type { Adapter } from '../../sw/protocols/adapter.js';
import type { VirtualTime } from './virtual-time.js';
import { itemOf } from './worker.js';

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

let databases = 0;

/** One file of so many bytes, on its way over `link`. */
export async function sendOver(
  link: SlowLink,
  time: VirtualTime,
  adapter: Adapter,
  sizeBytes: number,
): Promise<Engine> {
  databases += 1;
  const engine = createEngine(
    { endpoints: { photos: adapter } },
    {
      databaseName: `slow-link-${process.pid}-${databases}`,
      clock: time,
      fetch: link.fetch,
      holdLock: (task) => task(),
      isOnline: () => true,
      newId: () => crypto.randomUUID(),
      post: () => {},
    },
  );
  const { file, ...info } = itemOf('a.bin', new Uint8Array(sizeBytes));
  const upload = { ...info, id: 'a' as never, addedAtMs: time.now(), bytes: file };
  await engine.store.add([{ ...upload, endpoint: 'photos', metadata: {}, priority: 'normal' }]);
  await engine.scheduler.wake('command');
  return engine;
}
