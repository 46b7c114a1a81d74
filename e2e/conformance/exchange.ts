// One HTTP exchange on a real socket, of which the caller owns every step: so much of the body, then the end of the
// line, and what a browser would have put into the head. Knows neither faults nor uploads.

import { type Agent, type ClientRequest, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

export interface Message {
  readonly url: URL;
  readonly method: string;
  readonly headers: Headers;
  readonly body: Uint8Array | undefined;
}

export interface ExchangeOptions {
  readonly agent: Agent;
  readonly signal: AbortSignal | undefined;
  /** Milliseconds of real time. */
  readonly limitMs: number;
}

export interface Received {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Buffer;
}

/** How long a server may need to notice that a connection has ended, before that no longer matters. A guess. */
const NOTICE_LIMIT_MS = 2000;

/** Thrown for what is wrong with the server or the kit itself, not with the adapter. */
export class ServerSilent extends Error {
  override readonly name = 'ServerSilent';
}

/** The whole exchange. Rejects with a TypeError, as fetch does, if the connection ends before the answer has. */
export function exchange(message: Message, options: ExchangeOptions): Promise<Received> {
  return new Promise((resolve, reject) => {
    const client = begin(message, options, reject);
    client.on('response', (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('error', (cause) => reject(new TypeError('The answer ended early.', { cause })));
      response.on('end', () => {
        const headers = new Headers();
        for (let at = 0; at + 1 < response.rawHeaders.length; at += 2) {
          headers.append(response.rawHeaders[at] ?? '', response.rawHeaders[at + 1] ?? '');
        }
        resolve({ status: response.statusCode ?? 0, headers, body: Buffer.concat(parts) });
      });
    });
    client.end(message.body);
  });
}

/** The head and the first `bytes` of the body, and then `then`, with the connection still open. Never gives an answer. */
export async function firstPart(
  message: Message,
  bytes: number,
  options: ExchangeOptions,
  then: (connection: { end(): Promise<void>; reset(): void }) => Promise<void> | void,
): Promise<void> {
  let fail: (cause: unknown) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failed.catch(() => undefined);
  // A connection that ends is what this is about; only the wish to stop is passed on.
  const client = begin(message, options, (cause) => {
    if (cause === options.signal?.reason || cause instanceof ServerSilent) fail(cause);
  });
  client.on('response', (response) => response.resume());
  const closed = new Promise<void>((resolve) => client.once('close', () => resolve()));
  const body = message.body?.subarray(0, bytes) ?? new Uint8Array(0);
  client.flushHeaders();
  // A head alone tells nobody when it has left: some milliseconds are plenty on this machine.
  const written = body.length === 0 ? delay(5) : new Promise<void>((resolve) => client.write(body, () => resolve()));
  await Promise.race([written, closed, failed]);
  const end = () =>
    new Promise<void>((resolve) => {
      const { socket } = client;
      if (socket === null || socket.destroyed) return resolve();
      // FIN: the server still reads what was sent, and answers with its own end once it has noticed.
      const limit = setTimeout(() => socket.destroy(), NOTICE_LIMIT_MS);
      socket.once('close', () => {
        clearTimeout(limit);
        resolve();
      });
      socket.end();
    });
  const reset = () => void client.socket?.resetAndDestroy();
  await then({ end, reset });
  client.destroy();
}

function begin(
  { url, method, headers, body }: Message,
  { agent, signal, limitMs }: ExchangeOptions,
  fail: (cause: unknown) => void,
): ClientRequest {
  // Headers that a browser sends by itself, and refuses to take from anybody: https://fetch.spec.whatwg.org/#forbidden-request-header
  const own = [...headers].filter(([name]) => !forbidden.has(name));
  const length =
    body === undefined && !['POST', 'PUT'].includes(method) ? [] : [['Content-Length', `${body?.length ?? 0}`]];
  const client = request(url, { method, agent, headers: Object.fromEntries([...own, ...length]) });
  // Without a body and a length, PATCH has neither in browsers.
  client.useChunkedEncodingByDefault = false;
  const limit = setTimeout(() => {
    fail(new ServerSilent(`${method} ${url.pathname}: no answer within ${limitMs} ms of real time.`));
    client.destroy();
  }, limitMs);
  const stop = () => {
    fail(signal?.reason);
    client.destroy();
  };
  if (signal?.aborted) stop();
  signal?.addEventListener('abort', stop);
  client.on('error', (cause) => fail(new TypeError('fetch failed', { cause })));
  client.on('close', () => {
    clearTimeout(limit);
    signal?.removeEventListener('abort', stop);
    fail(new TypeError('fetch failed'));
  });
  return client;
}

const forbidden = new Set([
  'content-length',
  'host',
  'connection',
  'expect',
  'transfer-encoding',
  'te',
  'upgrade',
  'origin',
  'cookie',
  'date',
]);
