// The network between workers and the server: requests are values, bodies travel in packets, answers come back later. It
// does to each request what the plan says, and otherwise is as fast as its link.

import type { MemoryBlob } from '../platform/memory-blob.js';
import { MemoryRequest, MemoryResponse, type ServerAnswer } from './exchange.js';
import type { Agent } from './loop.js';
import type { World } from './world.js';

/** What happens to one request. */
export type LinkFault =
  /** It never leaves the device. */
  | { readonly type: 'refused' }
  /** So much of the body leaves the device (a share of it), then the connection ends; what left arrives `drainMs` late. */
  | { readonly type: 'cut'; readonly share: number; readonly drainMs: number }
  | { readonly type: 'answer-lost' | 'answer-torn' | 'black-hole' | 'silent' }
  | { readonly type: 'delayed'; readonly delayMs: number }
  /** The browser sends it again by itself, `delayMs` after the first one, whose answer nobody sees. */
  | { readonly type: 'twice'; readonly delayMs: number }
  /** Somebody on the way answers; the server never sees it. */
  | { readonly type: 'answered'; readonly status: number; readonly retryAfterS?: number; readonly page?: boolean };

export interface Link {
  readonly latencyMs: number;
  readonly jitterMs: number;
  readonly bytesPerMs: number;
}

/** One request, as those who judge want to know it. */
export interface Passing {
  readonly ordinal: number;
  readonly life: Agent;
  readonly method: string;
  readonly url: string;
  readonly bodyBytes: number;
  readonly fault: LinkFault['type'] | undefined;
  over: boolean;
  seen: string;
}

export interface ServerSide {
  /** The process that is up, if one is. */
  agent(): Agent | undefined;
  serve(request: MemoryRequest, response: MemoryResponse): void;
}

/** 401 until somebody signs in: said by whatever stands before the server. */
export const TOKEN = 'token';

const PACKET_BYTES = 16_384;
const PAGE = '<!doctype html><html><title>Sign in to the network</title></html>';

export class SimResponse {
  readonly type = 'default';
  readonly url: string;
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  readonly body: object;
  readonly #read: () => Promise<string>;

  constructor(url: string, { status, headers, body }: ServerAnswer, read: () => Promise<void>) {
    this.url = url;
    this.status = status;
    this.headers = { get: (name) => headers[name.toLowerCase()] ?? null };
    this.#read = async () => {
      await read();
      return body;
    };
    let done = body === '';
    const reader = {
      cancel: async () => {},
      read: async () => {
        if (done) return { done: true, value: undefined };
        const value = await this.#read();
        done = true;
        return { done: false, value };
      },
    };
    this.body = { pipeThrough: () => ({ getReader: () => reader }) };
  }

  get ok(): boolean {
    return this.status >= 200 && this.status < 300;
  }

  text(): Promise<string> {
    return this.#read();
  }
}

export class Network {
  readonly journal: Passing[] = [];
  /** Faults by the number of the request. */
  readonly faults = new Map<number, LinkFault>();
  readonly struck: LinkFault['type'][] = [];
  /** The token that requests carry is over. */
  signedOut = false;
  /** Bodies above this get 413 from a proxy. */
  onRequest: (passing: Passing) => void = () => {};
  onAnswer: (passing: Passing, answer: ServerAnswer) => void = () => {};
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

  fetch(url: string, init: RequestInit): Promise<SimResponse> {
    const { loop } = this.#world;
    const life = loop.current;
    if (life === undefined) throw new Error('Nobody asks.');
    const ordinal = this.journal.length;
    const fault = this.faults.get(ordinal);
    const body = init.body as unknown as MemoryBlob | null;
    const passing: Passing = {
      ordinal,
      life,
      method: init.method ?? 'GET',
      url,
      bodyBytes: body?.size ?? 0,
      fault: fault?.type,
      over: false,
      seen: 'under way',
    };
    this.journal.push(passing);
    if (fault) this.struck.push(fault.type);
    this.onRequest(passing);
    return new Promise((resolve, reject) => {
      const end = (seen: string, then: () => void) => {
        if (passing.over) return;
        passing.over = true;
        passing.seen = seen;
        const { pathname, search } = new URL(url);
        const struck = fault ? ` [${fault.type}]` : '';
        this.#world.note(
          `#${ordinal} ${life.name}: ${passing.method} ${pathname}${search.slice(0, 60)} ${passing.bodyBytes} bytes${struck} -> ${seen}`,
        );
        loop.task(life, then);
      };
      const fail = (why: string) => end(why, () => reject(new TypeError(`fetch failed: ${why}`)));
      const answer = (given: ServerAnswer, torn = false) => {
        if (passing.over) return;
        const read = () =>
          new Promise<void>((readOn, tear) =>
            loop.timer(this.#latency(), life, () => (torn ? tear(new TypeError('terminated')) : readOn())),
          );
        // Nobody has heard a word that was torn.
        if (!torn) this.onAnswer(passing, given);
        const text = given.body.length < 30 ? ` "${given.body}"` : '';
        end(`${given.status}${text}`, () => resolve(new SimResponse(url, given, read)));
      };
      this.#pass(passing, init, fault, fail, answer);
    });
  }

  #pass(
    passing: Passing,
    init: RequestInit,
    fault: LinkFault | undefined,
    fail: (why: string) => void,
    answer: (given: ServerAnswer, torn?: boolean) => void,
  ): void {
    const { loop } = this.#world;
    const { life } = passing;
    const later = (delayMs: number, then: () => void) => loop.timer(delayMs, undefined, then);
    let hangUp = () => {};
    const stop = (why: string) => {
      hangUp();
      fail(why);
    };
    init.signal?.addEventListener('abort', () => stop('aborted'));
    life.onDeath(() => hangUp());
    if (!this.#world.online || fault?.type === 'refused') return void later(1, () => fail('refused'));
    if (fault?.type === 'black-hole') return;
    const headers = Object.fromEntries(
      Object.entries((init.headers ?? {}) as Record<string, string>).map(([name, value]) => [
        name.toLowerCase(),
        value,
      ]),
    );
    if (fault?.type === 'answered' || (this.signedOut && headers['authorization'] === TOKEN)) {
      const said: Extract<LinkFault, { type: 'answered' }> =
        fault?.type === 'answered' ? fault : { type: 'answered', status: 401 };
      return void later(2 * this.#latency(), () =>
        answer({
          status: said.status,
          headers: {
            'content-type': said.page ? 'text/html' : 'text/plain',
            ...(said.retryAfterS !== undefined && { 'retry-after': String(said.retryAfterS) }),
          },
          body: said.page ? PAGE : '',
        }),
      );
    }
    const send = (onAnswer: (given: ServerAnswer | undefined) => void) =>
      this.#deliver(passing, init, headers, fault, onAnswer);
    const heard = (given: ServerAnswer | undefined) => {
      if (given === undefined) return fail('connection ended');
      switch (fault?.type) {
        case 'answer-lost':
          return fail('answer lost');
        case 'answer-torn':
          return answer(given, true);
        case 'silent':
          return;
        case 'delayed':
          return void later(fault.delayMs, () => answer(given));
        default:
          return answer(given);
      }
    };
    if (fault?.type === 'twice') {
      const first = send(() => {});
      later(fault.delayMs, () => {
        const second = send(heard);
        hangUp = () => {
          first();
          second();
        };
      });
      hangUp = first;
      return;
    }
    hangUp = send(heard);
    if (fault?.type === 'cut') {
      const bytes = Math.floor(passing.bodyBytes * fault.share);
      later(this.#latency() + bytes / this.#link.bytesPerMs, () => stop('cut'));
    }
  }

  /** Over the link, into the server, and back. Returns what ends the connection from the client's side. */
  #deliver(
    passing: Passing,
    init: RequestInit,
    headers: Record<string, string>,
    fault: LinkFault | undefined,
    onAnswer: (given: ServerAnswer | undefined) => void,
  ): () => void {
    const { loop } = this.#world;
    const body = init.body as unknown as MemoryBlob | null;
    const { pathname, search } = new URL(passing.url);
    const lengths: Record<string, string> =
      body || ['POST', 'PUT'].includes(passing.method) ? { 'content-length': String(body?.size ?? 0) } : {};
    const types: Record<string, string> = body?.type ? { 'content-type': body.type } : {};
    const request = new MemoryRequest(passing.method, pathname + search, { ...types, ...headers, ...lengths });
    const late = fault?.type === 'cut' ? fault.drainMs : 0;
    const bytesToSend = fault?.type === 'cut' ? Math.floor((body?.size ?? 0) * fault.share) : (body?.size ?? 0);
    let isUp = true;
    const end = () => {
      this.#connections.delete(crash);
      isUp = false;
    };
    const crash = () => {
      if (!isUp) return;
      end();
      loop.timer(this.#latency(), undefined, () => onAnswer(undefined));
    };
    const process = () => this.#server.agent();
    let agent: Agent | undefined;
    const response = new MemoryResponse((given) => {
      if (!isUp) return;
      end();
      loop.timer(this.#latency(), undefined, () => onAnswer(given));
    });
    const toServer = (delayMs: number, then: () => void) =>
      loop.timer(delayMs, undefined, () => agent && loop.task(agent, then));
    const arriveMs = this.#latency() + late;
    loop.timer(arriveMs, undefined, () => {
      agent = process();
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
      dueMs += (to - from) / this.#link.bytesPerMs;
      toServer(dueMs, () => request.push(body?.slice(from, to).bytes() ?? new Uint8Array(0)));
      at = next;
    }
    if (bytesToSend === (body?.size ?? 0)) toServer(dueMs, () => request.finish());
    return () => {
      if (!isUp) return;
      isUp = false;
      this.#connections.delete(crash);
      // What left the device still arrives; the end of the line comes behind it.
      toServer(this.#latency() + late, () => {
        request.cut();
        response.destroyed = true;
        response.emit('close');
      });
    };
  }

  #latency(): number {
    const { latencyMs, jitterMs } = this.#link;
    return latencyMs + this.#world.chance.next() * jitterMs;
  }
}
