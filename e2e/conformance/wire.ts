// The network between the engine and the server: a fetch like a browser's, on real sockets, that does to each request
// what it is told, and keeps a journal of all of them. Which request meets which fault is not its business.

import { Agent } from 'node:http';
import type { Range } from '../../sw/core/remote.js';
import { outsideOfLives } from '../engine/life.js';
import { busy } from '../engine/virtual-time.js';
import { exchange, firstPart, type Message, type Received, ServerSilent } from './exchange.js';
import { currentCall, type Phase } from './witness.js';

/** One request, before anything has happened to it. */
export interface Asked {
  readonly phase: Phase | undefined;
  /** Of a `send`. */
  readonly range: Range | undefined;
  /** Of all requests of the run, from 0. */
  readonly ordinal: number;
  readonly method: string;
  readonly path: string;
  readonly bodyBytes: number;
}

/** What is done to one request. Absent: it reaches the server, and its answer the adapter. */
export type Strike =
  /** It never leaves the device. */
  | { readonly type: 'unsent' }
  /** So much of the body arrives, then the connection ends: with FIN, or with RST, which may take back what arrived. */
  | { readonly type: 'cut'; readonly bytes: number; readonly abrupt: boolean }
  /** The server does as asked; its answer is lost, or ends in the middle. */
  | { readonly type: 'mute' }
  | { readonly type: 'torn' }
  /** The browser sends it again by itself after so much of the body; Infinity: after a first answer that nobody sees. */
  | { readonly type: 'twice'; readonly bytes: number }
  /** The server is killed after so much of the body, and started again. */
  | { readonly type: 'killed'; readonly bytes: number }
  /** No answer ever, though the server has it (or not). */
  | { readonly type: 'silent'; readonly sent: boolean }
  /** Somebody on the way answers; the server never sees it. */
  | {
      readonly type: 'answered';
      readonly status: number;
      readonly headers: Readonly<Record<string, string>>;
      readonly body: string;
      readonly notBeforeMs?: number;
    }
  /** The same, for this and all that follow, until {@link Wire.signIn}. */
  | { readonly type: 'signed-out'; readonly status: number }
  /** Something befalls the server just before. */
  | { readonly type: 'before'; readonly act: () => Promise<void> };

export interface Entry extends Asked {
  readonly atMs: number;
  /** Moments, in order, of its beginning and its end: no virtual time passes between the two. */
  readonly begun: number;
  ended?: number;
  /** The worker that made it; undefined: what its answer asks for was committed, for whoever comes. */
  life?: number | undefined;
  strike?: Strike['type'] | 'too-large';
  /** The server's own answer, whether anybody saw it or not. */
  status?: number;
  answerBytes?: number;
  /** What the adapter got. */
  seen?: string;
  /** Epoch: the answer asked for no request before. */
  notBeforeMs?: number;
}

export interface WireOptions {
  readonly nowMs: () => number;
  readonly strike: (asked: Asked) => Strike | undefined;
  /** Ends the server as SIGKILL does, and starts it again. */
  readonly restart: () => Promise<void>;
  /** Bodies above this get 413 and a web page. */
  readonly limitBytes: number;
  /** Cross-origin, and the server exposes nothing. */
  readonly hidesHeaders: boolean;
  readonly answersWithinMs: number;
  /** The server has taken the request, and nobody will know. */
  readonly onTaken: (asked: Asked) => void;
  readonly onEntry: (entry: Entry) => void;
}

/** https://fetch.spec.whatwg.org/#cors-safelisted-response-header-name */
const safelisted = [
  'cache-control',
  'content-language',
  'content-length',
  'content-type',
  'expires',
  'last-modified',
  'pragma',
];
const HTML = { 'Content-Type': 'text/html; charset=utf-8' };

export class Wire {
  readonly journal: Entry[] = [];
  /** Requests that wait for an answer that never comes. */
  hanging = 0;
  hidesHeaders: boolean;
  /** What is wrong with the kit, the server, or the adapter's use of fetch: no fault explains it. */
  readonly complaints: string[] = [];
  readonly #options: WireOptions;
  #agent = new Agent({ keepAlive: true });
  #refused: number | undefined;
  #ticks = 0;

  constructor(options: WireOptions) {
    this.#options = options;
    this.hidesHeaders = options.hidesHeaders;
  }

  get signedOut(): boolean {
    return this.#refused !== undefined;
  }

  signIn(): void {
    this.#refused = undefined;
  }

  close(): void {
    this.#agent.destroy();
  }

  readonly fetch: typeof fetch = async (input, init = {}) => {
    const { phase, range } = currentCall() ?? {};
    return outsideOfLives(async () => {
      const url = new URL(String(input));
      const { signal, body } = init;
      signal?.throwIfAborted();
      const entry: Entry = {
        ordinal: this.journal.length,
        phase,
        range,
        method: init.method ?? 'GET',
        path: url.pathname + url.search,
        bodyBytes: body instanceof Blob ? body.size : 0,
        atMs: this.#options.nowMs(),
        begun: this.#tick(),
      };
      this.journal.push(entry);
      this.#options.onEntry(entry);
      if (body !== null && body !== undefined && !(body instanceof Blob)) {
        this.complaints.push(`${entry.method} ${entry.path}: a body that is no Blob.`);
      }
      // Not the Blob's own method, which life.ts may end in the middle.
      const bytes = body instanceof Blob ? new Uint8Array(await busy(new Response(body).arrayBuffer())) : undefined;
      const headers = new Headers(init.headers);
      if (body instanceof Blob && body.type !== '' && !headers.has('Content-Type')) {
        headers.set('Content-Type', body.type);
      }
      const message = { url, method: entry.method, headers, body: bytes };
      try {
        const response = await this.#carry(entry, message, signal ?? undefined);
        entry.seen = String(response.type === 'opaqueredirect' ? 'a redirect' : response.status);
        // A made response has no URL of its own.
        return Object.defineProperty(response, 'url', { value: url.href });
      } catch (cause) {
        entry.seen = signal?.aborted ? 'ended' : 'no answer';
        if (cause instanceof ServerSilent) this.complaints.push(cause.message);
        throw cause;
      } finally {
        entry.ended = this.#tick();
      }
    });
  };

  async #carry(entry: Entry, message: Message, signal: AbortSignal | undefined): Promise<Response> {
    const options = { agent: this.#agent, signal, limitMs: this.#options.answersWithinMs };
    const strike = this.#strikeOn(entry);
    if (strike !== undefined) entry.strike = strike.type;
    const whole = async (): Promise<Received> => {
      const received = await busy(exchange(message, options));
      entry.status = received.status;
      entry.answerBytes = received.body.length;
      return received;
    };
    const unseen = async () => {
      const { status } = await whole();
      if (status < 300) this.#options.onTaken(entry);
    };
    const lost = () => new TypeError('fetch failed');
    switch (strike?.type) {
      case undefined:
        break;
      case 'before':
        await busy(strike.act());
        // Its connections may be gone with it.
        this.#renew();
        options.agent = this.#agent;
        break;
      case 'unsent':
        throw lost();
      case 'cut':
        await busy(firstPart(message, strike.bytes, options, ({ end, reset }) => (strike.abrupt ? reset() : end())));
        throw lost();
      case 'mute':
        await unseen();
        throw lost();
      case 'torn': {
        const received = await whole();
        if (received.status < 300) this.#options.onTaken(entry);
        return this.#response(received, true);
      }
      case 'twice':
        if (strike.bytes < entry.bodyBytes) {
          await busy(firstPart(message, strike.bytes, options, ({ end }) => end()));
        } else await unseen();
        break;
      case 'killed':
        await busy(firstPart(message, strike.bytes, options, () => this.#options.restart()));
        this.#renew();
        throw lost();
      case 'silent':
        if (strike.sent) await unseen();
        return this.#never(signal);
      case 'answered':
        if (strike.notBeforeMs !== undefined) entry.notBeforeMs = strike.notBeforeMs;
        return new Response(entry.method === 'HEAD' || strike.body === '' ? null : strike.body, strike);
      case 'signed-out':
        return new Response('<h1>Sign in</h1>', { status: strike.status, headers: HTML });
      default:
        return strike satisfies never;
    }
    if (entry.bodyBytes > this.#options.limitBytes) {
      entry.strike = 'too-large';
      return new Response('<html><h1>413 Request Entity Too Large</h1></html>', { status: 413, headers: HTML });
    }
    return this.#response(await whole(), false);
  }

  #strikeOn(entry: Entry): Strike | undefined {
    if (this.#refused !== undefined) return { type: 'signed-out', status: this.#refused };
    const strike = this.#options.strike(entry);
    if (strike?.type === 'signed-out') this.#refused = strike.status;
    return strike;
  }

  #response({ status, headers, body }: Received, torn: boolean): Response {
    if ([301, 302, 303, 307, 308].includes(status)) {
      // What `redirect: 'manual'` gives; a script cannot make one.
      return Object.defineProperties(new Response(null), {
        type: { value: 'opaqueredirect' },
        status: { value: 0 },
        ok: { value: false },
      });
    }
    const visible = [...headers].filter(([name]) => !this.hidesHeaders || safelisted.includes(name));
    if (!torn || body.length === 0) {
      const none = body.length === 0 || status === 204 || status === 304;
      return new Response(none ? null : new Uint8Array(body), { status, headers: visible });
    }
    const left = body.length > 1 ? [new Uint8Array(body.subarray(0, body.length >> 1))] : [];
    const broken = new ReadableStream({
      pull: (controller) => {
        const half = left.pop();
        if (half) controller.enqueue(half);
        else controller.error(new TypeError('terminated'));
      },
    });
    return new Response(broken, { status, headers: visible });
  }

  async #never(signal: AbortSignal | undefined): Promise<never> {
    this.hanging += 1;
    try {
      return await new Promise<never>((_, reject) => {
        if (signal?.aborted) reject(signal.reason);
        signal?.addEventListener('abort', () => reject(signal.reason));
      });
    } finally {
      this.hanging -= 1;
    }
  }

  #tick(): number {
    this.#ticks += 1;
    return this.#ticks;
  }

  #renew(): void {
    this.#agent.destroy();
    this.#agent = new Agent({ keepAlive: true });
  }
}
