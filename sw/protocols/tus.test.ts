// tus as request traces: what is asked, and what is made of each answer. https://tus.io/protocols/resumable-upload

import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { NOW, outcomeOf, type Said, serverSaying, upload } from '../../e2e/protocols/trace.js';
import type { Adapter, Io, ProbeContext, UploadSource } from './adapter.js';
import { type TusOptions, tus } from './tus.js';

const ENDPOINT = 'https://up.example/files';
const URL_1 = 'https://up.example/files/1';
const make = (options: Partial<TusOptions> = {}) => tus({ endpoint: ENDPOINT, ...options });
const created = (headers: Record<string, string> = {}): Said => ({
  status: 201,
  headers: { Location: URL_1, ...headers },
});
const held = (offset: number | string, headers: Record<string, string> = {}): Said => ({
  status: 200,
  headers: { 'Upload-Offset': String(offset), 'Upload-Length': '1000', ...headers },
});
const taken = (offset: number | string): Said => ({ status: 204, headers: { 'Upload-Offset': String(offset) } });
const version = { 'Tus-Resumable': '1.0.0' };
const metadata = 'filename 5paH5Lu2IDEuanBn,filetype aW1hZ2UvanBlZw==';
const first = { repeated: false };
const again = { repeated: true };
const context: ProbeContext = { unsettled: false, finalSent: false, heldBytes: 0 };
const named = { uploadUrl: ({ id }: UploadSource) => `${ENDPOINT}/${id}` };
const KNOWN = `${ENDPOINT}/random-id`;

// What relative endpoints are relative to.
beforeAll(() => vi.stubGlobal('location', new URL('https://app.example/app/sw.js')));
afterAll(() => vi.unstubAllGlobals());

async function create(
  said: readonly (Said | number)[],
  options: Partial<TusOptions> = {},
  more: { how?: { repeated: boolean }; source?: UploadSource; exposed?: readonly string[] } = {},
) {
  const server = serverSaying(said, more);
  const outcome = await outcomeOf(make(options).create?.(more.source ?? upload, server.io, more.how ?? first));
  expect(server.leftOver()).toBe(0);
  return { ...server, outcome };
}

async function send(
  said: readonly (Said | number)[],
  options: Partial<TusOptions> = {},
  bytes = new Blob(['x'.repeat(600)]),
) {
  const server = serverSaying(said);
  const outcome = await outcomeOf(make(options).send(upload, { url: URL_1 }, [400, 1000], bytes, server.io));
  expect(server.leftOver()).toBe(0);
  return { ...server, outcome };
}

async function probe(said: Said | number, state: object = { url: URL_1 }, exposed?: readonly string[]) {
  const server = serverSaying([said], exposed && { exposed });
  const outcome = await outcomeOf(make().probe(upload, { ...state }, server.io, context));
  return { ...server, outcome };
}

describe('creation', () => {
  test('is a POST without a body, with length and metadata; the answer names the upload', async () => {
    const { asked, bodies, outcome } = await create([created()]);
    const headers = { ...version, 'Upload-Length': '1000', 'Upload-Metadata': metadata };
    expect(asked).toEqual([['POST', ENDPOINT, headers]]);
    // An empty Blob, since without a body some browsers send no Content-Length.
    expect(bodies[0]?.size).toBe(0);
    expect(outcome).toEqual({ state: { url: URL_1 }, held: [[0, 0]], done: false });
  });

  test('of an empty file is all there is to it', async () => {
    const { outcome } = await create([created()], {}, { source: { ...upload, sizeBytes: 0 } });
    expect(outcome).toMatchObject({ held: [[0, 0]], done: true });
  });

  test('of an empty file without a readable Location is asked about, where the URL is known beforehand', async () => {
    const more = { source: { ...upload, sizeBytes: 0 } };
    const { asked, outcome } = await create([200, taken(0)], named, more);
    expect(asked.map(([method, url]) => `${method} ${url}`)).toEqual([`POST ${ENDPOINT}`, `HEAD ${KNOWN}`]);
    expect(outcome).toMatchObject({ state: { url: KNOWN }, done: true });
    // Whoever has answered, it was not the server.
    expect((await create([200, 404], named, more)).outcome).toMatchObject({ verdict: 'restart' });
  });

  test.each([
    ['https://up.example/files', 'https://up.example/files/1', 'https://up.example/files/1'],
    ['https://up.example/files', '/files/1', 'https://up.example/files/1'],
    ['https://up.example/files/', '1', 'https://up.example/files/1'],
    ['https://up.example/a/files', '../b?x=1', 'https://up.example/b?x=1'],
    // Behind a TLS proxy, servers take themselves for http; browsers would refuse that.
    ['https://up.example/files', 'http://up.example/files/1', 'https://up.example/files/1'],
    ['http://up.example/files', 'http://up.example/files/1', 'http://up.example/files/1'],
    ['/api/files', '/api/files/1', 'https://app.example/api/files/1'],
    ['files', '1', 'https://app.example/app/1'],
  ])('at %s, with Location %s, is at %s', async (endpoint, location, url) => {
    const { outcome } = await create([{ status: 201, headers: { Location: location } }], { endpoint });
    expect(outcome).toMatchObject({ state: { url } });
  });

  test.each([
    ['https://up.example/files', '//other.example/1'],
    ['https://up.example/files', 'https://other.example/1'],
    ['https://up.example/files', 'https://up.example:8443/1'],
    ['https://up.example/files', 'https://up.example.evil.example/1'],
    ['https://up.example/files', 'https://up.example@evil.example/1'],
    ['https://up.example/files', 'http://other.example/1'],
    ['http://up.example/files', 'https://up.example/files/1'],
    ['https://up.example/files', 'data:,1'],
    ['/api/files', 'https://up.example/files/1'],
  ])('at %s, with Location %s, ends: no byte and no header goes there', async (endpoint, location) => {
    const { asked, outcome } = await create([{ status: 201, headers: { Location: location } }], { endpoint });
    expect(asked).toHaveLength(1);
    expect(outcome).toMatchObject({ verdict: 'fatal', code: 'unexpected-answer' });
    expect((outcome as Error).message).toContain('uploadOrigins');
  });

  test.each(['https://other.example', 'https://other.example/'])('may be on %s, if it is listed', async (origin) => {
    const options = { uploadOrigins: ['https://third.example', origin] };
    const there = { status: 201, headers: { Location: 'https://other.example/1' } };
    expect((await create([there], options)).outcome).toMatchObject({ state: { url: 'https://other.example/1' } });
    const { asked, outcome } = await create([there], { uploadOrigins: ['https://third.example'] });
    expect([asked.length, outcome]).toMatchObject([1, { verdict: 'fatal' }]);
  });

  test('tells when the upload expires', async () => {
    const { outcome } = await create([created({ 'Upload-Expires': 'Sun, 22 Nov 2026 13:00:00 GMT' })]);
    expect(outcome).toMatchObject({ state: { url: URL_1, expiresAtMs: NOW + 3_600_000 } });
    const { outcome: garbage } = await create([created({ 'Upload-Expires': 'soon' })]);
    expect(garbage).toMatchObject({ state: { url: URL_1 } });
  });

  test('without a readable Location ends the upload, and names what must be exposed', async () => {
    const { outcome } = await create([created()], {}, { exposed: ['Upload-Offset'] });
    expect(outcome).toMatchObject({ verdict: 'fatal', code: 'unexpected-answer' });
    expect((outcome as Error).message).toMatch(/Location.*Access-Control-Expose-Headers/);
    expect((await create([{ status: 201, headers: { Location: 'http://' } }])).outcome).toMatchObject({
      verdict: 'fatal',
    });
  });

  test('answered by a web page is waited for', async () => {
    const page = { status: 200, text: '<!doctype html>', headers: { 'Content-Type': 'text/html' } };
    const waitedFor = { verdict: 'unreachable', code: 'unexpected-answer' };
    expect((await create([page])).outcome).toMatchObject(waitedFor);
    expect((await create([page], { ...named, oneRequestBytes: 0 })).outcome).toMatchObject(waitedFor);
    expect((await create([page], named, { source: { ...upload, sizeBytes: 0 } })).outcome).toMatchObject(waitedFor);
  });

  test.each([
    [400, 'fatal', 'refused'],
    [401, 'auth', 'unauthorized'],
    [403, 'auth', 'unauthorized'],
    [404, 'fatal', 'refused'],
    [409, 'fatal', 'refused'],
    [410, 'fatal', 'refused'],
    [412, 'fatal', 'refused'],
    [413, 'smaller', 'too-large'],
    [423, 'busy', 'locked'],
    [429, 'unreachable', 'rate-limited'],
    [500, 'busy', 'server-error'],
    [501, 'unreachable', 'server-error'],
    [503, 'unreachable', 'server-error'],
  ])('refused with %i is %s, %s', async (status, verdict, code) => {
    const { outcome } = await create([{ status, headers: { 'Retry-After': '7' } }]);
    expect(outcome).toMatchObject({ verdict, code, httpStatus: status, retryAfterMs: 7000 });
  });

  test('repeated makes another, empty one: the first, if there is one, expires', async () => {
    const { asked } = await create([created()], {}, { how: again });
    expect(asked.map(([method, , , bytes]) => [method, bytes])).toEqual([['POST', undefined]]);
  });
});

describe('metadata', () => {
  const pairsOf = async (source: Partial<UploadSource>, options: Partial<TusOptions> = {}) => {
    const { asked, outcome } = await create([created()], options, { source: { ...upload, ...source } });
    if (outcome instanceof Error) throw outcome;
    const value = asked[0]?.[2]['Upload-Metadata'] ?? '';
    expect(value).toMatch(/^[\x20-\x7e]*$/);
    return Object.fromEntries(
      value.split(',').map((pair) => {
        const [key = '', base64 = ''] = pair.split(' ');
        return [key, Buffer.from(base64, 'base64').toString()];
      }),
    );
  };

  test('is UTF-8 in base64: name, type, the upload’s own, the option’s', async () => {
    const pairs = await pairsOf(
      { name: '😀 a\uD800.jpg', metadata: { album: '猫', note: '' } },
      { metadata: ({ id }) => ({ id }) },
    );
    expect(pairs).toEqual({
      filename: '😀 a\uFFFD.jpg',
      filetype: 'image/jpeg',
      album: '猫',
      note: '',
      id: 'random-id',
    });
  });

  test('has no type where none is known; the app’s own come before the file’s', async () => {
    expect(await pairsOf({ type: '', name: '', metadata: { filename: 'b' } })).toEqual({ filename: 'b' });
    expect(await pairsOf({ metadata: { a: '1' } }, { metadata: () => ({ a: '2' }) })).toMatchObject({ a: '2' });
  });

  test.each(['', ' ', 'a b', 'a,b', 'ключ', 'a\n', '\u007f'])('%j cannot be a key', async (key) => {
    const server = serverSaying([]);
    const outcome = await outcomeOf(make().create?.({ ...upload, metadata: { [key]: '1' } }, server.io, first));
    expect(outcome).toMatchObject({ verdict: 'fatal', code: 'invalid-option' });
  });

  test.each(['a-b', 'a+b', 'a.b', '~', '!'])('%j can', async (key) => {
    expect(await pairsOf({ metadata: { [key]: '1' } })).toHaveProperty([key], '1');
  });
});

describe('a small file in one request', () => {
  test('is the POST itself, where the URL is known beforehand', async () => {
    const { asked, bodies, file, outcome } = await create([created({ 'Upload-Offset': '1000' })], named);
    expect(asked).toMatchObject([
      ['POST', ENDPOINT, { 'Content-Type': 'application/offset+octet-stream', 'Upload-Length': '1000' }, 1000],
    ]);
    expect(bodies[0]).toBe(file);
    expect(outcome).toEqual({ state: { url: URL_1 }, held: [[0, 1000]], done: true });
  });

  test.each<[string, Partial<TusOptions>]>([
    ['the URL is not known: a lost answer would make a second file', {}],
    ['it is larger than the option', { ...named, oneRequestBytes: 999 }],
    ['checksums are asked for, which few servers compare there', { ...named, checksum: 'sha1', oneRequestBytes: 1000 }],
  ])('is not, where %s', async (_, options) => {
    const said = options.checksum
      ? [{ status: 204, headers: { 'Tus-Checksum-Algorithm': 'sha1' } }, created()]
      : [created()];
    const { bodies } = await create(said, options);
    expect(bodies.at(-1)?.size).toBe(0);
  });

  test('is, where the app takes that upon itself', async () => {
    expect((await create([created({ 'Upload-Offset': '1000' })], { oneRequestBytes: 1000 })).outcome).toMatchObject({
      done: true,
    });
  });

  test('of which a part was taken goes on from there', async () => {
    expect((await create([created({ 'Upload-Offset': '400' })], named)).outcome).toEqual({
      state: { url: URL_1 },
      held: [[0, 400]],
      done: false,
    });
  });

  test('whose answer was lost is found again: nothing is sent, nothing made twice', async () => {
    const { asked, outcome } = await create([held(1000)], named, { how: again });
    expect(asked).toEqual([['HEAD', KNOWN, version]]);
    expect(outcome).toMatchObject({ state: { url: KNOWN }, held: [[0, 1000]], done: true });
  });

  test('which was cut goes on from where it was cut', async () => {
    expect((await create([held(400)], named, { how: again })).outcome).toMatchObject({ held: [[0, 400]], done: false });
  });

  test.each([404, 410])('which never arrived (%i) is made the careful way', async (status) => {
    const { asked, outcome } = await create([status, created()], named, { how: again });
    expect(asked.map(([method, , , bytes]) => [method, bytes])).toEqual([
      ['HEAD', undefined],
      ['POST', undefined],
    ]);
    expect(outcome).toMatchObject({ held: [[0, 0]], done: false });
  });

  test.each([
    [401, 'auth'],
    [423, 'busy'],
    [503, 'unreachable'],
  ])('of which nobody can tell now (%i) is not made again', async (status, verdict) => {
    const { asked, outcome } = await create([status], named, { how: again });
    expect(asked).toHaveLength(1);
    expect(outcome).toMatchObject({ verdict });
  });

  test('that the server has already (409: the browser sent it twice) is asked about', async () => {
    const { asked, outcome } = await create([409, held(1000)], named);
    expect(asked.map(([method, url]) => [method, url])).toEqual([
      ['POST', ENDPOINT],
      ['HEAD', KNOWN],
    ]);
    expect(outcome).toMatchObject({ state: { url: KNOWN }, done: true });
  });

  test('to a server without the extension costs a question, and is not tried again', async () => {
    const adapter = make(named);
    const server = serverSaying([created(), held(0), created(), created()]);
    expect(await adapter.create?.(upload, server.io, first)).toMatchObject({ held: [[0, 0]] });
    expect(await adapter.create?.(upload, server.io, first)).toMatchObject({ held: [[0, 0]] });
    expect(server.asked.map(([method, , , bytes]) => [method, bytes])).toEqual([
      ['POST', 1000],
      ['HEAD', undefined],
      ['POST', undefined],
    ]);
  });

  test.each([413, 415])('refused with %i is made without its bytes', async (status) => {
    const { asked, outcome } = await create([status, created()], named);
    expect(asked.map(([, , , bytes]) => bytes)).toEqual([1000, undefined]);
    expect(outcome).toMatchObject({ held: [[0, 0]] });
    expect((await create([413, 413], named)).outcome).toMatchObject({ code: 'too-large' });
  });
});

describe('the question', () => {
  test('is a HEAD, and its answer the number', async () => {
    const { asked, outcome } = await probe(held(400));
    expect(asked).toEqual([['HEAD', URL_1, version]]);
    expect(outcome).toEqual({ state: { url: URL_1 }, held: [[0, 400]], done: false });
  });

  test.each([held(1000), { status: 204, headers: { 'Upload-Offset': '1000' } }])(
    'answered by the length means done',
    async (said) => {
      expect((await probe(said)).outcome).toMatchObject({ held: [[0, 1000]], done: true });
    },
  );

  test.each(['', '-1', '1.5', '1e3', 'NaN', 'abc', '9'.repeat(20)])('answered by %j is waited for', async (offset) => {
    expect((await probe(held(offset))).outcome).toMatchObject({ verdict: 'unreachable', code: 'unexpected-answer' });
  });

  test('whose answer hides its headers says which to expose', async () => {
    const { outcome } = await probe(held(400), { url: URL_1 }, ['Location']);
    expect(outcome).toMatchObject({ verdict: 'unreachable', code: 'unexpected-answer' });
    expect((outcome as Error).message).toMatch(/Upload-Offset.*Access-Control-Expose-Headers/);
  });

  test.each([held(1001), held(400, { 'Upload-Length': '999' })])('about another file is fatal', async (said) => {
    expect((await probe(said)).outcome).toMatchObject({ verdict: 'fatal', code: 'offset-beyond-size' });
  });

  test.each([
    [400, 'resync'],
    [401, 'auth'],
    [403, 'auth'],
    [404, 'restart'],
    [410, 'restart'],
    [412, 'fatal'],
    [423, 'busy'],
    [429, 'unreachable'],
    [500, 'busy'],
    [503, 'unreachable'],
  ])('refused with %i is %s', async (status, verdict) => {
    expect((await probe(status)).outcome).toMatchObject({ verdict, httpStatus: status });
  });

  test('about an upload that has expired says so', async () => {
    const { outcome } = await probe(410, { url: URL_1, expiresAtMs: NOW - 1000 });
    expect(outcome).toMatchObject({
      verdict: 'restart',
      message: expect.stringContaining('expired at 2026-11-22T11:59:59'),
    });
    expect((await probe(410, { url: URL_1, expiresAtMs: NOW + 1000 })).outcome).not.toMatchObject({
      message: expect.stringContaining('expired'),
    });
  });

  test('without a URL, as another protocol left the record, makes the upload anew', async () => {
    const server = serverSaying([]);
    expect(await outcomeOf(make().probe(upload, {}, server.io, context))).toMatchObject({ verdict: 'restart' });
  });
});

describe('a body', () => {
  test('is a PATCH at its offset', async () => {
    const { asked, outcome } = await send([taken(1000)]);
    const headers = { ...version, 'Upload-Offset': '400', 'Content-Type': 'application/offset+octet-stream' };
    expect(asked).toEqual([['PATCH', URL_1, headers, 600]]);
    expect(outcome).toEqual({ state: { url: URL_1 }, held: [[0, 1000]], done: true });
  });

  test('counts as far as the answer says, not as far as it was sent', async () => {
    expect((await send([taken(700)])).outcome).toMatchObject({ held: [[0, 700]], done: false });
  });

  test('of which nothing was taken is asked about', async () => {
    expect((await send([taken(400)])).outcome).toMatchObject({ verdict: 'resync', code: 'offset-mismatch' });
  });

  test('answered without an offset was perhaps taken: asked, never believed', async () => {
    expect((await send([204])).outcome).toMatchObject({ verdict: 'unreachable', code: 'unexpected-answer' });
  });

  test.each([
    [400, 'resync', 'offset-mismatch'],
    [401, 'auth', 'unauthorized'],
    [403, 'auth', 'unauthorized'],
    [404, 'restart', 'server-lost-bytes'],
    [409, 'resync', 'offset-mismatch'],
    [410, 'restart', 'server-lost-bytes'],
    [412, 'fatal', 'refused'],
    [413, 'smaller', 'too-large'],
    [415, 'fatal', 'refused'],
    [423, 'busy', 'locked'],
    [429, 'unreachable', 'rate-limited'],
    [460, 'resync', 'offset-mismatch'],
    [500, 'busy', 'server-error'],
    [502, 'unreachable', 'server-error'],
  ])('refused with %i is %s, %s', async (status, verdict, code) => {
    expect((await send([status])).outcome).toMatchObject({ verdict, code, httpStatus: status });
  });
});

describe('a checksum', () => {
  const lists = (names: string): Said => ({ status: 204, headers: { 'Tus-Checksum-Algorithm': names } });

  test.each([
    ['sha1', 'md5, sha1,crc32'],
    ['sha256', 'sha256'],
  ] as const)('%s goes along where it is listed, and bounds the bodies', async (checksum, names) => {
    const { asked } = await send([lists(names), taken(1000)], { checksum });
    expect(asked[0]).toEqual(['OPTIONS', ENDPOINT, {}]);
    const sum = createHash(checksum).update('x'.repeat(600)).digest('base64');
    expect(asked[1]?.[2]['Upload-Checksum']).toBe(`${checksum} ${sum}`);
    expect(make({ checksum }).limits).toEqual({ maxBytes: 8_388_608 });
    expect(make({ checksum, pieceSize: 1000 }).limits).toEqual({ maxBytes: 1000 });
    expect(make({ checksum, pieceSize: 99_000_000 }).limits).toEqual({ maxBytes: 8_388_608 });
  });

  test.each([{ status: 204 }, lists('md5'), lists('sha1024'), lists('')])(
    'is never left out in silence: %j',
    async (said) => {
      const { asked, outcome } = await send([said], { checksum: 'sha1' });
      expect(asked).toHaveLength(1);
      expect(outcome).toMatchObject({ verdict: 'fatal', code: 'invalid-option' });
      expect((await create([said], { checksum: 'sha1' })).outcome).toMatchObject({ code: 'invalid-option' });
    },
  );

  test('is asked for once, and again only if that could not be answered', async () => {
    const adapter = make({ checksum: 'sha1' });
    const server = serverSaying([503, lists('sha1'), taken(1000), taken(1000)]);
    const sendOne = () => outcomeOf(adapter.send(upload, { url: URL_1 }, [0, 1000], server.file, server.io));
    expect(await sendOne()).toMatchObject({ verdict: 'unreachable' });
    await sendOne();
    await sendOne();
    expect(server.asked.map(([method]) => method)).toEqual(['OPTIONS', 'OPTIONS', 'PATCH', 'PATCH']);
  });

  test('of bytes that cannot be read looks like a network failure, as it does to fetch', async () => {
    const unreadable = new Blob(['x']);
    unreadable.arrayBuffer = () => Promise.reject(new DOMException('gone', 'NotReadableError'));
    const { outcome } = await send([lists('sha1')], { checksum: 'sha1' }, unreadable);
    expect(outcome).toMatchObject({ verdict: 'unreachable', code: 'network' });
  });
});

describe('a cancelled upload', () => {
  const abort = async (
    said: readonly (Said | number)[],
    options: Partial<TusOptions> = {},
    state = { url: URL_1 } as object,
  ) => {
    const server = serverSaying(said);
    const outcome = await outcomeOf(make(options).abort?.(upload, { ...state }, server.io));
    expect(server.leftOver()).toBe(0);
    return { ...server, outcome };
  };

  test.each([204, 200, 404, 410])('is deleted (%i)', async (status) => {
    const { asked, outcome } = await abort([status]);
    expect(asked).toEqual([['DELETE', URL_1, version]]);
    expect(outcome).toBeUndefined();
  });

  test('is deleted also if its first answer was lost, where its URL is known', async () => {
    expect((await abort([404], named, {})).asked).toEqual([['DELETE', KNOWN, version]]);
    expect((await abort([], {}, {})).asked).toEqual([]);
  });

  test.each([
    [423, 'busy'],
    [503, 'unreachable'],
    [400, 'fatal'],
    [405, 'fatal'],
  ])('refused with %i is %s', async (status, verdict) => {
    expect((await abort([status])).outcome).toMatchObject({ verdict });
  });
});

describe('an upload URL on another origin, by whatever way it came into the record', () => {
  const state = { url: 'https://other.example/1' };
  const bytes = new Blob(['x'.repeat(600)]);
  const calls: Readonly<Record<string, (adapter: Adapter, io: Io) => Promise<unknown> | undefined>> = {
    probe: (adapter, io) => adapter.probe(upload, state, io, context),
    send: (adapter, io) => adapter.send(upload, state, [400, 1000], bytes, io),
    abort: (adapter, io) => adapter.abort?.(upload, state, io),
  };

  test.each(Object.entries(calls))('is not asked by %s', async (_, call) => {
    const server = serverSaying([]);
    const outcome = await outcomeOf(call(make(), server.io));
    expect(server.asked).toEqual([]);
    expect(outcome).toMatchObject({ verdict: 'fatal', code: 'unexpected-answer', forget: true });
  });

  test('is not asked where it was known beforehand', async () => {
    const { asked, outcome } = await create([], { uploadUrl: () => 'https://other.example/1' });
    expect([asked, outcome]).toMatchObject([[], { verdict: 'fatal' }]);
  });
});

describe('options', () => {
  test.each([0, -1, 1.5, NaN, '5', null])('pieceSize %s is refused when the worker starts', (pieceSize) => {
    expect(() => make({ pieceSize: pieceSize as never })).toThrow(RangeError);
  });

  test.each<[Partial<TusOptions>, object]>([
    [{}, {}],
    [{ pieceSize: 5 }, { maxBytes: 5 }],
    [{ minPieceSize: 5 }, { minBytes: 5 }],
    [
      { minPieceSize: 5, pieceSize: 5 },
      { minBytes: 5, maxBytes: 5 },
    ],
  ])('%j bounds the bodies', (options, limits) => expect(make(options).limits).toEqual(limits));

  test.each<Partial<TusOptions>>([
    { minPieceSize: 0 },
    { minPieceSize: 1.5 },
    { minPieceSize: 6, pieceSize: 5 },
    { minPieceSize: 9_000_000, checksum: 'sha1' },
  ])('%j is refused when the worker starts', (options) => expect(() => make(options)).toThrow(RangeError));

  test('tokens and credentials are left to whoever sends', () => {
    const headers = () => ({ Authorization: 'x' });
    expect(make({ headers, credentials: 'include' }).requests).toMatchObject({ headers, credentials: 'include' });
    expect(make().limits).toEqual({});
  });
});
