// Stands before one S3 gateway under a port of its own: tells what was asked, and lets things go wrong. Hosts are passed
// on as they come, since they are part of every signature.

import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type S3Request =
  | 'create'
  | 'part'
  | 'put'
  | 'list'
  | 'complete'
  | 'abort'
  | 'delete'
  | 'head'
  | 'preflight'
  | 'other';

export interface Seen {
  readonly type: S3Request;
  /** 0 but for parts. */
  readonly partNumber: number;
  /** How many of this type (and part) came before it. */
  readonly nth: number;
  /** The same part had been acknowledged before: invariant 7 says that there is none. */
  readonly isAgain: boolean;
  readonly url: string;
  /** Of its body, as far as it was passed on. */
  bodyBytes: number;
  /** What the client was told; undefined while, or where, it was told nothing. */
  status?: number;
}

export type S3Fault =
  /** The gateway never sees it. */
  | { readonly type: 'reset' }
  /** Carried out, and nothing is answered. */
  | { readonly type: 'mute' }
  | { readonly type: 'cut'; readonly afterBytes: number }
  | { readonly type: 'late'; readonly until: Promise<unknown> }
  | {
      readonly type: 'answer';
      readonly status: number;
      readonly body?: string;
      readonly headers?: Record<string, string>;
    };

export class S3Proxy {
  readonly seen: Seen[] = [];
  fault: (seen: Seen) => S3Fault | undefined = () => undefined;
  /** Told of each piece of a body that was passed on. */
  onBytes: (seen: Seen) => void = () => {};
  readonly #target: URL;
  readonly #server: Server;

  private constructor(target: string) {
    this.#target = new URL(target);
    this.#server = createServer((incoming, response) => void this.#answer(incoming, response));
  }

  static async start(target: string): Promise<S3Proxy> {
    const proxy = new S3Proxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  of(type: S3Request): readonly Seen[] {
    return this.seen.filter((seen) => seen.type === type);
  }

  async stop(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const seen = this.#see(incoming);
    const fault = seen.type === 'other' ? undefined : this.fault(seen);
    incoming.on('error', () => {});
    if (fault?.type === 'late') await fault.until;
    if (fault?.type === 'reset') return void incoming.socket.resetAndDestroy();
    if (fault?.type === 'answer') {
      seen.status = fault.status;
      incoming.resume().on('end', () => response.writeHead(fault.status, fault.headers).end(fault.body));
      return;
    }
    const { method, url, headers } = incoming;
    const { hostname, port } = this.#target;
    const outgoing = request({ hostname, port, method, path: url, headers, agent: false });
    const drop = () => void incoming.socket.destroy();
    outgoing.on('error', drop);
    incoming.on('close', () => incoming.complete || outgoing.destroy());
    incoming.on('data', (bytes: Buffer) => {
      const left = fault?.type === 'cut' ? fault.afterBytes - seen.bodyBytes : bytes.length;
      seen.bodyBytes += Math.min(left, bytes.length);
      if (!outgoing.write(bytes.subarray(0, left))) incoming.pause();
      this.onBytes(seen);
      if (fault?.type !== 'cut' || left > bytes.length) return;
      outgoing.destroy();
      drop();
    });
    outgoing.on('drain', () => incoming.resume());
    incoming.on('end', () => outgoing.end());
    outgoing.on('response', (answer) => {
      if (fault?.type === 'mute') return void answer.resume().on('end', drop);
      seen.status = answer.statusCode ?? 0;
      response.writeHead(seen.status, answer.headers);
      answer.on('error', drop);
      answer.pipe(response);
    });
  }

  #see({ method = '', url = '' }: IncomingMessage): Seen {
    const query = new URL(url, 'http://proxy').searchParams;
    const type = typeOf(method, query);
    const partNumber = Number(query.get('partNumber') ?? 0);
    const same = this.seen.filter((seen) => seen.type === type && seen.partNumber === partNumber);
    const isAgain = type === 'part' && same.some(({ status }) => status === 200);
    const seen: Seen = { type, partNumber, nth: same.length, isAgain, url, bodyBytes: 0 };
    this.seen.push(seen);
    return seen;
  }
}

function typeOf(method: string, query: URLSearchParams): S3Request {
  if (method === 'OPTIONS') return 'preflight';
  if (!query.has('X-Amz-Signature')) return 'other';
  const inUpload = query.has('uploadId');
  switch (method) {
    case 'POST':
      return inUpload ? 'complete' : 'create';
    case 'PUT':
      return inUpload ? 'part' : 'put';
    case 'DELETE':
      return inUpload ? 'abort' : 'delete';
    case 'HEAD':
      return 'head';
    default:
      return inUpload ? 'list' : 'other';
  }
}
