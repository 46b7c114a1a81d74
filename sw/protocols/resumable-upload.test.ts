// "Resumable Uploads for HTTP" as request traces. https://datatracker.ietf.org/doc/draft-ietf-httpbis-resumable-upload/

import { describe, expect, test } from 'vitest';
import { NOW, outcomeOf, type Said, serverSaying, upload } from '../../e2e/protocols/trace.js';
import type { Adapter, Io, ProbeContext, Range, UploadSource } from './adapter.js';
import { type ResumableUploadOptions, resumableUpload } from './resumable-upload.js';

const ENDPOINT = 'https://up.example/photos';
const URL_1 = 'https://up.example/uploads/1';
const version = { 'Upload-Draft-Interop-Version': '9' };
const make = (options: Partial<ResumableUploadOptions> = {}) => resumableUpload({ endpoint: ENDPOINT, ...options });
const answer = (status: number, headers: Record<string, string | number | undefined> = {}, text = ''): Said => ({
  status,
  text,
  headers: Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]])),
  ),
});
const created = (headers: Record<string, string> = {}) =>
  answer(201, { Location: '/uploads/1', 'Upload-Complete': '?0', ...headers });
/** As draft -12 has it, and as -15 does. */
const told12 = (offset: number, complete = false) =>
  answer(204, { 'Upload-Offset': offset, 'Upload-Length': 1000, 'Upload-Complete': complete ? '?1' : '?0' });
const told15 = (offset: number | string, headers: Record<string, string> = {}) =>
  answer(204, { 'Upload-Offset': offset, ...headers });
const problem = (status: number, type: string, headers: Record<string, string> = {}) =>
  answer(
    status,
    { 'Content-Type': 'application/problem+json', ...headers },
    JSON.stringify({ type: `https://iana.org/assignments/http-problem-types#${type}`, title: 'because' }),
  );
const done = { held: [[0, 1000]], done: true };

async function create(
  said: readonly (Said | number)[],
  options: Partial<ResumableUploadOptions> = {},
  source: UploadSource = upload,
  exposed?: readonly string[],
) {
  const server = serverSaying(said, exposed && { exposed });
  const outcome = await outcomeOf(make(options).create?.(source, server.io, { repeated: false }));
  expect(server.leftOver()).toBe(0);
  return { ...server, outcome };
}

async function send(
  said: readonly (Said | number)[],
  range: Range = [400, 1000],
  options: Partial<ResumableUploadOptions> = {},
  state: object = { open: true },
  exposed?: readonly string[],
) {
  const server = serverSaying(said, exposed && { exposed });
  const bytes = new Blob([new Uint8Array(range[1] - range[0])]);
  const outcome = await outcomeOf(make(options).send(upload, { url: URL_1, ...state }, range, bytes, server.io));
  expect(server.leftOver()).toBe(0);
  return { ...server, outcome };
}

async function finish(
  said: readonly (Said | number)[],
  open: boolean | null = null,
  options: Partial<ResumableUploadOptions> = {},
) {
  const server = serverSaying(said);
  const outcome = await outcomeOf(make(options).complete?.(upload, { url: URL_1, open }, server.io));
  expect(server.leftOver()).toBe(0);
  return { ...server, outcome };
}

async function probe(
  said: Said | number,
  options: Partial<ResumableUploadOptions> = {},
  context: Partial<ProbeContext> = {},
  state: object = {},
  exposed?: readonly string[],
) {
  const server = serverSaying([said], exposed && { exposed });
  const how = { unsettled: false, finalSent: false, heldBytes: 0, ...context };
  const outcome = await outcomeOf(make(options).probe(upload, { url: URL_1, ...state }, server.io, how));
  return { ...server, outcome };
}

describe('creation', () => {
  test('is a POST without content that says that there is more to come', async () => {
    const { asked, bodies, outcome } = await create([created()]);
    expect(asked).toEqual([
      [
        'POST',
        ENDPOINT,
        {
          ...version,
          'Upload-Complete': '?0',
          'Upload-Length': '1000',
          'Content-Type': 'image/jpeg',
          'Content-Disposition': "inline; filename*=UTF-8''%E6%96%87%E4%BB%B6%201.jpg",
        },
      ],
    ]);
    expect(bodies[0]?.size).toBe(0);
    expect(outcome).toEqual({ state: { url: URL_1, open: true }, held: [[0, 0]] });
  });

  test.each([
    ["a'(b)*!.jpg", 'a%27%28b%29%2A!.jpg'],
    ['a\uD800"\r\n;', 'a%EF%BF%BD%22%0D%0A%3B'],
    ['', ''],
  ])('names %j in ASCII', async (name, encoded) => {
    const { asked } = await create([created()], {}, { ...upload, name, type: '' });
    expect(asked[0]?.[2]['Content-Disposition']).toBe(`inline; filename*=UTF-8''${encoded}`);
    expect(asked[0]?.[2]).not.toHaveProperty('Content-Type');
  });

  test('tells what the server takes at once, and until when', async () => {
    const { outcome } = await create([
      created({ 'Upload-Limit': 'max-size=1000, max-append-size=300, min-append-size=100, max-age=60, x=("y")' }),
    ]);
    expect(outcome).toEqual({
      state: { url: URL_1, open: true, expiresAtMs: NOW + 60_000 },
      limits: { maxBytes: 300, minBytes: 100 },
      held: [[0, 0]],
    });
  });

  test.each([
    'max-append-size=?1, max-size=1',
    'max-append-size=-1',
    'max-size=1.5, max-append-size=3',
    'max-size=1,',
    'Max-Size=1',
  ])('ignores Upload-Limit: %s as a whole', async (value) => {
    expect((await create([created({ 'Upload-Limit': value })])).outcome).toEqual({
      state: { url: URL_1, open: true },
      held: [[0, 0]],
    });
  });

  test.each(['max-size=999', 'min-size=1001'])('of a file outside %s is undone', async (value) => {
    const { asked, outcome } = await create([created({ 'Upload-Limit': value }), 204]);
    expect(asked.at(-1)).toEqual(['DELETE', URL_1, version]);
    expect(outcome).toMatchObject({ verdict: 'fatal', code: 'too-large' });
  });

  test('on another origin ends: no byte and no header goes there, unless it is listed', async () => {
    const there = created({ Location: 'https://other.example/1' });
    const { asked, outcome } = await create([there]);
    expect([asked.length, outcome]).toMatchObject([1, { verdict: 'fatal', code: 'unexpected-answer' }]);
    expect((outcome as Error).message).toContain('uploadOrigins');
    const listed = await create([there], { uploadOrigins: ['https://other.example'] });
    expect(listed.outcome).toMatchObject({ state: { url: 'https://other.example/1' } });
  });

  test('without a readable Location ends the upload, and names what must be exposed', async () => {
    const { outcome } = await create([created()], {}, upload, ['Upload-Offset']);
    expect(outcome).toMatchObject({ verdict: 'fatal', code: 'unexpected-answer' });
    expect((outcome as Error).message).toMatch(/Location.*Access-Control-Expose-Headers/);
    const portal = answer(200, { 'Content-Type': 'text/html' }, '<html>');
    expect((await create([portal])).outcome).toMatchObject({ verdict: 'unreachable' });
  });

  test.each([
    [400, 'fatal', 'refused'],
    [401, 'auth', 'unauthorized'],
    [404, 'fatal', 'refused'],
    [409, 'fatal', 'refused'],
    [413, 'smaller', 'too-large'],
    [415, 'fatal', 'refused'],
    [429, 'unreachable', 'rate-limited'],
    [500, 'busy', 'server-error'],
    [503, 'unreachable', 'server-error'],
  ])('refused with %i is %s, %s', async (status, verdict, code) => {
    expect((await create([answer(status, { 'Retry-After': 7 })])).outcome).toMatchObject({
      verdict,
      code,
      retryAfterMs: 7000,
    });
  });
});

describe('the interop version', () => {
  test.each<[number | 'none' | undefined, object]>([
    [undefined, version],
    [6, { 'Upload-Draft-Interop-Version': '6' }],
    ['none', {}],
  ])('%s is said in every request', async (interopVersion, headers) => {
    const options = interopVersion === undefined ? {} : { interopVersion };
    const { asked } = await probe(told15(0), options);
    expect(asked).toEqual([['HEAD', URL_1, headers]]);
    const sent = await send([answer(201, { 'Upload-Complete': '?1' })], [0, 1000], options);
    expect(sent.asked[0]?.[2]).toEqual({
      ...headers,
      'Content-Type': 'application/partial-upload',
      'Upload-Offset': '0',
      'Upload-Complete': '?1',
    });
  });

  test.each([5, 0, -1, 6.5, NaN, '9', null])('%s is refused when the worker starts', (interopVersion) => {
    expect(() => make({ interopVersion: interopVersion as never })).toThrow(RangeError);
  });
});

describe('the question', () => {
  test.each<[string, Said, object]>([
    ['-12', told12(400), { held: [[0, 400]], state: { url: URL_1, open: true } }],
    ['-12, complete', told12(1000, true), { ...done, state: { url: URL_1, open: null } }],
    ['-12, all there and not complete', told12(1000), { held: [[0, 1000]], state: { url: URL_1, open: true } }],
    ['-15', told15(400), { held: [[0, 400]], state: { url: URL_1, open: null } }],
    ['-15, all there', told15(1000), { held: [[0, 1000]], state: { url: URL_1, open: null } }],
    ['-15, with parameters', told15('400;x=1'), { held: [[0, 400]], state: { url: URL_1, open: null } }],
  ])('answered as by %s', async (_, said, reply) => {
    expect((await probe(said)).outcome).toEqual(reply);
  });

  test.each(['', '-1', '1.5', '"5"', '5, 5', '?1'])(
    'answered by offset %j is waited for, and says which header',
    async (offset) => {
      const { outcome } = await probe(told15(offset));
      expect(outcome).toMatchObject({ verdict: 'unreachable', code: 'unexpected-answer' });
      expect((outcome as Error).message).toMatch(/Upload-Offset.*Access-Control-Expose-Headers/);
    },
  );

  test('hidden across origins is no number', async () => {
    expect((await probe(told12(400), {}, {}, {}, ['Location'])).outcome).toMatchObject({ code: 'unexpected-answer' });
  });

  test.each([told15(1001), answer(204, { 'Upload-Offset': 4, 'Upload-Length': 5 })])(
    'about another file is fatal',
    async (said) => {
      expect((await probe(said)).outcome).toMatchObject({ verdict: 'fatal', code: 'offset-beyond-size' });
    },
  );

  test.each([
    [401, 'auth'],
    [403, 'auth'],
    [404, 'restart'],
    [410, 'restart'],
    [423, 'busy'],
    [429, 'unreachable'],
    [500, 'busy'],
    [503, 'unreachable'],
  ])('refused with %i is %s', async (status, verdict) => {
    expect((await probe(status)).outcome).toMatchObject({ verdict, httpStatus: status });
  });

  test.each<[string, object, Partial<ResumableUploadOptions>, Partial<ProbeContext>, object]>([
    ['by default', { verdict: 'restart' }, {}, { finalSent: true }, {}],
    ["with 'done'", done, { goneAfterLastPiece: 'done' }, { finalSent: true }, {}],
    [
      "with 'done', in its lifetime",
      done,
      { goneAfterLastPiece: 'done' },
      { finalSent: true },
      { expiresAtMs: NOW + 1 },
    ],
    [
      "with 'done', after its lifetime",
      { verdict: 'restart' },
      { goneAfterLastPiece: 'done' },
      { finalSent: true },
      { expiresAtMs: NOW },
    ],
    [
      "with 'done', if the last byte was never sent",
      { verdict: 'restart' },
      { goneAfterLastPiece: 'done' },
      { heldBytes: 999 },
      {},
    ],
  ])('answered by 404 after the last byte was sent: %s', async (_, reply, options, context, state) => {
    expect((await probe(404, options, context, state)).outcome).toMatchObject(reply);
  });
});

describe('a body', () => {
  test('that is not the last', async () => {
    const { asked, outcome } = await send([answer(204, { 'Upload-Complete': '?0' })], [0, 400]);
    expect(asked).toEqual([
      [
        'PATCH',
        URL_1,
        { ...version, 'Content-Type': 'application/partial-upload', 'Upload-Offset': '0', 'Upload-Complete': '?0' },
        400,
      ],
    ]);
    expect(outcome).toMatchObject({ held: [[0, 400]] });
    expect(outcome).not.toHaveProperty('done');
  });

  test.each<[string, readonly Said[], object]>([
    ['a smaller offset', [answer(204, { 'Upload-Complete': '?0', 'Upload-Offset': 300 })], { held: [[0, 300]] }],
    ['nothing but an offset (interop 6)', [answer(204, { 'Upload-Offset': 400 })], { held: [[0, 400]] }],
    ['nothing at all: asked', [answer(204), told15(400)], { held: [[0, 400]] }],
    [
      'an offset that did not grow',
      [answer(204, { 'Upload-Complete': '?0', 'Upload-Offset': 0 })],
      { verdict: 'resync' },
    ],
    [
      'a web page',
      [answer(200, { 'Content-Type': 'text/html' }, '<html>')],
      { verdict: 'unreachable', code: 'unexpected-answer' },
    ],
    ['the offset of another file', [answer(204, { 'Upload-Offset': 1001 })], { code: 'offset-beyond-size' }],
  ])('that is not the last, answered by %s', async (_, said, reply) => {
    expect((await send(said, [0, 400])).outcome).toMatchObject(reply);
  });

  test.each<[string, readonly (Said | number)[], object]>([
    ['201 complete', [answer(201, { 'Upload-Complete': '?1' }, '{"key":"1"}')], done],
    ['204 complete', [answer(204, { 'Upload-Complete': '?1' })], done],
    [
      'a page of the resource’s own',
      [answer(200, { 'Upload-Complete': '?1', 'Content-Type': 'text/html' }, '<html>')],
      done,
    ],
    ['2xx and silence (interop 6): asked', [204, told12(1000, true)], done],
    ['2xx and silence, all there', [204, told15(1000)], { held: [[0, 1000]] }],
    ['2xx and silence, gone', [204, 404], done],
    ['2xx, taken in part', [answer(204, { 'Upload-Complete': '?0' }), told12(700)], { held: [[0, 700]] }],
    ['2xx, of which nothing was taken', [answer(204, { 'Upload-Complete': '?0' }), told12(400)], { verdict: 'resync' }],
    ['a captive portal', [answer(200, { 'Content-Type': 'text/html' }, '<html>')], { verdict: 'unreachable' }],
  ])('that is the last, answered by %s', async (_, said, reply) => {
    expect((await send(said)).outcome).toMatchObject(reply);
  });

  test.each([400, 409, 422, 429, 500, 503])(
    'that is complete, and was refused with %i for what it is, ends the upload',
    async (status) => {
      const { outcome } = await send([problem(status, 'virus', { 'Upload-Complete': '?1' })]);
      expect(outcome).toMatchObject({ verdict: 'fatal', code: 'refused', httpStatus: status, forget: true });
      expect((outcome as Error).message).toContain('(because)');
    },
  );

  test.each([
    [400, 'fatal', 'refused'],
    [401, 'auth', 'unauthorized'],
    [404, 'restart', 'server-lost-bytes'],
    [409, 'resync', 'offset-mismatch'],
    [410, 'restart', 'server-lost-bytes'],
    [413, 'smaller', 'too-large'],
    [415, 'fatal', 'refused'],
    [423, 'busy', 'locked'],
    [429, 'unreachable', 'rate-limited'],
    [500, 'busy', 'server-error'],
    [502, 'unreachable', 'server-error'],
  ])('refused with %i is %s, %s', async (status, verdict, code) => {
    // Gone, at the end of a file, is believed only when it was said twice.
    const said = verdict === 'restart' ? [status, status] : [status];
    expect((await send(said)).outcome).toMatchObject({ verdict, code, httpStatus: status });
    expect((await send([answer(status, { 'Upload-Complete': '?0' })], [0, 400])).outcome).toMatchObject({
      verdict,
      code,
    });
  });

  test('at another offset is asked about, whatever the status', async () => {
    for (const status of [400, 409, 412]) {
      expect((await send([problem(status, 'mismatching-upload-offset')])).outcome).toMatchObject({ verdict: 'resync' });
    }
  });

  test.each(['inconsistent-upload-length', 'completed-upload'])(
    'said to be too much (%s) may be the second of two equal requests',
    async (type) => {
      expect((await send([problem(400, type), told12(1000, true)])).outcome).toMatchObject(done);
      expect((await send([problem(400, type), told15(1000)])).outcome).toMatchObject({ held: [[0, 1000]] });
      expect((await send([problem(400, type), told12(400)])).outcome).toMatchObject({
        verdict: 'fatal',
        code: 'refused',
      });
      expect((await send([problem(400, type), 404])).outcome).toMatchObject({ verdict: 'restart' });
      expect(
        (await send([problem(400, type), 404], [400, 1000], { goneAfterLastPiece: 'done' })).outcome,
      ).toMatchObject(done);
      expect((await send([problem(400, type)], [0, 400])).outcome).toMatchObject({ verdict: 'fatal' });
    },
  );

  test('to a server that forgets what it has is done with 404, if the app says so', async () => {
    expect((await send([404, 404], [400, 1000], { goneAfterLastPiece: 'done' })).outcome).toMatchObject(done);
    expect((await send([404], [0, 400], { goneAfterLastPiece: 'done' })).outcome).toMatchObject({ verdict: 'restart' });
  });

  // Draft -15 has no problem type for it, and of an empty file the offset tells nothing.
  test.each([404, 410])('that ends the upload, and is refused with %i, is asked about', async (status) => {
    const end = [1000, 1000] as const;
    const ended = answer(201, { 'Upload-Complete': '?1' });
    expect((await send([status, told15(1000), ended], end)).outcome).toEqual(done);
    expect((await send([status, told15(1000), status, told15(1000)], end)).outcome).toEqual(done);
    expect((await send([status, told15(1000), status, 404], end)).outcome).toMatchObject({ verdict: 'restart' });
    expect((await send([status, told12(1000, true)], end)).outcome).toMatchObject(done);
    expect((await send([status, told12(1000)], end)).outcome).toMatchObject({ verdict: 'restart' });
    expect((await send([status, status], end)).outcome).toMatchObject({ verdict: 'restart' });
    expect((await send([status, 503], end)).outcome).toMatchObject({ verdict: 'unreachable' });
    expect((await send([status, told15(1000)])).outcome).toMatchObject({ held: [[0, 1000]] });
  });

  test('that is too large goes on with what the server takes', async () => {
    const limited = (limit: string) => answer(413, { 'Upload-Limit': limit });
    expect((await send([limited('max-append-size=100')])).outcome).toEqual({
      held: [[0, 400]],
      limits: { maxBytes: 100 },
    });
    // What it would take is no less: then it is somebody else's limit.
    expect((await send([limited('max-append-size=600')])).outcome).toMatchObject({ verdict: 'smaller' });
    expect((await send([limited('max-append-size=x')])).outcome).toMatchObject({ verdict: 'smaller' });
  });
});

describe('the end', () => {
  test('is a PATCH without content at the last offset', async () => {
    const { asked, bodies, outcome } = await finish([answer(201, { 'Upload-Complete': '?1' })]);
    expect(asked).toEqual([
      [
        'PATCH',
        URL_1,
        { ...version, 'Content-Type': 'application/partial-upload', 'Upload-Offset': '1000', 'Upload-Complete': '?1' },
      ],
    ]);
    // Without a body, PATCH has no Content-Length in browsers.
    expect(bodies[0]?.size).toBe(0);
    expect(outcome).toMatchObject(done);
  });

  // Draft -15 does not say which: a proxy's refusal looks the same, and what is gone was perhaps never ended.
  test.each([400, 404, 409, 410, 412, 422])(
    'refused with %i by a server that may have ended it before is done, if it says so twice and still has it all',
    async (status) => {
      expect((await finish([status, told15(1000), status, told15(1000)])).outcome).toMatchObject(done);
      expect((await finish([status, told12(1000, true)])).outcome).toMatchObject(done);
      const { asked, outcome } = await finish([status, told15(1000), answer(201, { 'Upload-Complete': '?1' })]);
      expect(asked.map(([method]) => method)).toEqual(['PATCH', 'HEAD', 'PATCH']);
      expect(outcome).toMatchObject(done);
    },
  );

  test('refused by a server that does not have it any more is not, unless the app says that it forgets', async () => {
    expect((await finish([404, 404])).outcome).toMatchObject({ verdict: 'restart' });
    expect((await finish([422, told15(1000), 422, 404])).outcome).toMatchObject({ verdict: 'restart' });
    expect((await finish([404, 404], null, { goneAfterLastPiece: 'done' })).outcome).toMatchObject(done);
  });

  test.each<[number, string, readonly Said[]]>([
    [400, 'fatal', []],
    [404, 'restart', [told12(1000)]],
    [409, 'resync', []],
  ])('refused with %i by a server that waited for it is not', async (status, verdict, then) => {
    expect((await finish([status, ...then], true)).outcome).toMatchObject({ verdict });
  });

  test.each([
    [401, 'auth'],
    [403, 'auth'],
    [408, 'unreachable'],
    [423, 'busy'],
    [425, 'unreachable'],
    [429, 'unreachable'],
    [500, 'busy'],
    [503, 'unreachable'],
  ])('refused with %i is tried again', async (status, verdict) => {
    expect((await finish([status])).outcome).toMatchObject({ verdict });
  });

  test('answered by a sign-in page, or by "not complete", is not believed', async () => {
    expect((await finish([answer(200, { 'Content-Type': 'text/html' }, '<html>')])).outcome).toMatchObject({
      verdict: 'unreachable',
    });
    expect((await finish([answer(200, { 'Upload-Complete': '?0' }), told12(1000)])).outcome).toMatchObject({
      verdict: 'busy',
    });
  });

  test('answered by 2xx and silence is', async () => {
    expect((await finish([204])).outcome).toMatchObject(done);
  });
});

describe('a cancelled upload', () => {
  test.each([[204], [200], [404], [410]])('is deleted (%i)', async (status) => {
    const server = serverSaying([status]);
    expect(await outcomeOf(make().abort?.(upload, { url: URL_1 }, server.io))).toBeUndefined();
    expect(server.asked).toEqual([['DELETE', URL_1, version]]);
  });

  test('that was never made needs nothing', async () => {
    expect(await outcomeOf(make().abort?.(upload, {}, serverSaying([]).io))).toBeUndefined();
  });
});

describe('an upload URL on another origin, by whatever way it came into the record', () => {
  const state = { url: 'https://other.example/1', open: true };
  const bytes = new Blob(['x'.repeat(600)]);
  const context: ProbeContext = { unsettled: false, finalSent: false, heldBytes: 0 };
  const calls: Readonly<Record<string, (adapter: Adapter, io: Io) => Promise<unknown> | undefined>> = {
    probe: (adapter, io) => adapter.probe(upload, state, io, context),
    send: (adapter, io) => adapter.send(upload, state, [400, 1000], bytes, io),
    complete: (adapter, io) => adapter.complete?.(upload, state, io),
    abort: (adapter, io) => adapter.abort?.(upload, state, io),
  };

  test.each(Object.entries(calls))('is not asked by %s', async (_, call) => {
    const server = serverSaying([]);
    const outcome = await outcomeOf(call(make(), server.io));
    expect(server.asked).toEqual([]);
    expect(outcome).toMatchObject({ verdict: 'fatal', code: 'unexpected-answer', forget: true });
  });
});

describe('options', () => {
  test.each([0, -1, 1.5, NaN, Infinity, '5', null])('pieceSize %s is refused when the worker starts', (pieceSize) => {
    expect(() => make({ pieceSize: pieceSize as never })).toThrow(RangeError);
  });

  test('tokens are left to whoever sends', () => {
    const headers = () => ({ Authorization: 'x' });
    expect(make({ headers }).requests).toMatchObject({ headers });
    expect([make().limits, make({ pieceSize: 5 }).limits]).toEqual([{}, { maxBytes: 5 }]);
  });
});
