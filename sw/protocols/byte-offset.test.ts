// The byte-offset protocol as request traces: what is asked, and what is made of each answer. knowledge/protocols.md A1.

import { describe, expect, test } from 'vitest';
import type { Answer, Io, ProbeContext, Range, RequestOptions, UploadSource } from './adapter.js';
import { type ByteOffsetOptions, byteOffset } from './byte-offset.js';
import { jsonHeader } from './json-header.js';

const NOW = Date.UTC(2026, 10, 22, 12);
const upload: UploadSource = {
  id: 'random',
  endpoint: 'photos',
  name: 'a.bin',
  type: 'image/png',
  sizeBytes: 1000,
  lastModifiedMs: 1_700_000_000_000,
  metadata: {},
};

interface Said {
  readonly status?: number;
  readonly text?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A server that gives these answers one after another, and what it was asked. */
function serverSaying(...said: readonly (Said | string | number)[]) {
  const trace: (readonly [url: string, options: RequestOptions])[] = [];
  const sleeps: number[] = [];
  const io: Io = {
    bytes: () => Promise.reject(new Error('asked for the bytes')),
    request: async (url, options) => {
      trace.push([url, options]);
      const next = said[trace.length - 1];
      if (next === undefined) throw new Error('asked too often');
      const { status = 200, text = '', headers = {} } = typeof next === 'object' ? next : { text: String(next) };
      const answer: Answer = {
        url,
        status,
        ok: status >= 200 && status < 300,
        text,
        header: (name) => new Headers(headers).get(name),
      };
      return answer;
    },
    sleep: async (delayMs) => void sleeps.push(delayMs),
    nowMs: () => NOW,
  };
  return { io, trace, sleeps };
}

const make = (options: Partial<ByteOffsetOptions> = {}) =>
  byteOffset({ statusUrl: '/status', uploadUrl: '/upload', ...options });

const first: ProbeContext = { unsettled: false, finalSent: false, heldBytes: 0 };

async function probe(
  said: readonly (Said | string | number)[],
  context: Partial<ProbeContext> = {},
  options: Partial<ByteOffsetOptions> = {},
  source = upload,
) {
  const server = serverSaying(...said);
  const outcome = await make(options)
    .probe(source, {}, server.io, { ...first, ...context })
    .catch((cause: unknown) => cause);
  return { ...server, outcome };
}

async function send(
  said: Said | string,
  range: Range = [0, 1000],
  options: Partial<ByteOffsetOptions> = {},
  source = upload,
) {
  const server = serverSaying(said);
  const body = new Blob([new Uint8Array(range[1] - range[0])]);
  const outcome = await make(options)
    .send(source, {}, range, body, server.io)
    .catch((cause: unknown) => cause);
  return { ...server, outcome, body };
}

describe('the question', () => {
  test('is a GET with the file’s id', async () => {
    const { trace, outcome } = await probe(['400']);
    expect(trace).toEqual([['/status', { method: 'GET', headers: { 'X-File-Id': 'a.bin-1000-1700000000000' } }]]);
    expect(outcome).toEqual({ held: [[0, 400]] });
  });

  test.each([
    ['文件.bin', '%E6%96%87%E4%BB%B6.bin'],
    ['😀.bin', '%F0%9F%98%80.bin'],
    ['a\uD800b', 'a%EF%BF%BDb'],
    ['\uDC00', '%EF%BF%BD'],
    ['a b\r\nX-Evil: 1', 'a%20b%0D%0AX-Evil%3A%201'],
    ['é%', '%C3%A9%25'],
    ['\uFEFFa', '%EF%BB%BFa'],
    ['', ''],
  ])('carries the name %j percent-encoded', async (name, encoded) => {
    const { trace } = await probe(['0'], {}, {}, { ...upload, name });
    expect(trace[0]?.[1].headers).toEqual({ 'X-File-Id': `${encoded}-1000-1700000000000` });
  });

  test('takes an id of the app’s own, and encodes that too', async () => {
    const { trace } = await probe(['0'], {}, { fileId: ({ id, metadata }) => `${id}/${metadata['album'] ?? '猫'}` });
    expect(trace[0]?.[1].headers).toEqual({ 'X-File-Id': 'random%2F%E7%8C%AB' });
  });
});

describe('the answer to the question', () => {
  test.each<[Said | string, number]>([
    ['0', 0],
    ['1', 1],
    ['999', 999],
    ['1000', 1000],
    [' 12\r\n', 12],
    ['0012', 12],
    [{ text: '5', status: 201 }, 5],
    [{ text: '5', headers: { 'Content-Type': 'text/plain' } }, 5],
    [{ status: 404, text: 'no such file' }, 0],
    [{ status: 410 }, 0],
  ])('%j means %i bytes', async (said, number) => {
    expect((await probe([said])).outcome).toEqual({ held: [[0, number]] });
  });

  test.each<[string, Said | string]>([
    ['nothing', ''],
    ['JSON', '{"offset":5}'],
    ['quoted', '"5"'],
    ['negative', '-5'],
    ['a fraction', '5.5'],
    ['an exponent', '1e3'],
    ['hexadecimal', '0x10'],
    ['a number and more', '12abc'],
    ['two numbers', '1 2'],
    ['NaN', 'NaN'],
    ['other digits', '１２'],
    ['a page', { text: '<!DOCTYPE html><p>5', headers: { 'Content-Type': 'text/html' } }],
    ['a page without a type', '  <html><body>Sign in</body></html>'],
    ['more digits than a number has', '9'.repeat(40)],
  ])('%s is an answer that makes no sense: waited for, never believed', async (_, said) => {
    expect((await probe([said])).outcome).toMatchObject({
      verdict: 'unreachable',
      code: 'unexpected-answer',
      httpStatus: 200,
    });
  });

  test.each(['1001', '999999999999999'])('%s of 1000 bytes is another file: fatal', async (said) => {
    expect((await probe([said])).outcome).toMatchObject({ verdict: 'fatal', code: 'offset-beyond-size' });
  });

  const refusals: readonly (readonly [number, string, string])[] = [
    [300, 'unreachable', 'server-error'],
    [302, 'unreachable', 'server-error'],
    [400, 'fatal', 'refused'],
    [401, 'auth', 'unauthorized'],
    [403, 'auth', 'unauthorized'],
    [405, 'fatal', 'refused'],
    [408, 'unreachable', 'server-error'],
    [409, 'resync', 'offset-mismatch'],
    [412, 'resync', 'offset-mismatch'],
    [416, 'resync', 'offset-mismatch'],
    [423, 'busy', 'locked'],
    [425, 'unreachable', 'server-error'],
    [429, 'unreachable', 'rate-limited'],
    [500, 'busy', 'server-error'],
    [501, 'unreachable', 'server-error'],
    [502, 'unreachable', 'server-error'],
    [503, 'unreachable', 'server-error'],
    [504, 'unreachable', 'server-error'],
    [599, 'unreachable', 'server-error'],
  ];
  test.each(refusals)('%i is %s, %s', async (status, verdict, code) => {
    const { outcome } = await probe([{ status, text: 'because' }]);
    expect(outcome).toMatchObject({ verdict, code, httpStatus: status, retryAfterMs: undefined });
    expect((outcome as Error).message).toContain('(because)');
  });

  test('a page of a proxy is not quoted to the user', async () => {
    const { outcome } = await probe([{ status: 502, text: '<html><h1>Bad Gateway</h1>' }]);
    expect((outcome as Error).message).not.toContain('<');
  });

  test.each<[string, number | undefined]>([
    ['120', 120_000],
    [' 0 ', 0],
    ['-5', 0],
    ['1.5', 1500],
    ['Sun, 22 Nov 2026 12:01:00 GMT', 60_000],
    ['Sun, 22 Nov 2026 11:00:00 GMT', 0],
    ['soon', undefined],
    ['', undefined],
  ])('Retry-After: %j asks for %s ms', async (value, retryAfterMs) => {
    const { outcome } = await probe([{ status: 503, headers: { 'Retry-After': value } }]);
    expect(outcome).toMatchObject({ verdict: 'unreachable', retryAfterMs });
  });
});

describe('a number that may still move', () => {
  test('is taken as it is when no request of ours is under way', async () => {
    const { trace, sleeps } = await probe(['400'], { heldBytes: 400 });
    expect([trace.length, sleeps]).toEqual([1, []]);
  });

  test('is asked for until two answers agree', async () => {
    const { outcome, sleeps } = await probe(['400', '500', '600', '600'], { unsettled: true });
    expect(outcome).toEqual({ held: [[0, 600]] });
    expect(sleeps).toEqual([1000, 1000, 1000]);
  });

  test('is not asked for twice when it is the whole file', async () => {
    expect((await probe(['1000'], { unsettled: true })).trace).toHaveLength(1);
  });

  test('that became the whole file meanwhile is believed at once or at the next', async () => {
    const { outcome } = await probe(['400', '1000', '1000'], { unsettled: true });
    expect(outcome).toEqual({ held: [[0, 1000]] });
  });

  test('is not asked for twice of a server that ends older requests', async () => {
    expect((await probe(['400'], { unsettled: true }, { settleMs: 0 })).trace).toHaveLength(1);
  });

  test('that fell is asked for again, whatever the server', async () => {
    for (const settleMs of [0, 1000]) {
      const { outcome, sleeps } = await probe(['0', '0'], { heldBytes: 400 }, { settleMs });
      expect(outcome).toEqual({ held: [[0, 0]] });
      expect(sleeps).toEqual([settleMs]);
    }
  });

  test('that fell by mistake is forgotten', async () => {
    const { outcome } = await probe(['0', '400', '400'], { heldBytes: 400 });
    expect(outcome).toEqual({ held: [[0, 400]] });
  });

  test('that never stands is taken after eight questions', async () => {
    const { outcome, trace } = await probe([1, 2, 3, 4, 5, 6, 7, 8], { unsettled: true });
    expect([trace.length, outcome]).toEqual([8, { held: [[0, 8]] }]);
  });

  test('and a refusal between two answers counts', async () => {
    expect((await probe(['0', { status: 503 }], { heldBytes: 400 })).outcome).toMatchObject({ verdict: 'unreachable' });
  });
});

describe('0 after the last byte was sent', () => {
  const sent = { finalSent: true, heldBytes: 600 };
  test('is the start of another delivery by default', async () => {
    expect((await probe([0, 0], sent)).outcome).toEqual({ held: [[0, 0]] });
  });

  test("is the end of a delivery with 'done'", async () => {
    const { outcome } = await probe([0, 0], sent, { zeroAfterLastPiece: 'done' });
    expect(outcome).toEqual({ held: [[0, 1000]], done: true });
  });

  test("as 404 is the same with 'done'", async () => {
    const { outcome } = await probe([{ status: 404 }, { status: 404 }], sent, { zeroAfterLastPiece: 'done' });
    expect(outcome).toMatchObject({ done: true });
  });

  test.each<[string, Partial<ProbeContext>, readonly number[]]>([
    ['the last byte was not sent', { heldBytes: 600 }, [0, 0]],
    ['nothing was ever acknowledged', { finalSent: true }, [0]],
    ['it holds something', sent, [5, 5]],
  ])("is no end even with 'done' if %s", async (_, context, said) => {
    const { outcome } = await probe(said, context, { zeroAfterLastPiece: 'done' });
    expect(outcome).toEqual({ held: [[0, said[0]]] });
  });
});

describe('a body', () => {
  test('is a POST with id, start and size, and the bytes as they are', async () => {
    const { trace, body, outcome } = await send('', [400, 1000]);
    expect(trace).toEqual([
      [
        '/upload',
        {
          method: 'POST',
          headers: { 'X-File-Id': 'a.bin-1000-1700000000000', 'X-Start-Byte': '400', 'X-File-Size': '1000' },
          body,
        },
      ],
    ]);
    expect(outcome).toEqual({});
  });

  test('of an empty file is a POST with an empty Blob', async () => {
    const { trace, outcome } = await send('Success 0', [0, 0], {}, { ...upload, sizeBytes: 0 });
    expect(trace[0]?.[1].body?.size).toBe(0);
    expect(outcome).toEqual({});
  });

  test.each<[Said | string, object]>([
    ['', {}],
    ['OK', {}],
    ['Success 1000', {}],
    ['{"ok":true}', {}],
    ['1000', { held: [[0, 1000]] }],
    ['700', { held: [[0, 700]] }],
    [{ status: 204 }, {}],
  ])('answered by %j means %j', async (said, reply) => {
    expect((await send(said, [400, 1000])).outcome).toEqual(reply);
  });

  test('of an empty file answered by 0 is done', async () => {
    expect((await send('0', [0, 0], {}, { ...upload, sizeBytes: 0 })).outcome).toEqual({ held: [[0, 0]] });
  });

  test.each(['0', '399', '400'])('of which nothing was taken (%s) is asked about', async (said) => {
    expect((await send(said, [400, 1000])).outcome).toMatchObject({ verdict: 'resync', code: 'offset-mismatch' });
  });

  test('answered by more than the file has is fatal', async () => {
    expect((await send('1001', [400, 1000])).outcome).toMatchObject({ verdict: 'fatal', code: 'offset-beyond-size' });
  });

  test('answered by a page was not taken', async () => {
    const page = { text: '<html>', headers: { 'Content-Type': 'text/html; charset=utf-8' } };
    expect((await send(page)).outcome).toMatchObject({ verdict: 'unreachable', code: 'unexpected-answer' });
  });

  test.each([
    [400, 'resync', 'offset-mismatch'],
    [409, 'resync', 'offset-mismatch'],
    [412, 'resync', 'offset-mismatch'],
    [416, 'resync', 'offset-mismatch'],
    [401, 'auth', 'unauthorized'],
    [403, 'auth', 'unauthorized'],
    [404, 'fatal', 'refused'],
    [410, 'fatal', 'refused'],
    [413, 'smaller', 'too-large'],
    [415, 'fatal', 'refused'],
    [422, 'fatal', 'refused'],
    [423, 'busy', 'locked'],
    [429, 'unreachable', 'rate-limited'],
    [500, 'busy', 'server-error'],
    [503, 'unreachable', 'server-error'],
    [507, 'unreachable', 'server-error'],
    [302, 'unreachable', 'server-error'],
    [308, 'unreachable', 'server-error'],
  ])('refused with %i is %s, %s', async (status, verdict, code) => {
    const headers = { 'Retry-After': '7' };
    expect((await send({ status, headers })).outcome).toMatchObject({
      verdict,
      code,
      httpStatus: status,
      retryAfterMs: 7000,
    });
  });
});

describe('options', () => {
  test('metadata goes along only where a header was named, as ASCII', async () => {
    const source = { ...upload, name: '猫\uD800.png', metadata: { album: '7', note: 'a\nb' } };
    const { trace } = await send('', [0, 1000], { metadataHeader: jsonHeader('X-Meta') }, source);
    const value = trace[0]?.[1].headers?.['X-Meta'] ?? '';
    expect(value).toMatch(/^[\x21-\x7e]+$/);
    expect(JSON.parse(decodeURIComponent(value))).toEqual({
      // JSON itself escapes what is not well-formed.
      filename: '猫\uD800.png',
      filetype: 'image/png',
      lastModified: String(upload.lastModifiedMs),
      album: '7',
      note: 'a\nb',
    });
    const asked = await probe(['0'], {}, { metadataHeader: jsonHeader('X-Meta') });
    expect(asked.trace[0]?.[1].headers).not.toHaveProperty('X-Meta');
  });

  test.each([
    [undefined, {}],
    ['rest', { minBytes: Infinity }],
    [1, { maxBytes: 1 }],
    [8_000_000, { maxBytes: 8_000_000 }],
  ] as const)('pieceSize %s', (pieceSize, limits) => {
    expect(make(pieceSize === undefined ? {} : { pieceSize }).limits).toEqual(limits);
  });

  test.each([0, -1, 1.5, NaN, Infinity, '5', null])('pieceSize %s is refused when the worker starts', (pieceSize) => {
    expect(() => make({ pieceSize: pieceSize as never })).toThrow(RangeError);
  });

  test('tokens and credentials are left to whoever sends', () => {
    const headers = () => ({ Authorization: 'x' });
    expect(make({ headers, credentials: 'include' }).requests).toMatchObject({ headers, credentials: 'include' });
  });
});
