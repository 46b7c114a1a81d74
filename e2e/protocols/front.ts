// What stands between a client and a real server: an HTTP proxy that passes everything on as it is, keeps a record of
// it, and breaks what a test tells it to break. The server behind it may be stopped and started meanwhile.

import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Passed {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  /** How many of this method came before. */
  readonly nth: number;
  /** As announced. */
  readonly wholeBytes: number;
  /** Passed on to the server. */
  bodyBytes: number;
  /** What the server answered, told to the client or not. */
  status: number | undefined;
  /** The client was sent that answer. */
  told: boolean;
  /** Of its answer. */
  answered: IncomingMessage['headers'];
}

/** What goes wrong with one request. */
export type Fault =
  /** The server never sees it. */
  | {
      readonly type: 'answer';
      readonly status: number;
      readonly headers?: Record<string, string>;
      readonly body?: string;
    }
  | { readonly type: 'reset' }
  /** Both connections end once so many bytes of the body were passed on, and `before` has happened. */
  | { readonly type: 'cut'; readonly afterBytes: number; readonly before?: () => Promise<void> }
  /** So many bytes reach the server, then nothing more, and its connection stays open; the client's hangs. */
  | { readonly type: 'stall'; readonly afterBytes: number }
  /** The server does all that it was asked; its answer is lost, after `before` was called. */
  | { readonly type: 'mute'; readonly before?: () => void }
  /** Passed on twice, one after the other, as browsers do by themselves after a reset; the second answer counts. */
  | { readonly type: 'twice' }
  /** Nothing ever comes back. */
  | { readonly type: 'hang' };

export class Front {
  readonly passed: Passed[] = [];
  fault: (passed: Passed) => Fault | undefined = () => undefined;
  hanging = 0;
  backPort: number;
  /** Which server a request goes to, where there are several. */
  route: (passed: Passed) => number = () => this.backPort;
  #server: Server | undefined;
  #port = 0;

  constructor(backPort: number) {
    this.backPort = backPort;
  }

  async start(): Promise<this> {
    const server = createServer((asked, response) => {
      response.on('error', () => undefined);
      void this.#serve(asked, response).catch(() => asked.socket.destroy());
    });
    await new Promise<void>((resolve) => server.listen(this.#port, '127.0.0.1', resolve));
    this.#server = server;
    this.#port = (server.address() as AddressInfo).port;
    return this;
  }

  get origin(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  of(method: string): Passed[] {
    return this.passed.filter((each) => each.method === method);
  }

  /** Bytes that the server had acknowledged to the client (`Upload-Offset`), and that were sent all the same. */
  bytesAgain(): number {
    const acknowledged = new Map<string, number>();
    let again = 0;
    for (const { method, path, headers, bodyBytes, status = 0, told, answered } of this.passed) {
      const known = acknowledged.get(path) ?? 0;
      const start = Number(headers['upload-offset'] ?? 0);
      if (method === 'PATCH') again += Math.max(0, Math.min(known, start + bodyBytes) - start);
      // Unsaid.
      if (told && (status === 404 || status === 410)) acknowledged.delete(path);
      const offset = Number(answered['upload-offset'] ?? 0);
      if (told && status >= 200 && status < 300) acknowledged.set(path, Math.max(known, offset));
    }
    return again;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server?.close(resolve));
    this.#server?.closeAllConnections();
    await closed;
  }

  async #serve(asked: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url: path = '', headers } = asked;
    const wholeBytes = Number(headers['content-length'] ?? 0);
    const nth = this.of(method).length;
    const passed: Passed = {
      method,
      path,
      headers,
      nth,
      wholeBytes,
      bodyBytes: 0,
      status: undefined,
      told: false,
      answered: {},
    };
    this.passed.push(passed);
    const fault = this.fault(passed);
    switch (fault?.type) {
      case 'reset':
        return void asked.socket.destroy();
      case 'hang':
        this.hanging += 1;
        response.on('close', () => {
          this.hanging -= 1;
        });
        return void asked.resume();
      case 'answer':
        await bodyOf(asked);
        passed.status = fault.status;
        response.writeHead(fault.status, fault.headers);
        return void response.end(fault.body);
      case 'cut': {
        const body = await bodyOf(asked);
        await this.#cut(passed, body.subarray(0, fault.afterBytes), fault.before);
        return void asked.socket.destroy();
      }
      case 'stall': {
        const body = await bodyOf(asked);
        const back = this.#open(passed);
        back.on('error', () => undefined);
        back.write(body.subarray(0, fault.afterBytes));
        passed.bodyBytes += fault.afterBytes;
        this.hanging += 1;
        response.on('close', () => {
          this.hanging -= 1;
        });
        return;
      }
      default: {
        const body = await bodyOf(asked);
        if (fault?.type === 'twice') await this.#pass(passed, body);
        const { status, headers: answered, text } = await this.#pass(passed, body);
        passed.bodyBytes += body.length;
        passed.status = status;
        passed.answered = answered;
        if (fault?.type === 'mute') {
          fault.before?.();
          return void asked.socket.destroy();
        }
        passed.told = true;
        const { 'transfer-encoding': _, connection: __, ...kept } = answered;
        response.writeHead(status, kept);
        response.end(method === 'HEAD' ? undefined : text);
      }
    }
  }

  #open(passed: Passed) {
    const { method, path, headers } = passed;
    return request({ port: this.route(passed), host: '127.0.0.1', method, path, headers, agent: false });
  }

  #pass(passed: Passed, body: Buffer): Promise<{ status: number; headers: IncomingMessage['headers']; text: Buffer }> {
    return new Promise((resolve, reject) => {
      const back = this.#open(passed);
      back.on('error', reject);
      back.on('response', (answer) => {
        bodyOf(answer).then(
          (text) => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text }),
          reject,
        );
      });
      back.end(body);
    });
  }

  /** Resolves when the server has been sent those bytes and has lost the connection. */
  #cut(passed: Passed, body: Buffer, before?: () => Promise<void>): Promise<void> {
    return new Promise((resolve) => {
      const back = this.#open(passed);
      const over = () => resolve();
      back.on('error', over);
      back.on('close', over);
      back.flushHeaders();
      back.write(body, () => {
        passed.bodyBytes += body.length;
        // Ended in order, so that what was written is read before the connection is gone.
        if (before === undefined) back.socket?.destroySoon();
        else void before().then(() => back.destroy());
      });
    });
  }
}

async function bodyOf(stream: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}
