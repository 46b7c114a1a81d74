// The only caller of fetch. Turns whatever can happen to a request into an answer or a ProtocolFailure: every
// request has a time limit, every answer is bounded, redirects and sign-in pages are not mistaken for answers.

import { type Answer, ProtocolFailure, type RequestOptions } from './adapter.js';

/** Largest answer that is read. No status, receipt or problem of any protocol comes near it. */
const ANSWER_BYTES = 65_536;

export interface HttpOptions {
  readonly fetch: typeof fetch;
  readonly credentials: RequestCredentials;
  /** Ends the request when the upload is stopped. */
  readonly signal: AbortSignal;
  /** Headers of the app (a token), asked for anew for each request. Values: visible ASCII. */
  readonly headers: () => Promise<Readonly<Record<string, string>>> | Readonly<Record<string, string>>;
  /** Resolves after `limitMs()`; re-arms itself as long as that has grown meanwhile. Rejects with `signal`. */
  readonly limit: (signal: AbortSignal) => Promise<number>;
}

/** Sends one request and reads its answer to the end. */
export async function requestOnce(url: string, options: RequestOptions, http: HttpOptions): Promise<Answer> {
  const abort = new AbortController();
  const stop = () => abort.abort(http.signal.reason);
  if (http.signal.aborted) stop();
  http.signal.addEventListener('abort', stop);
  let limitMs: number | undefined;
  const timer = http.limit(abort.signal).then(
    (elapsed) => {
      limitMs = elapsed;
      abort.abort();
    },
    () => {},
  );
  try {
    const appHeaders = await http.headers();
    const headers = checkedHeaders({ ...appHeaders, ...options.headers });
    const response = await http.fetch(url, {
      method: options.method,
      headers,
      ...(options.body === undefined ? {} : { body: options.body }),
      credentials: http.credentials,
      cache: 'no-store',
      // A redirected POST becomes a GET, and a sign-in page becomes a success.
      redirect: 'manual',
      signal: abort.signal,
    });
    if (response.type === 'opaqueredirect') throw redirected(url);
    const text = await readText(response, ANSWER_BYTES);
    return { status: response.status, ok: response.ok, text, header: (name) => response.headers.get(name) };
  } catch (cause) {
    if (cause instanceof ProtocolFailure) throw cause;
    if (limitMs !== undefined) {
      const seconds = Math.round(limitMs / 1000);
      throw new ProtocolFailure(
        'unreachable',
        'timeout',
        `${url} did not answer within ${seconds} s. It is asked again.`,
        { cause },
      );
    }
    throw new ProtocolFailure('unreachable', 'network', `${url} could not be reached. It is tried again by itself.`, {
      cause,
    });
  } finally {
    http.signal.removeEventListener('abort', stop);
    abort.abort();
    await timer;
  }
}

function redirected(url: string): ProtocolFailure {
  return new ProtocolFailure(
    'unreachable',
    'unexpected-answer',
    `${url} redirects. Configure the final address; if it leads to a sign-in page, sign in again.`,
  );
}

/** A header that fetch would refuse is a mistake in the app's code, and named as such. */
function checkedHeaders(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  for (const [name, value] of Object.entries(headers)) {
    if (/^[\x20-\x7e]*$/.test(value)) continue;
    throw new ProtocolFailure(
      'fatal',
      'invalid-option',
      `The header ${name} has a value that HTTP cannot carry. Encode it with encodeHeader().`,
    );
  }
  return headers;
}

async function readText(response: Response, maxBytes: number): Promise<string> {
  const reader = response.body?.getReader();
  if (reader === undefined) return '';
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  while (bytes < maxBytes) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    bytes += value.byteLength;
    text += decoder.decode(value, { stream: true });
  }
  await reader.cancel();
  return text;
}

/** Percent-encodes what HTTP headers cannot carry; a Chinese file name in a header throws in every browser. */
export function encodeHeader(value: string): string {
  return encodeURIComponent(toWellFormed(value));
}

/** `encodeURIComponent` throws on a lone surrogate, which file names may have. */
function toWellFormed(value: string): string {
  const native = (value as { toWellFormed?: () => string }).toWellFormed;
  return native === undefined
    ? value.replace(/[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g, '\uFFFD')
    : native.call(value);
}

/** Milliseconds of a Retry-After (seconds or a date); undefined without one, or cross-origin without exposure. */
export function retryAfterMs(answer: Answer, nowMs: number): number | undefined {
  const value = answer.header('Retry-After');
  if (value === null || value.trim() === '') return undefined;
  const seconds = Number(value);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(value) - nowMs;
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}
