// MessageChannel and BroadcastChannel between agents: each message is a task of whoever hears it.

import type { Agent } from '../world/loop.js';
import { world } from '../world/world.js';
import { clone } from './memory-blob.js';

export class MemoryPort {
  onmessage: ((event: { data: unknown }) => void) | null = null;
  owner: Agent | undefined = world().loop.current;
  peer: MemoryPort | undefined;
  #closed = false;

  postMessage(data: unknown): void {
    const { peer } = this;
    const copy = clone(data);
    // Whose it is then: a port may be handed over on the way.
    world().loop.task(undefined, () => {
      if (peer === undefined) return;
      world().loop.task(peer.owner, () => !peer.#closed && peer.onmessage?.({ data: copy }));
    });
  }

  close(): void {
    this.#closed = true;
  }
}

export class MemoryMessageChannel {
  readonly port1 = new MemoryPort();
  readonly port2 = new MemoryPort();

  constructor() {
    this.port1.peer = this.port2;
    this.port2.peer = this.port1;
  }
}

export class MemoryBroadcastChannel {
  readonly name: string;
  readonly #owner: Agent | undefined;
  readonly #listeners: ((event: { data: unknown }) => void)[] = [];

  constructor(name: string) {
    this.name = name;
    this.#owner = world().loop.current;
    world().channels.add(this);
  }

  addEventListener(_type: 'message', listener: (event: { data: unknown }) => void): void {
    this.#listeners.push(listener);
  }

  postMessage(data: unknown): void {
    for (const each of world().channels) if (each.name === this.name) each.hear(data, this);
  }

  hear(data: unknown, from: object): void {
    if (from === this || this.#owner?.dead || this.#listeners.length === 0) return;
    const copy = clone(data);
    for (const listener of this.#listeners) world().loop.task(this.#owner, () => listener({ data: copy }));
  }

  close(): void {
    world().channels.delete(this);
  }
}
