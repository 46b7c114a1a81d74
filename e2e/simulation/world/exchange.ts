// A request and its answer as the reference servers see them: node:http's two objects, in memory, without a socket.

import { EventEmitter } from 'node:events';

export class MemoryRequest extends EventEmitter {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  complete = false;
  destroyed = false;
  readableEnded = false;
  #waiting: Buffer[] = [];

  constructor(method: string, url: string, headers: Readonly<Record<string, string>>) {
    super();
    this.method = method;
    this.url = url;
    this.headers = headers;
  }

  get readableLength(): number {
    return this.#waiting.reduce((sum, { length }) => sum + length, 0);
  }

  read(): Buffer | null {
    const bytes = this.#waiting.length > 0 ? Buffer.concat(this.#waiting) : null;
    this.#waiting = [];
    if (bytes === null && this.complete) this.readableEnded = true;
    return bytes;
  }

  /** From the network: bytes, the end, or the end of the line. */
  push(bytes: Uint8Array): void {
    if (this.destroyed) return;
    this.#waiting.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
    this.emit('readable');
  }

  finish(): void {
    if (this.destroyed) return;
    this.complete = true;
    this.emit('readable');
  }

  cut(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.emit('close');
  }
}

export interface ServerAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export class MemoryResponse extends EventEmitter {
  destroyed = false;
  headersSent = false;
  readonly socket = { write: () => true };
  #status = 200;
  #headers: Record<string, string> = {};
  #body = '';
  /** Undefined: the server ends the connection without a word. */
  readonly #onEnd: (answer: ServerAnswer | undefined) => void;

  constructor(onEnd: (answer: ServerAnswer | undefined) => void) {
    super();
    this.#onEnd = onEnd;
  }

  setHeader(name: string, value: unknown): void {
    this.#headers[name.toLowerCase()] = String(value);
  }

  writeHead(status: number, headers: Readonly<Record<string, unknown>> = {}): this {
    this.#status = status;
    for (const [name, value] of Object.entries(headers)) if (value !== undefined) this.setHeader(name, value);
    this.headersSent = true;
    return this;
  }

  write(text: unknown): boolean {
    this.headersSent = true;
    this.#body += String(text);
    return true;
  }

  end(text: unknown = ''): this {
    if (this.destroyed) return this;
    this.#body += String(text ?? '');
    this.headersSent = true;
    this.#onEnd({ status: this.#status, headers: this.#headers, body: this.#body });
    this.emit('finish');
    return this;
  }

  destroy(): this {
    if (this.destroyed) return this;
    this.destroyed = true;
    this.#onEnd(undefined);
    this.emit('close');
    return this;
  }
}
