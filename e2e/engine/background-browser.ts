// What a browser and a page do for Background Fetch, for tests of the worker's part: registrations, which send only when the
// test says so and end as it says, and the page's lock.

import { fetchIdOf, type Handed, handOverLock, type Piece } from '../../src/contracts/hand-over.js';
import { sharedName } from '../../src/contracts/messages.js';
import type { carry, FetchDesk } from '../../sw/background-fetch.js';

type Carrying = ReturnType<typeof carry>;

interface Registration {
  readonly id: string;
  readonly pieces: readonly Piece[];
  readonly bytes: Blob;
  abort(): Promise<boolean>;
}

export class BackgroundBrowser {
  readonly registrations = new Map<string, Registration>();
  readonly aborted: string[] = [];
  readonly desk: FetchDesk;
  readonly #held = new Map<string, Promise<unknown>>();

  constructor(location: string) {
    this.desk = {
      name: sharedName('/'),
      location,
      fetch: (input, init) => fetch(input, init),
      manager: {
        get: async (id) => this.registrations.get(id),
        getIds: async () => [...this.registrations.keys()],
      },
      locks: {
        request: ((name: string, task: () => unknown) => this.#lock(name, task)) as LockManager['request'],
        query: async () => ({ held: [...this.#held.keys()].map((name) => ({ name })) }),
      },
    };
  }

  /** What `sendInBackground()` does. `meanwhile`: between the worker's answer and the browser's. */
  async handOver(
    carrying: Carrying,
    id: string,
    { accepts = true, meanwhile = async () => {} }: { accepts?: boolean; meanwhile?: () => Promise<unknown> } = {},
  ): Promise<Handed> {
    let looking: Promise<void> | undefined;
    const handed = await this.#lock(handOverLock(this.desk.name, id), async () => {
      const answer = await new Promise<Handed>((reply) => {
        looking = carrying.handOver(id, reply);
      });
      await meanwhile();
      if (accepts && 'pieces' in answer) this.register(fetchIdOf(id), answer.pieces, answer.bytes as Blob);
      return answer;
    });
    await looking;
    return handed;
  }

  register(fetchId: string, pieces: readonly Piece[] = [], bytes = new Blob()): void {
    this.registrations.set(fetchId, {
      id: fetchId,
      pieces,
      bytes,
      abort: async () => {
        this.aborted.push(fetchId);
        return this.registrations.delete(fetchId);
      },
    });
  }

  /** Sends the first `count` pieces; answers with the server's statuses. */
  async send(id: string, count = Infinity): Promise<readonly number[]> {
    const { pieces = [], bytes } = this.registrations.get(fetchIdOf(id)) ?? {};
    const statuses: number[] = [];
    for (const { url, method, headers, start, end } of pieces.slice(0, count)) {
      const body = bytes?.slice(start, end) ?? null;
      statuses.push((await fetch(url, { method, headers, body })).status);
    }
    return statuses;
  }

  /** It is over, says the browser. */
  end(carrying: Carrying, id: string, type: Parameters<Carrying['ended']>[0]): Promise<void> {
    this.registrations.delete(fetchIdOf(id));
    return carrying.ended(type, fetchIdOf(id));
  }

  async #lock<Value>(name: string, task: () => Value | Promise<Value>): Promise<Value> {
    while (this.#held.has(name)) await this.#held.get(name);
    const work = (async () => task())();
    const over = work.then(
      () => this.#held.delete(name),
      () => this.#held.delete(name),
    );
    this.#held.set(name, over);
    return work;
  }
}
