// The server of javascript.info's tutorial, in memory, faults included: it knows a file only while it is incomplete,
// believes every body, compares start bytes (400 "Wrong start byte"), forgets what is complete, and an old request that
// still drains goes on appending. https://javascript.info/resume-upload

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Asked {
  readonly kind: 'status' | 'upload';
  /** As sent, percent-encoded. */
  readonly id: string;
  readonly startByte: number;
  /** How many of this kind for this file came before. */
  readonly nth: number;
  readonly headers: IncomingMessage['headers'];
}

/** What goes wrong with one request. */
export type Fault =
  | {
      readonly type: 'answer';
      readonly status: number;
      readonly body?: string;
      readonly headers?: Record<string, string>;
    }
  /** The connection ends before anything is read. */
  | { readonly type: 'reset' }
  /** The connection ends once so many bytes of the body were kept. */
  | { readonly type: 'cut'; readonly afterBytes: number }
  /** Everything is done as asked; the answer is lost. */
  | { readonly type: 'mute' }
  /** Nothing ever comes back, and nothing is kept. */
  | { readonly type: 'hang' };

export interface Seen extends Asked {
  bodyBytes: number;
  status: number | undefined;
}

export class PlainServer {
  readonly seen: Seen[] = [];
  /** Whole files, as often as they were delivered. */
  readonly delivered = new Map<string, Buffer[]>();
  fault: (asked: Asked) => Fault | undefined = () => undefined;
  /** Largest body; beyond it 413, as a proxy has it. */
  limitBytes = Infinity;
  hanging = 0;
  /** Uploads that were received at one moment, at most. */
  mostAtOnce = 0;
  #atOnce = 0;
  #partial = new Map<string, Buffer[]>();
  #server: Server | undefined;
  #port = 0;

  async start(): Promise<this> {
    const server = createServer((request, response) => void this.#serve(request, response));
    await new Promise<void>((resolve) => server.listen(this.#port, '127.0.0.1', resolve));
    this.#server = server;
    this.#port = (server.address() as AddressInfo).port;
    return this;
  }

  /** Connections are refused until it is started again. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  }

  /** What a restart does to a server that keeps its records in memory. */
  forget(): void {
    this.#partial = new Map();
  }

  /** Bytes that never reached the disk. */
  truncate(id: string, sizeBytes: number): void {
    this.#partial.set(id, [Buffer.concat(this.#partial.get(id) ?? []).subarray(0, sizeBytes)]);
  }

  get urls() {
    const origin = `http://127.0.0.1:${this.#port}`;
    return { statusUrl: `${origin}/status`, uploadUrl: `${origin}/upload` };
  }

  held(id: string): number {
    return (this.#partial.get(id) ?? []).reduce((sum, part) => sum + part.length, 0);
  }

  uploads(id?: string): Seen[] {
    return this.seen.filter((asked) => asked.kind === 'upload' && (id === undefined || asked.id === id));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { headers } = request;
    const kind = request.url === '/status' ? 'status' : 'upload';
    const id = String(headers['x-file-id'] ?? '');
    const nth = this.seen.filter((asked) => asked.kind === kind && asked.id === id).length;
    const asked: Seen = {
      kind,
      id,
      nth,
      startByte: Number(headers['x-start-byte'] ?? 0),
      headers,
      bodyBytes: 0,
      status: undefined,
    };
    this.seen.push(asked);
    response.on('finish', () => {
      asked.status = response.statusCode;
    });
    if (kind === 'upload') this.#atOnce += 1;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.#atOnce);
    response.on('close', () => {
      if (kind === 'upload') this.#atOnce -= 1;
    });
    try {
      await this.#answer(asked, request, response);
    } catch {
      // The client went away.
    }
  }

  async #answer(asked: Seen, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { id, kind, startByte } = asked;
    const planned = this.fault(asked);
    const whole = Number(request.headers['content-length'] ?? 0);
    const fault = planned?.type === 'cut' && planned.afterBytes >= whole ? undefined : planned;
    if (fault?.type === 'reset') return void request.socket.destroy();
    if (fault?.type === 'hang') {
      this.hanging += 1;
      response.on('close', () => {
        this.hanging -= 1;
      });
      return void request.resume();
    }
    if (fault?.type === 'answer') {
      for await (const part of request) asked.bodyBytes += part.length;
      response.writeHead(fault.status, fault.headers);
      return void response.end(fault.body);
    }
    if (kind === 'status') {
      if (fault?.type === 'mute') return void request.socket.destroy();
      return void response.end(String(this.held(id)));
    }
    if (whole > this.limitBytes) {
      for await (const part of request) asked.bodyBytes += part.length;
      response.writeHead(413, { 'Content-Type': 'text/html' });
      return void response.end('<html><h1>413 Request Entity Too Large</h1></html>');
    }
    if (startByte === 0) this.#partial.set(id, []);
    else if (this.held(id) !== startByte) {
      for await (const part of request) asked.bodyBytes += part.length;
      response.writeHead(400, 'Wrong start byte');
      return void response.end(String(this.held(id)));
    }
    const parts = this.#partial.get(id) ?? [];
    for await (const part of request as AsyncIterable<Buffer>) {
      const left = fault?.type === 'cut' ? fault.afterBytes - asked.bodyBytes : Infinity;
      const kept = part.subarray(0, left);
      asked.bodyBytes += kept.length;
      parts.push(kept);
      if (asked.bodyBytes === (fault?.type === 'cut' ? fault.afterBytes : -1)) return void request.socket.destroy();
    }
    if (fault?.type === 'cut') return void request.socket.destroy();
    const received = parts.reduce((sum, part) => sum + part.length, 0);
    if (received === Number(request.headers['x-file-size'])) {
      this.#partial.delete(id);
      this.delivered.set(id, [...(this.delivered.get(id) ?? []), Buffer.concat(parts)]);
      if (fault?.type === 'mute') return void request.socket.destroy();
      return void response.end(`Success ${received}`);
    }
    if (fault?.type === 'mute') return void request.socket.destroy();
    response.end();
  }
}
