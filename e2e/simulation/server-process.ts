// The server's process on the world's disk: it starts, is killed, loses power, and comes back without what it had begun.

import { type Protocol, type Served, serve } from './servers/protocols.js';
import type { MemoryRequest, MemoryResponse } from './world/exchange.js';
import { Agent } from './world/loop.js';
import type { World } from './world/world.js';

export class ServerProcess {
  readonly #world: World;
  readonly #protocol: Protocol;
  #running: { readonly agent: Agent; readonly served: Served } | undefined;
  #count = 0;

  constructor(world: World, protocol: Protocol) {
    this.#world = world;
    this.#protocol = protocol;
  }

  get agent(): Agent | undefined {
    return this.#running?.agent;
  }

  serve(request: MemoryRequest, response: MemoryResponse): void {
    if (this.#running) serve(this.#running.served, request, response);
  }

  start(): void {
    if (this.#running !== undefined) return;
    this.#count += 1;
    const agent = new Agent(`server ${this.#count}`, 'server');
    this.#world.loop.task(agent, () => {
      this.#running = { agent, served: this.#protocol.start() };
    });
  }

  /** Kills it. A disk keeps of a power cut only what was synced. True: it may have lost what it had acknowledged. */
  stop(powerCut: boolean): boolean {
    this.#running?.agent.end();
    this.#running = undefined;
    this.#world.network.reset();
    const loses = powerCut && this.#protocol.syncs;
    if (loses) this.#world.disk.powerCut();
    return loses;
  }

  /** Comes back without what was unfinished there. */
  forget(names: readonly string[]): void {
    const { disk } = this.#world;
    this.stop(false);
    const finished = new Set(names.flatMap((name) => this.#protocol.finished(disk, name)));
    const isFinished = (path: string) => {
      const data = disk.files.get(path.replace(/\.[a-z]+$/, '.data'));
      return [...finished].some((bytes) => data && Buffer.compare(data.bytes, bytes) === 0);
    };
    for (const path of [...disk.files.keys()]) if (!isFinished(path)) disk.files.delete(path);
    this.start();
  }
}
