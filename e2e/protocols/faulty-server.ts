// Any server of a test, with faults in front of it: it counts what comes in, and loses requests, bodies and answers.

import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Fault =
  | {
      readonly type: 'answer';
      readonly status: number;
      readonly body?: string;
      readonly headers?: Record<string, string>;
    }
  /** The connection ends before anything is read. */
  | { readonly type: 'reset' }
  /** The connection ends once so many bytes of the body were read. */
  | { readonly type: 'cut'; readonly afterBytes: number }
  /** Everything is done as asked; the answer is lost. */
  | { readonly type: 'mute' }
  /** Nothing ever comes back, and nothing is kept. */
  | { readonly type: 'hang' };

export interface Seen {
  readonly method: string;
  /** With its query. */
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  /** How many requests came before, whatever they were. */
  readonly nth: number;
  /** Body bytes that were read. */
  bodyBytes: number;
}

export class FaultyServer {
  readonly seen: Seen[] = [];
  fault: (seen: Seen) => Fault | undefined = () => undefined;
  hanging = 0;
  /** Requests with a body under way at one moment, at most. */
  mostAtOnce = 0;
  #atOnce = 0;
  readonly #listener: RequestListener;
  #server: Server | undefined;
  #port = 0;

  constructor(listener: RequestListener) {
    this.#listener = listener;
  }

  async start(): Promise<this> {
    const server = createServer((request, response) => {
      const { method = '', url = '', headers } = request;
      const seen: Seen = { method, url, headers, nth: this.seen.length, bodyBytes: 0 };
      this.seen.push(seen);
      const hasBody = Number(headers['content-length'] ?? 0) > 0;
      if (hasBody) this.#atOnce += 1;
      this.mostAtOnce = Math.max(this.mostAtOnce, this.#atOnce);
      response.on('close', () => {
        if (hasBody) this.#atOnce -= 1;
      });
      const fault = this.fault(seen);
      const read = request.read.bind(request);
      request.read = (size?: number) => {
        const bytes = read(size);
        seen.bodyBytes += bytes?.length ?? 0;
        if (fault?.type === 'cut' && seen.bodyBytes >= fault.afterBytes) request.socket.destroy();
        return bytes;
      };
      request.on('error', () => {});
      if (fault?.type === 'reset' || (fault?.type === 'cut' && fault.afterBytes === 0))
        return void request.socket.destroy();
      if (fault?.type === 'hang') {
        this.hanging += 1;
        response.on('close', () => {
          this.hanging -= 1;
        });
        return void request.resume();
      }
      if (fault?.type === 'answer') {
        request.resume();
        return void request.on('end', () => response.writeHead(fault.status, fault.headers).end(fault.body));
      }
      if (fault?.type === 'mute') {
        const lose = () => {
          request.socket.destroy();
          return response;
        };
        response.writeHead = lose;
        response.write = () => !lose();
        response.end = lose;
      }
      this.#listener(request, response);
    });
    await new Promise<void>((resolve) => server.listen(this.#port, '127.0.0.1', resolve));
    this.#server = server;
    this.#port = (server.address() as AddressInfo).port;
    return this;
  }

  get origin(): string {
    return `http://127.0.0.1:${this.#port}`;
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
}

/** The whole body of a request; undefined if it was cut. */
export async function bodyOf(request: IncomingMessage): Promise<Buffer<ArrayBuffer> | undefined> {
  const parts: Buffer[] = [];
  try {
    for await (const part of request) parts.push(part);
  } catch {
    return undefined;
  }
  return Buffer.concat(parts);
}

/** The fields of a form, and its file. */
export async function formOf(request: IncomingMessage) {
  const body = await bodyOf(request);
  if (body === undefined) return undefined;
  const type = request.headers['content-type'] ?? '';
  const form = await new Response(body, { headers: { 'Content-Type': type } }).formData();
  const fields: Record<string, string> = {};
  let file = Buffer.alloc(0);
  for (const [name, value] of form) {
    if (typeof value === 'string') fields[name] = value;
    else file = Buffer.from(await value.arrayBuffer());
  }
  return { fields, file };
}
