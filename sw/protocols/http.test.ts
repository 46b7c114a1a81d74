// One request, and all that can become of it. Real HTTP where the network matters, a clock of the test's own.

import type { IncomingHttpHeaders } from 'node:http';
import { describe, expect, test } from 'vitest';
import { serve } from '../../e2e/harness/serve.js';
import { ProtocolFailure, type RequestOptions } from './adapter.js';
import { encodeHeader, type HttpOptions, hedge, requestOnce, retryAfterMs } from './http.js';

const never = <Value>() => new Promise<Value>(() => {});

/** A limit that ends when the test says so, or never. */
function untilAborted(signal: AbortSignal): Promise<number> {
  return new Promise((_, reject) => {
    signal.throwIfAborted();
    signal.addEventListener('abort', () => reject(signal.reason));
  });
}

function send(url: string, http: Partial<HttpOptions> = {}, options: Partial<RequestOptions> = {}) {
  return requestOnce(
    url,
    { method: 'GET', ...options },
    {
      fetch,
      credentials: 'same-origin',
      signal: new AbortController().signal,
      headers: () => ({}),
      limit: untilAborted,
      ...http,
    },
  );
}

/** A fetch that answers at once, and what it was given last. */
function recorded() {
  let given: RequestInit | undefined;
  const fake: typeof fetch = async (_, init) => {
    given = init;
    return new Response('ok');
  };
  return { fake, init: () => given };
}

const failure = (request: Promise<unknown>) =>
  request.then(
    () => undefined,
    (cause: unknown) => cause,
  );

describe('a request', () => {
  test('carries method, body and headers; the app’s own go along, the protocol’s win', async () => {
    let seen: { method: string | undefined; headers: IncomingHttpHeaders; body: string } | undefined;
    const url = await serve(async (request, response) => {
      let body = '';
      for await (const part of request) body += part;
      seen = { method: request.method, headers: request.headers, body };
      response.writeHead(201, { 'X-Answer': 'yes' }).end('stored');
    });
    const answer = await send(
      url,
      { headers: async () => ({ Authorization: 'Bearer x', 'X-Start-Byte': '9' }) },
      { method: 'POST', headers: { 'X-Start-Byte': '3' }, body: new Blob(['abc']) },
    );
    expect(seen).toMatchObject({
      method: 'POST',
      body: 'abc',
      headers: { authorization: 'Bearer x', 'x-start-byte': '3', 'content-length': '3' },
    });
    // An untyped Blob: a type of its own would break presigned URLs.
    expect(seen?.headers).not.toHaveProperty('content-type');
    expect([answer.status, answer.ok, answer.text, answer.header('x-answer'), answer.header('x-none')]).toEqual([
      201,
      true,
      'stored',
      'yes',
      null,
    ]);
  });

  test('never follows, and carries the credentials that were asked for', async () => {
    const { init, fake } = recorded();
    await send('/x', { fetch: fake, credentials: 'include' });
    expect(init()).toMatchObject({ redirect: 'manual', credentials: 'include' });
  });

  test('is never answered from a cache, and has no preflight forgotten for that where it has a body', async () => {
    const { init, fake } = recorded();
    await send('/x', { fetch: fake });
    expect(init()).toMatchObject({ cache: 'no-store' });
    await send('/x', { fetch: fake }, { method: 'POST', body: new Blob([]) });
    expect(init()).toMatchObject({ cache: 'default' });
  });

  test('asks for the app’s headers each time anew', async () => {
    let calls = 0;
    const http: Partial<HttpOptions> = {
      fetch: async () => new Response(''),
      headers: () => {
        calls += 1;
        return {};
      },
    };
    await send('/x', http);
    await send('/x', http);
    expect(calls).toBe(2);
  });

  test.each([400, 401, 404, 413, 500, 503])('answered with %i is an answer, not a failure', async (status) => {
    const url = await serve((_, response) => response.writeHead(status).end('why'));
    expect(await send(url)).toMatchObject({ status, ok: false, text: 'why' });
  });
});

describe('what is no answer', () => {
  test('a refused connection', async () => {
    const { name, verdict, code, httpStatus } = (await failure(send('http://127.0.0.1:1/'))) as ProtocolFailure;
    expect({ name, verdict, code, httpStatus }).toEqual({
      name: 'ProtocolFailure',
      verdict: 'unreachable',
      code: 'network',
      httpStatus: undefined,
    });
  });

  test('a connection that ends in the middle of the answer', async () => {
    const url = await serve((_, response) => {
      response.writeHead(200, { 'Content-Length': '100' });
      response.write('12');
      setImmediate(() => response.destroy());
    });
    expect(await failure(send(url))).toMatchObject({ verdict: 'unreachable', code: 'network' });
  });

  test('a redirect, as browsers show it', async () => {
    const opaque = { type: 'opaqueredirect', status: 0, ok: false, body: null, headers: new Headers() } as Response;
    expect(await failure(send('/x', { fetch: async () => opaque }))).toMatchObject({
      verdict: 'unreachable',
      code: 'unexpected-answer',
    });
  });

  test('a failure of the app’s own that says what it means is passed on', async () => {
    const mine = new ProtocolFailure('auth', 'unauthorized', 'no token');
    const headers = async () => {
      throw mine;
    };
    expect(await failure(send('/x', { headers }))).toBe(mine);
  });

  test.each([
    () => {
      throw new TypeError('undefined is not a function');
    },
    async () => {
      throw new Error('token server is down');
    },
  ])('headers() that throws: waited for, with its reason kept', async (headers) => {
    expect(await failure(send('/x', { headers }))).toMatchObject({
      verdict: 'unreachable',
      cause: { message: expect.stringMatching(/undefined|token/) },
    });
  });

  test.each(['猫', 'é', 'a\nb', 'a\u0000', '\u007f', 'tab\there'])(
    'a header that HTTP cannot carry (%j) is named',
    async (value) => {
      const asked = failure(send('/x', { headers: () => ({ 'X-Token': value }), fetch: () => never() }));
      expect(await asked).toMatchObject({
        verdict: 'fatal',
        code: 'invalid-option',
        message: expect.stringContaining('X-Token'),
      });
    },
  );
});

describe('the time limit', () => {
  test('ends a request that gets no answer', async () => {
    const url = await serve(() => {});
    expect(await failure(send(url, { limit: async () => 8000 }))).toMatchObject({
      verdict: 'unreachable',
      code: 'timeout',
      message: expect.stringContaining('8 s'),
    });
  });

  test('ends an answer that drips for ever', async () => {
    let arrived = () => {};
    const flowing = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    const url = await serve((_, response) => {
      response.write('1');
      arrived();
    });
    expect(await failure(send(url, { limit: () => flowing.then(() => 8000) }))).toMatchObject({ code: 'timeout' });
  });

  test('ends a token hook that never answers', async () => {
    expect(await failure(send('/x', { headers: () => never(), limit: async () => 8000 }))).toMatchObject({
      code: 'timeout',
    });
  });

  test('is let go of when the answer is there, and when there is none', async () => {
    const url = await serve((_, response) => response.end('ok'));
    for (const target of [url, 'http://127.0.0.1:1/']) {
      let ended = false;
      const limit = (signal: AbortSignal) =>
        untilAborted(signal).finally(() => {
          ended = true;
        });
      await failure(send(target, { limit }));
      await new Promise((resolve) => setImmediate(resolve));
      expect(ended).toBe(true);
    }
  });
});

describe('a stop', () => {
  test('ends the request at the server', async () => {
    let closed = () => {};
    const gone = new Promise<void>((resolve) => {
      closed = resolve;
    });
    const stop = new AbortController();
    const url = await serve((request) => {
      request.on('close', closed);
      stop.abort();
    });
    expect(await failure(send(url, { signal: stop.signal }))).toBeInstanceOf(ProtocolFailure);
    await gone;
  });

  test('before it began sends nothing', async () => {
    let requests = 0;
    const url = await serve((_, response) => {
      requests += 1;
      response.end();
    });
    expect(await failure(send(url, { signal: AbortSignal.abort() }))).toBeInstanceOf(ProtocolFailure);
    expect(requests).toBe(0);
  });

  test('before it began does not wait for a token hook either', async () => {
    expect(await failure(send('/x', { signal: AbortSignal.abort(), headers: () => never() }))).toBeInstanceOf(
      ProtocolFailure,
    );
  });

  test('while a token is fetched ends at once', async () => {
    const stop = new AbortController();
    const asked = failure(send('/x', { signal: stop.signal, headers: () => never() }));
    stop.abort();
    expect(await asked).toBeInstanceOf(ProtocolFailure);
  });
});

describe('an answer', () => {
  test('that streams for ever is read to a bound, and the connection is let go of', async () => {
    let gone = () => {};
    const closed = new Promise<void>((resolve) => {
      gone = resolve;
    });
    let sent = 0;
    const url = await serve((_, response) => {
      const more = () => {
        sent += 16_384;
        if (!response.destroyed) response.write('x'.repeat(16_384), () => setImmediate(more));
      };
      response.on('close', gone);
      more();
    });
    const { text } = await send(url);
    expect(text.length).toBeGreaterThanOrEqual(65_536);
    expect(text.length).toBeLessThan(1_000_000);
    await closed;
    expect(sent).toBeLessThan(50_000_000);
  });

  test.each([0, 1, 65_535, 65_536])('of %i characters is read whole', async (length) => {
    const url = await serve((_, response) => response.end('x'.repeat(length)));
    expect((await send(url)).text).toHaveLength(length);
  });

  test('in UTF-8 that is cut between chunks is read as it is', async () => {
    const bytes = Buffer.from('猫'.repeat(3));
    const url = await serve((_, response) => {
      response.write(bytes.subarray(0, 4), () => response.end(bytes.subarray(4)));
    });
    expect((await send(url)).text).toBe('猫猫猫');
  });

  test('without a body is empty text', async () => {
    const url = await serve((_, response) => response.writeHead(204).end());
    expect(await send(url)).toMatchObject({ status: 204, ok: true, text: '' });
  });
});

test.each([
  ['plain.txt', 'plain.txt'],
  ['文件', '%E6%96%87%E4%BB%B6'],
  ['😀', '%F0%9F%98%80'],
  ['\uD83D', '%EF%BF%BD'],
  ['\uDE00\uD83D', '%EF%BF%BD%EF%BF%BD'],
  ['a\r\nb', 'a%0D%0Ab'],
  ['\uFEFFbom', '%EF%BB%BFbom'],
  ['', ''],
])('encodeHeader(%j) is %s', (value, encoded) => {
  expect(encodeHeader(value)).toBe(encoded);
  expect(encoded).toMatch(/^[\x21-\x7e]*$/);
});

test.each<[string | null, number | undefined]>([
  [null, undefined],
  ['', undefined],
  ['  ', undefined],
  ['3', 3000],
  ['0', 0],
  ['-1', 0],
  ['Infinity', undefined],
  ['Thu, 01 Jan 1970 00:01:00 GMT', 50_000],
  ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
  ['tomorrow', undefined],
])('Retry-After %j at 10 s is %s ms', (value, expected) => {
  const answer = { url: '', status: 503, ok: false, text: '', header: () => value };
  expect(retryAfterMs(answer, 10_000)).toBe(expected);
});

describe('a question on several connections', () => {
  /** Lets the test say when the next one may be asked. */
  function steps() {
    const waiting: (() => void)[] = [];
    return {
      next: async () => {
        waiting.shift()?.();
        await new Promise((resolve) => setImmediate(resolve));
      },
      sleep: (_: number, signal: AbortSignal) =>
        new Promise<void>((resolve, reject) => {
          waiting.push(resolve);
          signal.addEventListener('abort', () => reject(signal.reason));
        }),
    };
  }

  test('is asked once if the first answers', async () => {
    let asked = 0;
    const answer = await hedge(
      async () => {
        asked += 1;
        return 'yes';
      },
      1000,
      steps().sleep,
    );
    expect([answer, asked]).toEqual(['yes', 1]);
  });

  test('is asked six times at most; the first answer ends the others', async () => {
    const { next, sleep } = steps();
    const signals: AbortSignal[] = [];
    let answer = (_: string) => {};
    const hedged = hedge(
      (signal) => {
        signals.push(signal);
        return new Promise<string>((resolve) => {
          if (signals.length === 3) answer = resolve;
        });
      },
      1000,
      sleep,
    );
    for (let count = 0; count < 10; count += 1) await next();
    expect(signals).toHaveLength(6);
    answer('third');
    expect(await hedged).toBe('third');
    expect(signals.every(({ aborted }) => aborted)).toBe(true);
  });

  test('fails when all that were asked have failed', async () => {
    await expect(
      hedge(
        async () => {
          throw new ProtocolFailure('unreachable', 'network', 'refused');
        },
        1000,
        steps().sleep,
      ),
    ).rejects.toMatchObject({ code: 'network' });
  });
});
