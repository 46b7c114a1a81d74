// Owns one connection through the link: two sockets, what passes between them, and the fault that its request met.
// Which faults there are, and when, is the link's business.
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { type LinkRequest, RequestReader, type Segment } from './request-reader.js';

/** Instead of the server's answer. Default: status 200, no headers, empty body. */
export interface CannedAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export type AnswerFault = { readonly kind: 'drop' } | { readonly kind: 'replace'; readonly answer: CannedAnswer };

/** What a connection asks of its link. */
export interface LinkRules {
  readonly latencyMs: number;
  /** Bytes that go to the server in one write; small while the link is shaped. */
  readonly pieceBytes: number;
  /** The wire's speed. */
  pace(bytes: number): Promise<void>;
  /** Pending while the connection is in a black hole, if need be for ever. */
  passage(connection: LinkConnection): Promise<void>;
  /** How many of `bytes` may still pass before the cut. */
  allowance(bytes: number): number;
  /** The bytes are the server's; true if that was the cut. */
  countUplink(bytes: number): boolean;
  countDownlink(bytes: number): void;
  begin(request: LinkRequest): AnswerFault | undefined;
  /** The fault has struck. */
  struck(fault: AnswerFault, request: LinkRequest): void;
  over(connection: LinkConnection): void;
}

export class LinkConnection {
  /** Set by a black hole: no byte, no FIN and no RST will ever pass again. */
  silent = false;
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #rules: LinkRules;
  readonly #reader = new RequestReader();
  #request: LinkRequest | undefined;
  #fault: AnswerFault | undefined;
  #sentInFull = false;

  constructor(client: Socket, targetPort: number, rules: LinkRules) {
    this.#client = client;
    this.#rules = rules;
    this.#server = connect({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    for (const socket of [this.#client, this.#server]) socket.on('error', () => undefined); // The pumps see it too.
    void Promise.all([this.#guard(this.#pumpUp()), this.#guard(this.#pumpDown())]).then(() => this.destroy());
  }

  /** RST to both sides, as a router that lost its table. The server loses what it has not read yet. */
  reset(): void {
    this.#server.resetAndDestroy();
    this.cut();
  }

  /** RST to the browser, FIN to the server: it still reads everything that was handed to it. */
  cut(): void {
    this.#client.resetAndDestroy();
    this.#server.destroy();
    this.#end('lost');
    this.#rules.over(this);
  }

  /** Frees the sockets at the end of a test. */
  destroy(): void {
    this.#client.destroy();
    this.#server.destroy();
    this.#end('lost');
    this.#rules.over(this);
  }

  async #guard(pump: Promise<void>): Promise<void> {
    try {
      await pump;
    } catch {
      // One side is gone. The other learns of it, unless the connection is in a black hole.
      await this.#rules.passage(this);
      this.reset();
    }
  }

  async #pumpUp(): Promise<void> {
    if (this.#rules.latencyMs > 0) await delay(this.#rules.latencyMs); // The handshake is a round trip, too.
    for await (const chunk of this.#client as AsyncIterable<Buffer>) {
      for (const segment of this.#reader.push(chunk)) await this.#forward(segment);
    }
    await this.#rules.passage(this);
    this.#server.end();
  }

  async #forward({ part, request, bytes, last }: Segment): Promise<void> {
    if (part === 'head') {
      this.#end('answered');
      this.#request = request;
      this.#sentInFull = false;
      this.#fault = this.#rules.begin(request);
    }
    for (let at = 0; at < bytes.length; ) {
      const piece = bytes.subarray(at, at + Math.min(this.#rules.pieceBytes, bytes.length - at));
      await this.#rules.pace(piece.length);
      await this.#rules.passage(this);
      const allowed = piece.subarray(0, this.#rules.allowance(piece.length));
      at += piece.length;
      if (part === 'body' && allowed.length > 0) {
        request.firstByteAtMs ??= Date.now();
        request.bodyBytesForwarded += allowed.length;
      }
      // Before the write: the answer may be here before its callback.
      if (last && at >= bytes.length && allowed.length === piece.length) this.#sentInFull = true;
      await write(this.#server, allowed);
      if (this.#rules.countUplink(allowed.length)) return;
    }
    if (this.#sentInFull && this.#fault?.kind === 'drop' && request.answeredAtMs !== undefined) this.#drop();
  }

  async #pumpDown(): Promise<void> {
    for await (const chunk of this.#server as AsyncIterable<Buffer>) {
      const request = this.#request;
      // Delaying an answer's first bytes delays all of it: the rest waits in the socket.
      if (request?.answeredAtMs === undefined && this.#rules.latencyMs > 0) await delay(this.#rules.latencyMs);
      await this.#rules.passage(this);
      if (request !== undefined && request.answeredAtMs === undefined) {
        const status = /^HTTP\/1\.\d (\d{3})/.exec(afterInterim(chunk))?.[1];
        if (status !== undefined) request.status = Number(status);
        // Interim answers alone are no answer yet; a fault keeps them back with it.
        if (status === undefined) {
          if (this.#fault !== undefined) continue;
          await write(this.#client, chunk);
          this.#rules.countDownlink(chunk.length);
          continue;
        }
        request.answeredAtMs = Date.now();
      }
      if (this.#fault?.kind === 'drop') {
        // An answer that came too early (say 400) is held back until the whole request has gone through.
        if (this.#sentInFull) return this.#drop();
        continue;
      }
      if (this.#fault?.kind === 'replace') return this.#replace(this.#fault);
      await write(this.#client, chunk);
      this.#rules.countDownlink(chunk.length);
      if (this.#sentInFull) this.#end('answered');
    }
    await this.#rules.passage(this);
    if (this.#fault?.kind === 'drop' && this.#request?.answeredAtMs !== undefined) return this.#drop();
    this.#client.end();
  }

  #drop(): void {
    this.#strike('dropped');
    this.reset();
  }

  #replace({ answer }: { readonly answer: CannedAnswer }): void {
    const body = Buffer.from(answer.body ?? '');
    const headers = { 'Content-Length': String(body.length), Connection: 'close', ...answer.headers };
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const bytes = Buffer.concat([
      Buffer.from(`HTTP/1.1 ${answer.status ?? 200} Replaced\r\n${lines.join('')}\r\n`),
      body,
    ]);
    this.#rules.countDownlink(bytes.length);
    this.#client.end(bytes);
    this.#server.destroy();
    this.#strike('replaced');
  }

  #strike(outcome: 'dropped' | 'replaced'): void {
    const [fault, request] = [this.#fault, this.#request];
    this.#fault = undefined;
    this.#end(outcome);
    if (fault !== undefined && request !== undefined) this.#rules.struck(fault, request);
  }

  #end(outcome: LinkRequest['outcome']): void {
    const request = this.#request;
    if (request === undefined || request.outcome !== 'open') return;
    request.outcome = outcome;
    request.endedAtMs = Date.now();
  }
}

/** The bytes of an answer without the 1xx heads that may come before it, each of which its server writes whole. */
function afterInterim(bytes: Buffer): string {
  return bytes.toString('latin1').replace(/^(HTTP\/1\.\d 1\d\d .*\r\n(.+\r\n)*\r\n)+/, '');
}

function write(socket: Socket, bytes: Buffer): Promise<void> {
  if (bytes.length === 0) return Promise.resolve();
  return new Promise((resolve, reject) => {
    socket.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}
