// What fetch resolves with, as far as the product reads it.

import type { ServerAnswer } from './exchange.js';

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
