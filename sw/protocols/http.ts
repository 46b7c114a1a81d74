// The only caller of fetch. Turns whatever can happen to a request into an answer or a ProtocolFailure: every
// request has a time limit, every answer is bounded, redirects and sign-in pages are not mistaken for answers.

import { type Answer, ProtocolFailure, type RequestOptions } from './adapter.js';

/** Largest answer that is read, unless an adapter knows better. No status, receipt or problem comes near it. */
const ANSWER_CHARACTERS = 65_536;

export interface HttpOptions {
  readonly fetch: typeof fetch;
  readonly credentials: RequestCredentials;
  /** Ends the request when the upload is stopped. */
  readonly signal: AbortSignal;
  /** Headers of the app (a token), asked for anew for each request. Values: visible ASCII. */
  readonly headers: () => Promise<Readonly<Record<string, string>>> | Readonly<Record<string, string>> | undefined;
  /** Resolves after `limitMs()`; re-arms itself as long as that has grown meanwhile. Rejects as soon as `signal` is aborted. */
  readonly limit: (signal: AbortSignal) => Promise<number>;
}

/** Sends one request and reads its answer to the end. */
export async function requestOnce(url: string, options: RequestOptions, http: HttpOptions): Promise<Answer> {
  const over = new AbortController();
  const signal = AbortSignal.any([http.signal, over.signal]);
  const late = async (): Promise<never> => {
    const limitMs = await http.limit(signal);
    throw new ProtocolFailure('unreachable', 'timeout', `${url}: no answer in ${Math.round(limitMs / 1000)} s`);
  };
  const exchange = async () => {
    const response = await http.fetch(url, {
      method: options.method,
      headers: checkedHeaders({ ...(await http.headers()), ...options.headers }),
      body: options.body ?? null,
      credentials: http.credentials,
      // A question must not be answered from a cache; nothing with a body is, and there `no-store` would only have the
      // browser forget the preflight of the same URL: one more round trip for every request to another origin.
      cache: options.body ? 'default' : 'no-store',
      // A redirected POST becomes a GET, and a sign-in page becomes a success.
      redirect: 'manual',
      signal,
    });
    if (response.type === 'opaqueredirect') {
      throw new ProtocolFailure('unreachable', 'unexpected-answer', `${url} redirects`);
    }
    const { url: answeredBy, status, ok, headers } = response;
    return {
      url: answeredBy,
      status,
      ok,
      text: await readText(response, options.answerCharacters),
      header: (name: string) => headers.get(name),
    };
  };
  try {
    // Raced, since a hook of the app that never answers must not hold up a pause.
    return await Promise.race([exchange(), late()]);
  } catch (cause) {
    if (cause instanceof ProtocolFailure) throw cause;
    throw new ProtocolFailure('unreachable', 'network', `${url} is out of reach`, { cause });
  } finally {
    // Ends the timer, and whatever is left of an answer that came too late or was too long.
    over.abort();
  }
}

/** HTTP/1.1 has six connections an origin. */
const MOST_CONNECTIONS = 6;

/**
 * Asks the same on another connection every `everyMs` until one answers; the others are then ended. When a network goes
 * silent, every idle connection of the browser's pool is dead, and only ending a request on it removes one: asking one
 * after the other took 90 s in Chromium. For questions only, since each may be carried out.
 */
export async function hedge<Value>(
  ask: (signal: AbortSignal) => Promise<Value>,
  everyMs: number,
  sleep: (delayMs: number, signal: AbortSignal) => Promise<void>,
): Promise<Value> {
  const over = new AbortController();
  const asked: Promise<Value>[] = [];
  try {
    for (;;) {
      asked.push(ask(over.signal));
      // Rejects only when all of them have failed; the last one's reason is as good as any.
      const answer = Promise.any(asked).catch((cause: AggregateError) => Promise.reject(cause.errors.at(-1)));
      if (asked.length === MOST_CONNECTIONS) return await answer;
      const late = sleep(everyMs, over.signal);
      late.catch(() => {});
      const first = await Promise.race([answer, late]);
      if (first) return first;
    }
  } finally {
    over.abort();
  }
}

/** A header that fetch would refuse is a mistake in the app's code, and named as such. */
function checkedHeaders(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  for (const [name, value] of Object.entries(headers)) {
    if (/^[\x20-\x7e]*$/.test(value)) continue;
    throw new ProtocolFailure('fatal', 'invalid-option', `${name} is no visible ASCII: use encodeHeader()`);
  }
  return headers;
}

/** No further than `most` characters; whatever comes after them is let go of. */
export async function readText(response: Response, most = ANSWER_CHARACTERS): Promise<string> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  while (reader && text.length < most) {
    const { done, value } = await reader.read();
    if (done) break;
    text += value;
  }
  reader?.cancel().catch(() => {});
  return text;
}

/**
 * Percent-encodes what HTTP headers cannot carry; a Chinese file name in a header throws in every browser. A lone
 * surrogate, which file names may have and `encodeURIComponent` throws on, becomes U+FFFD.
 */
export function encodeHeader(value: string): string {
  return encodeURIComponent(value.replace(/\p{Cs}/gu, '\ufffd'));
}

/** Milliseconds of a Retry-After (seconds or a date); undefined without one, or cross-origin without exposure. */
export function retryAfterMs(answer: Answer, nowMs: number): number | undefined {
  const value = answer.header('Retry-After');
  if (!value?.trim()) return undefined;
  const seconds = Number(value);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(value) - nowMs;
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}
