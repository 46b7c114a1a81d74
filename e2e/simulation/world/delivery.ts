// The way of one request over the link, into the server's process, and of its answer back: packets, latency, the end of a
// connection. Knows nothing of whoever asked.

import type { MemoryBlob } from '../platform/memory-blob.js';
import { MemoryRequest, MemoryResponse, type ServerAnswer } from './exchange.js';
import type { Link } from './link.js';
import type { Agent } from './loop.js';
import type { World } from './world.js';

export interface ServerSide {
  /** The process that is up, if one is. */
  readonly agent: Agent | undefined;
  serve(request: MemoryRequest, response: MemoryResponse): void;
}

/** What the client has put on the line. */
export interface Sent {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: MemoryBlob | null;
  /** So many of its bytes leave the device; undefined: all. */
  readonly cutAt?: number | undefined;
  /** What left arrives so much later. */
  readonly lateMs: number;
}

const PACKET_BYTES = 16_384;

export class Delivery {
  readonly #world: World;
  readonly #link: Link;
  readonly #server: ServerSide;
  /** Ends with the server's process. */
  readonly #connections = new Set<() => void>();

  constructor(world: World, link: Link, server: ServerSide) {
    this.#world = world;
    this.#link = link;
    this.#server = server;
  }

  /** The server's process has ended: so do its connections. */
  reset(): void {
    for (const end of this.#connections) end();
    this.#connections.clear();
  }

  latencyMs(): number {
    const { latencyMs, jitterMs } = this.#link;
    return latencyMs + this.#world.chance.next() * jitterMs;
  }

  transferMs(bytes: number): number {
    return bytes / this.#link.bytesPerMs;
  }

  /** Returns what ends the connection from the client's side. */
  send(sent: Sent, onAnswer: (given: ServerAnswer | undefined) => void): () => void {
    const { loop } = this.#world;
    const { method, body, lateMs } = sent;
    const { pathname, search } = new URL(sent.url);
    const sizeBytes = body?.size ?? 0;
    const lengths: Record<string, string> =
      body || ['POST', 'PUT'].includes(method) ? { 'content-length': String(sizeBytes) } : {};
    const types: Record<string, string> = body?.type ? { 'content-type': body.type } : {};
    const request = new MemoryRequest(method, pathname + search, { ...types, ...sent.headers, ...lengths });
    const { cutAt: bytesToSend = sizeBytes } = sent;
    let isUp = true;
    const end = () => {
      this.#connections.delete(crash);
      isUp = false;
    };
    const crash = () => {
      if (!isUp) return;
      end();
      loop.timer(this.latencyMs(), undefined, () => onAnswer(undefined));
    };
    let agent: Agent | undefined;
    const response = new MemoryResponse((given) => {
      if (!isUp) return;
      end();
      loop.timer(this.latencyMs(), undefined, () => onAnswer(given));
    });
    const toServer = (delayMs: number, then: () => void) =>
      loop.timer(delayMs, undefined, () => agent && loop.task(agent, then));
    const arriveMs = this.latencyMs() + lateMs;
    loop.timer(arriveMs, undefined, () => {
      agent = this.#server.agent;
      if (agent === undefined) return crash();
      if (!isUp) return;
      this.#connections.add(crash);
      loop.task(agent, () => this.#server.serve(request, response));
    });
    let at = 0;
    let dueMs = arriveMs;
    while (at < bytesToSend) {
      const next = Math.min(bytesToSend, at + PACKET_BYTES * (bytesToSend > 1_000_000 ? 64 : 1));
      const [from, to] = [at, next];
      dueMs += this.transferMs(to - from);
      toServer(dueMs, () => request.push(body?.slice(from, to).bytes() ?? new Uint8Array(0)));
      at = next;
    }
    if (bytesToSend === sizeBytes) toServer(dueMs, () => request.finish());
    return () => {
      if (!isUp) return;
      isUp = false;
      this.#connections.delete(crash);
      // What left the device still arrives; the end of the line comes behind it.
      toServer(this.latencyMs() + lateMs, () => {
        request.cut();
        response.destroyed = true;
        response.emit('close');
      });
    };
  }
}
