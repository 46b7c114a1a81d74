// The network between workers and the server, as fetch meets it: each request is a value, and has done to it what the plan
// says.

import type { MemoryBlob } from '../platform/memory-blob.js';
import { Delivery, type ServerSide } from './delivery.js';
import type { ServerAnswer } from './exchange.js';
import { GONE, type Link, type LinkFault } from './link.js';
import type { Agent } from './loop.js';
import { SimResponse } from './response.js';
import type { World } from './world.js';

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

/** 401 until somebody signs in: said by whatever stands before the server. */
export const TOKEN = 'token';

const PAGE = '<!doctype html><html><title>Sign in to the network</title></html>';

export class Network {
  readonly journal: Passing[] = [];
  /** Faults by the number of the request. */
  readonly faults = new Map<number, LinkFault>();
  readonly struck: LinkFault['type'][] = [];
  /** Somebody on the way has said that there is no such upload. */
  denied = false;
  /** The token that requests carry is over. */
  signedOut = false;
  onRequest: (passing: Passing) => void = () => {};
  /** One is about to be told to whoever asked. */
  onAnswer: () => void = () => {};
  readonly #world: World;
  readonly #delivery: Delivery;

  constructor(world: World, link: Link, server: ServerSide) {
    this.#world = world;
    this.#delivery = new Delivery(world, link, server);
  }

  /** The server's process has ended: so do its connections. */
  reset(): void {
    this.#delivery.reset();
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
            loop.timer(this.#delivery.latencyMs(), life, () => (torn ? tear(new TypeError('terminated')) : readOn())),
          );
        this.onAnswer();
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
      if (said.status === 404 || said.says === GONE) this.denied = true;
      return void later(2 * this.#delivery.latencyMs(), () =>
        answer({
          status: said.status,
          headers: {
            'content-type': said.page ? 'text/html' : 'text/plain',
            ...(said.retryAfterS !== undefined && { 'retry-after': String(said.retryAfterS) }),
          },
          body: said.page ? PAGE : (said.says ?? ''),
        }),
      );
    }
    const body = init.body as unknown as MemoryBlob | null;
    const cut = fault?.type === 'cut' ? Math.floor(passing.bodyBytes * fault.share) : undefined;
    const lateMs = fault?.type === 'cut' ? fault.drainMs : 0;
    const { method, url } = passing;
    const send = (onAnswer: (given: ServerAnswer | undefined) => void) =>
      this.#delivery.send({ method, url, headers, body, cutAt: cut, lateMs }, onAnswer);
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
    if (cut !== undefined) later(this.#delivery.latencyMs() + this.#delivery.transferMs(cut), () => stop('cut'));
  }
}
