// The chunk protocol as request traces: what is asked and sent, and what is made of each answer. knowledge/protocols.md A2.

import { createHash } from 'node:crypto';
import { createMD5 } from 'hash-wasm';
import { describe, expect, test } from 'vitest';
import {
  type AdapterState,
  type Answer,
  type Io,
  type ProbeContext,
  ProtocolFailure,
  type Range,
  type RequestOptions,
  type UploadSource,
} from './adapter.js';
import { flowJs, resumableJs, simpleUploader } from './chunk-presets.js';
import { chunkList, chunkTest } from './chunk-questions.js';
import { type ChunksOptions, chunks } from './chunks.js';
import { contentHash } from './content-hash.js';

const content = new Uint8Array(1000).map((_, at) => at % 251);
const upload: UploadSource = {
  id: 'device',
  endpoint: 'photos',
  name: '猫 "1".png',
  type: 'image/png',
  sizeBytes: 1000,
  lastModifiedMs: 1_700_000_000_000,
  metadata: { album: '7' },
};
const sized = (sizeBytes: number): UploadSource => ({ ...upload, sizeBytes });

interface Whole {
  readonly status?: number;
  readonly text?: string;
  readonly headers?: Readonly<Record<string, string>>;
}
type Said = string | number | Whole | Error;

/** A server that gives these answers one after another, and what it was asked. */
function serverSaying(said: readonly Said[], bytes: Blob = new Blob([content])) {
  const trace: (readonly [url: string, options: RequestOptions])[] = [];
  const io: Io = {
    bytes: async () => bytes,
    request: async (url, options) => {
      trace.push([url, options]);
      const next = said[trace.length - 1];
      if (next === undefined) throw new Error('asked too often');
      if (next instanceof Error) throw next;
      const whole: Whole =
        typeof next === 'object' ? next : typeof next === 'number' ? { status: next } : { text: next };
      const { status = 200, text = '', headers } = whole;
      const answer: Answer = {
        url,
        status,
        ok: status >= 200 && status < 300,
        text,
        header: (name) => new Headers(headers).get(name),
      };
      return answer;
    },
    sleep: async () => {},
    nowMs: () => 0,
  };
  /** Method and address of each request. */
  const lines = () => trace.map(([url, { method }]) => `${method} ${decodeURIComponent(url)}`);
  return { io, trace, lines };
}

const three: ChunksOptions = {
  chunk: { url: '/chunk' },
  ask: chunkList({ url: '/list' }),
  merge: { url: '/merge' },
  abort: { url: '/chunk' },
  chunkSize: 400,
};
const state: AdapterState = { id: 'x', hash: '', chunkBytes: 400, lastChunk: 'smaller' };
const larger: AdapterState = { ...state, lastChunk: 'larger' };
const probing: ProbeContext = { unsettled: false, finalSent: false, heldBytes: 0 };
const failure = (promise: Promise<unknown>) => promise.catch((cause: unknown) => cause);
const formOf = async (body: Blob | undefined) =>
  new Response(body ?? null, { headers: { 'Content-Type': body?.type ?? '' } }).formData();
const fieldsOf = async (body: Blob | undefined) => {
  const entries = [...(await formOf(body))].map(async ([name, value]) => [
    name,
    typeof value === 'string' ? value : Buffer.from(await value.arrayBuffer()),
  ]);
  return Object.fromEntries(await Promise.all(entries));
};

function send(options: ChunksOptions, range: Range, said: Said, source = upload, known = state) {
  const server = serverSaying([said]);
  const outcome = failure(chunks(options).send(source, known, range, new Blob([content.slice(...range)]), server.io));
  return { ...server, outcome };
}

describe('the beginning', () => {
  test('sends nothing: the id is random, and the size of chunks is fixed', async () => {
    const { io, trace } = serverSaying([]);
    const make = () => chunks(three).create?.(upload, io, { repeated: false });
    const [first, again] = [await make(), await make()];
    expect(trace).toEqual([]);
    expect(first).toEqual({
      state: { id: expect.stringMatching(/^[0-9a-f-]{36}$/), hash: '', chunkBytes: 400, lastChunk: 'smaller' },
      held: [],
      limits: { partBytes: 400, lastPart: 'smaller' },
      done: false,
    });
    expect(again?.state?.['id']).not.toBe(first?.state?.['id']);
  });

  test('asks first where the name is not new', async () => {
    const { io, lines } = serverSaying(['{"chunks":[2,0]}']);
    const reply = await chunks({ ...three, fileId: ({ name }) => name }).create?.(upload, io, { repeated: false });
    expect(lines()).toEqual(['GET /list?id=猫+"1".png&size=1000&chunkSize=400']);
    expect(reply?.held).toEqual([
      [0, 400],
      [800, 1000],
    ]);
  });

  test('carries the hash with the first question, and is done where the server has the content', async () => {
    const { io, lines } = serverSaying(['{"chunks":[],"merged":true}']);
    const hash = createHash('md5').update(content).digest('hex');
    const reply = await chunks({ ...three, hash: contentHash(createMD5) }).create?.(upload, io, { repeated: false });
    expect(lines()).toEqual([
      expect.stringMatching(new RegExp(`^GET /list\\?id=[^&]+&size=1000&chunkSize=400&hash=${hash}$`)),
    ]);
    expect(reply).toMatchObject({ done: true, held: [[0, 1000]], state: { hash } });
  });

  test('keeps the hash when the question fails, and asks it again before any byte', async () => {
    const { io } = serverSaying([new ProtocolFailure('unreachable', 'network', 'gone')]);
    const adapter = chunks({ ...three, hash: async () => 'abc' });
    const reply = await adapter.create?.(upload, io, { repeated: false });
    expect(reply?.state).toMatchObject({ hash: 'abc', unasked: true });
    const known = reply?.state ?? {};
    const sent = serverSaying([]);
    expect(await failure(adapter.send(upload, known, [0, 400], new Blob(), sent.io))).toMatchObject({
      verdict: 'resync',
    });
    const asked = serverSaying(['{"chunks":[1]}']);
    const answer = await adapter.probe(upload, known, asked.io, probing);
    expect(answer.state).toEqual({ id: known['id'], hash: 'abc', chunkBytes: 400, lastChunk: 'smaller' });
  });

  test.each([
    [429, 'unreachable'],
    [401, 'auth'],
    [500, 'busy'],
    [400, 'fatal'],
  ])(
    'obeys a first question that is answered by %i, though the hash is computed once more',
    async (status, verdict) => {
      const { io } = serverSaying([{ status, headers: { 'Retry-After': '30' } }]);
      const beginning = chunks({ ...three, hash: async () => 'abc' }).create?.(upload, io, { repeated: false });
      expect(await failure(beginning ?? Promise.reject())).toMatchObject({ verdict, retryAfterMs: 30_000 });
    },
  );

  test('a first question without a hash fails as it is', async () => {
    const { io } = serverSaying([new ProtocolFailure('unreachable', 'network', 'gone')]);
    const beginning = chunks({ ...three, fileId: () => 'a' }).create?.(upload, io, { repeated: false });
    expect(await failure(beginning ?? Promise.reject())).toMatchObject({ verdict: 'unreachable' });
  });

  test.each([
    ['smaller', 300, 300],
    ['larger', 300, 150],
    ['smaller', 5000, 400],
  ] as const)(
    'after a 413, chunks (the last is %s) that fit into %i bytes have %i',
    async (lastChunk, maxBytes, chunkBytes) => {
      const { io } = serverSaying([]);
      const reply = await chunks({ ...three, lastChunk }).create?.(upload, io, { repeated: true, maxBytes });
      expect(reply).toMatchObject({ state: { chunkBytes }, limits: { partBytes: chunkBytes } });
    },
  );

  test('after a 413, a name under which there are larger ones keeps their size', async () => {
    const { io } = serverSaying(['{"chunks":[0]}', '{"chunks":[0]}']);
    const named = { ...three, fileId: () => 'a' };
    const reply = await chunks(named).create?.(upload, io, { repeated: true, maxBytes: 300 });
    expect(reply).toMatchObject({ state: { chunkBytes: 400 }, limits: { partBytes: 400 }, held: [[0, 400]] });
  });

  test('refuses a chunk size that is none', () => {
    for (const chunkSize of [0, -1, 1.5, Number.NaN]) expect(() => chunks({ ...three, chunkSize })).toThrow(RangeError);
  });
});

describe('the content hash', () => {
  const bytes = new Uint8Array(9_000_000).map((_, at) => (at * 7) % 256);

  test('is that of the whole file, read in slices', async () => {
    let largest = 0;
    const blob = new Blob([bytes]);
    const slice = blob.slice.bind(blob);
    blob.slice = (start, end) => {
      largest = Math.max(largest, Number(end) - Number(start));
      return slice(start, end);
    };
    const { io } = serverSaying([], blob);
    expect(await contentHash(createMD5)(io)).toBe(createHash('md5').update(bytes).digest('hex'));
    expect(largest).toBe(4_194_304);
  });

  test('of bytes that the browser has lost is a failure with a code', async () => {
    const blob = new Blob([bytes]);
    blob.slice = () => ({ size: 4, arrayBuffer: async () => new ArrayBuffer(3) }) as unknown as Blob;
    const { io } = serverSaying([], blob);
    expect(await failure(contentHash(createMD5)(io))).toMatchObject({ verdict: 'fatal', code: 'bytes-lost' });
  });

  test('ends when the upload is stopped', async () => {
    const { io } = serverSaying([], new Blob([bytes]));
    const stopped = { ...io, sleep: () => Promise.reject(new Error('stopped')) };
    expect(await failure(contentHash(createMD5)(stopped))).toEqual(new Error('stopped'));
  });
});

describe('the list', () => {
  const probe = (said: Said, options: Partial<ChunksOptions> = {}, heldBytes = 0, source = upload) => {
    const server = serverSaying([said]);
    const adapter = chunks({ ...three, ...options });
    return { ...server, outcome: failure(adapter.probe(source, state, server.io, { ...probing, heldBytes })) };
  };

  test.each<[Said, readonly Range[]]>([
    ['{"chunks":[]}', []],
    ['{"chunks":[0]}', [[0, 400]]],
    ['{"chunks":[2,1]}', [[400, 1000]]],
    [
      '{"chunks":[2,2,0]}',
      [
        [0, 400],
        [800, 1000],
      ],
    ],
    [404, []],
    [410, []],
  ])('%j means that %j is held', async (said, held) => {
    const reply = await probe(said).outcome;
    expect(reply).toMatchObject({ limits: { partBytes: 400 }, held, done: false });
  });

  test('says that the file is merged', async () => {
    expect(await probe('{"chunks":[],"merged":true}').outcome).toMatchObject({ done: true, held: [[0, 1000]] });
  });

  test('has the last word on the size of its chunks', async () => {
    expect(await probe('{"chunks":[1],"chunkSize":600}').outcome).toMatchObject({
      state: { id: 'x', chunkBytes: 600 },
      limits: { partBytes: 600 },
      held: [[600, 1000]],
    });
  });

  test.each<[Said, object]>([
    ['<!doctype html><h1>Hotel</h1>', { verdict: 'unreachable', code: 'unexpected-answer' }],
    ['found', { verdict: 'unreachable', code: 'unexpected-answer' }],
    ['{}', { verdict: 'unreachable', code: 'unexpected-answer' }],
    ['null', { verdict: 'unreachable', code: 'unexpected-answer' }],
    ['{"chunks":[3]}', { verdict: 'fatal', code: 'offset-beyond-size' }],
    ['{"chunks":[-1]}', { verdict: 'fatal', code: 'offset-beyond-size' }],
    ['{"chunks":["0"]}', { verdict: 'fatal', code: 'offset-beyond-size' }],
    [401, { verdict: 'auth', code: 'unauthorized' }],
    [429, { verdict: 'unreachable', code: 'rate-limited' }],
    [500, { verdict: 'busy' }],
    [503, { verdict: 'unreachable' }],
  ])('%j is a failure: %j', async (said, expected) => {
    expect(await probe(said).outcome).toMatchObject(expected);
  });

  test('is not asked of a server that cannot be asked: what was acknowledged is believed', async () => {
    const { outcome, trace } = probe(404, { ask: undefined });
    expect(await outcome).toEqual({});
    expect(trace).toEqual([]);
  });

  test('of a server that forgets what it has merged is believed only once everything was held', async () => {
    const forgetful = { noneAfterLastChunk: 'done' } as const;
    expect(await probe(404, forgetful, 1000).outcome).toMatchObject({ done: true });
    expect(await probe(404, forgetful, 800).outcome).toMatchObject({ done: false });
    expect(await probe(404, {}, 1000).outcome).toMatchObject({ done: false });
  });

  test('without a merge, the last few chunks may have been its end', async () => {
    const forgetful = { noneAfterLastChunk: 'done', merge: undefined } as const;
    expect(await probe(404, forgetful, 400).outcome).toMatchObject({ done: true });
    expect(await probe(404, forgetful, 0).outcome).toMatchObject({ done: false });
    expect(await probe(404, forgetful, 400, sized(3000)).outcome).toMatchObject({ done: false });
  });
});

describe('a chunk', () => {
  test('is a form with the bytes last, at one address', async () => {
    const { outcome, trace } = send(three, [800, 1000], '{"merged":false}');
    expect(await outcome).toEqual({});
    const [url, { method, headers, body }] = trace[0] ?? ['', { method: '' }];
    expect([url, method, headers]).toEqual(['/chunk', 'POST', undefined]);
    expect(body?.type).toMatch(/^multipart\/form-data; boundary=[0-9a-z-]+$/);
    expect(await fieldsOf(body)).toEqual({
      index: '2',
      id: 'x',
      size: '1000',
      chunkSize: '400',
      count: '3',
      name: upload.name,
      type: 'image/png',
      lastModified: '1700000000000',
      metadata: '{"album":"7"}',
      file: Buffer.from(content.slice(800)),
    });
    expect([...(await formOf(body)).keys()].at(-1)).toBe('file');
  });

  test('may be the whole body, with its fields in the query', async () => {
    const raw: ChunksOptions = {
      ...three,
      chunk: { url: ({ id }) => `/c/${id}?v=2`, method: 'PUT', as: 'query', fields: ({ index }) => ({ n: index + 1 }) },
    };
    const { outcome, lines, trace } = send(raw, [400, 800], 201);
    expect(await outcome).toEqual({});
    expect(lines()).toEqual(['PUT /c/x?v=2&n=2']);
    expect(trace[0]?.[1].body?.type).toBe('');
    expect(new Uint8Array((await trace[0]?.[1].body?.arrayBuffer()) ?? new ArrayBuffer(0))).toEqual(
      content.slice(400, 800),
    );
  });

  test('of a small file may be its end', async () => {
    expect(await send(three, [0, 400], '{"chunks":1,"merged":true}').outcome).toMatchObject({
      done: true,
      held: [[0, 1000]],
    });
    // In another server's words it may mean something else.
    const other = { ...three, chunk: { url: '/chunk', fields: () => ({}) } };
    expect(await send(other, [0, 400], '{"merged":true}').outcome).toEqual({});
  });

  test('keeps to the size that it began with, whatever the option says now', async () => {
    const { trace } = send({ ...three, chunkSize: 77 }, [400, 800], 200);
    expect(await fieldsOf(trace[0]?.[1].body)).toMatchObject({ index: '1', chunkSize: '400' });
    const last = send({ ...three, chunkSize: 77 }, [400, 1000], 200, upload, larger);
    expect(await fieldsOf(last.trace[0]?.[1].body)).toMatchObject({ index: '1', chunkSize: '400', count: '2' });
  });

  test.each<[Said, object]>([
    [413, { verdict: 'smaller', code: 'too-large' }],
    [400, { verdict: 'fatal', code: 'refused' }],
    [404, { verdict: 'fatal', code: 'refused' }],
    [410, { verdict: 'restart' }],
    [409, { verdict: 'resync' }],
    [415, { verdict: 'fatal' }],
    [423, { verdict: 'busy', code: 'locked' }],
    [500, { verdict: 'busy' }],
    [501, { verdict: 'fatal' }],
    [502, { verdict: 'unreachable' }],
    ['<html>Sign in</html>', { verdict: 'unreachable', code: 'unexpected-answer' }],
  ])('answered by %j is a failure: %j', async (said, expected) => {
    expect(await send(three, [0, 400], said).outcome).toMatchObject(expected);
  });

  test('is none for an empty file that will be merged, and an empty one otherwise', async () => {
    const merged = send(three, [0, 0], 200, sized(0));
    expect([await merged.outcome, merged.trace.length]).toEqual([{}, 0]);
    const alone = send({ ...three, merge: undefined }, [0, 0], 200, sized(0));
    await alone.outcome;
    expect(await fieldsOf(alone.trace[0]?.[1].body)).toMatchObject({ index: '0', count: '1', file: Buffer.alloc(0) });
  });

  test('names are escaped as browsers do it', async () => {
    const { trace } = send(three, [0, 400], 200, { ...upload, name: 'a\r\n"b\\\uD800.png' });
    const text = (await trace[0]?.[1].body?.text()) ?? '';
    expect(text).toContain('name="file"; filename="a%0D%0A%22b\\\ufffd.png"\r\n');
  });
});

describe('the merge', () => {
  const complete = (said: readonly Said[], options: Partial<ChunksOptions> = {}, source: UploadSource = upload) => {
    const server = serverSaying(said);
    return {
      ...server,
      outcome: failure(chunks({ ...three, ...options }).complete?.(source, state, server.io) ?? Promise.reject()),
    };
  };

  test('is a small form, with patience', async () => {
    const { outcome, trace, lines } = complete([200]);
    expect(await outcome).toMatchObject({ done: true, held: [[0, 1000]] });
    expect(lines()).toEqual(['POST /merge']);
    expect(trace[0]?.[1].patienceMs).toBeGreaterThanOrEqual(60_000);
    expect(trace[0]?.[1].body?.type).toBe('application/x-www-form-urlencoded');
    expect(Object.fromEntries(new URLSearchParams(await trace[0]?.[1].body?.text()))).toMatchObject({
      id: 'x',
      count: '3',
    });
  });

  test('may be JSON', async () => {
    const { trace } = complete([200], {
      merge: { url: '/merge', as: 'json', fields: ({ id, count }) => ({ HASH: id, count }) },
    });
    expect(trace[0]?.[1].body?.type).toBe('application/json');
    expect(await trace[0]?.[1].body?.text()).toBe('{"HASH":"x","count":3}');
  });

  test.each([400, 404, 409, 410])(
    'answered by %i asks for the list: it may have been merged before',
    async (status) => {
      const { outcome, lines } = complete([status, '{"chunks":[],"merged":true}']);
      expect(await outcome).toMatchObject({ done: true });
      expect(lines()).toEqual(['POST /merge', 'GET /list?id=x&size=1000&chunkSize=400']);
    },
  );

  test.each([400, 404, 409])('answered by %i with chunks missing leads back to sending', async (status) => {
    expect(await complete([status, '{"chunks":[0,1]}']).outcome).toMatchObject({ done: false, held: [[0, 800]] });
  });

  test.each([
    [400, { verdict: 'fatal', code: 'refused' }],
    [404, { verdict: 'fatal', code: 'refused' }],
    [409, { verdict: 'busy' }],
  ])('answered by %i with every chunk there is a refusal: %j', async (status, expected) => {
    expect(await complete([status, '{"chunks":[0,1,2]}']).outcome).toMatchObject(expected);
  });

  // Added again while its cancel was still on its way to the server.
  test('of an empty file under a name that the server has given up is made anew', async () => {
    expect(await complete([410, 404], {}, sized(0)).outcome).toMatchObject({ verdict: 'restart' });
    expect(await complete([404, 404], {}, sized(0)).outcome).toMatchObject({ verdict: 'fatal' });
    expect(await complete([410, '{"chunks":[0,1,2]}']).outcome).toMatchObject({ verdict: 'fatal' });
  });

  test('refused with 200 is not taken for done', async () => {
    const means: ChunksOptions['means'] = ({ text }, step) => (step === 'merge' && text !== '0' ? 'resync' : undefined);
    expect(await complete(['1', '{"chunks":[0]}'], { means }).outcome).toMatchObject({ done: false, held: [[0, 400]] });
    expect(await complete(['1', '{"chunks":[0,1,2]}'], { means }).outcome).toMatchObject({ verdict: 'fatal' });
    expect(await complete(['0'], { means }).outcome).toMatchObject({ done: true });
  });

  test('of a server that cannot be asked is believed at once', async () => {
    expect(await complete([400], { ask: undefined }).outcome).toMatchObject({ verdict: 'fatal' });
  });

  test.each([401, 500, 503])('answered by %i is tried again', async (status) => {
    expect(['auth', 'busy', 'unreachable']).toContain(
      ((await complete([status]).outcome) as { verdict: string }).verdict,
    );
  });
});

describe('a cancel', () => {
  const abort = (said: Said) => {
    const server = serverSaying([said]);
    return { ...server, outcome: failure(chunks(three).abort?.(upload, state, server.io) ?? Promise.reject()) };
  };

  test('frees what the server holds', async () => {
    const { outcome, lines } = abort(204);
    expect(await outcome).toBeUndefined();
    expect(lines()).toEqual(['DELETE /chunk?id=x&size=1000&chunkSize=400']);
  });

  test.each([404, 410])('of what is gone (%i) is fine', async (status) => {
    expect(await abort(status).outcome).toBeUndefined();
  });

  test('that fails says so', async () => {
    expect(await abort(503).outcome).toMatchObject({ verdict: 'unreachable' });
  });

  test('is not told to a server without an address for it', () => {
    expect(chunks({ chunk: { url: '/chunk' } }).abort).toBeUndefined();
  });
});

describe('servers written for well-known clients', () => {
  const family = { resumable: resumableJs('/upload'), flow: flowJs('/upload'), '': simpleUploader('/upload') };
  const words = [
    'ChunkNumber',
    'ChunkSize',
    'CurrentChunkSize',
    'TotalSize',
    'Identifier',
    'Filename',
    'RelativePath',
    'TotalChunks',
  ];

  describe.each(Object.entries(family))('%s', (prefix, preset) => {
    const options: ChunksOptions = { ...preset, chunkSize: 400 };
    const name = (word: string) => (prefix === '' ? word.charAt(0).toLowerCase() + word.slice(1) : prefix + word);
    const fields = (...values: readonly (string | number)[]) =>
      Object.fromEntries(words.map((word, at) => [name(word), String(values[at])]));

    test('gets its own fields; the remainder joins the last chunk', async () => {
      const adapter = chunks(options);
      const begun = await adapter.create?.(upload, serverSaying([]).io, { repeated: false });
      // 1000 bytes in chunks of 400: two, the last of 600.
      expect(begun).toMatchObject({
        limits: { partBytes: 400, lastPart: 'larger' },
        held: [],
        state: { lastChunk: 'larger' },
      });
      const first = send(options, [0, 400], 'partly_done', upload, larger);
      expect(await first.outcome).toEqual({});
      const last = send(options, [400, 1000], 'done', upload, larger);
      expect(await last.outcome).toEqual({});
      expect(await fieldsOf(first.trace[0]?.[1].body)).toEqual({
        ...fields(1, 400, 400, 1000, 'x', upload.name, upload.name, 2),
        file: Buffer.from(content.slice(0, 400)),
      });
      expect(await fieldsOf(last.trace[0]?.[1].body)).toEqual({
        ...fields(2, 400, 600, 1000, 'x', upload.name, upload.name, 2),
        file: Buffer.from(content.slice(400)),
      });
    });

    test.each([
      [0, 1, 0],
      [1, 1, 1],
      [399, 1, 399],
      [400, 1, 400],
      [799, 1, 799],
      [800, 2, 400],
      [1000, 2, 600],
    ])('%i bytes are %i chunks, the last of %i', async (sizeBytes, count, lastBytes) => {
      const source = sized(sizeBytes);
      const start = (count - 1) * 400;
      const sent = send(options, [start, sizeBytes], 200, source, larger);
      await sent.outcome;
      expect(await fieldsOf(sent.trace[0]?.[1].body)).toMatchObject({
        [name('TotalChunks')]: String(count),
        [name('CurrentChunkSize')]: String(lastBytes),
        file: { length: lastBytes },
      });
    });

    test('is asked for each chunk by GET, with the same fields', async () => {
      const { io, trace } = serverSaying([204, 'found']);
      expect(await chunks(options).probe(upload, larger, io, probing)).toMatchObject({
        held: [[400, 1000]],
      });
      expect(trace.map(([url, { method, body }]) => [method, url.split('?')[0], body])).toEqual([
        ['GET', '/upload', undefined],
        ['GET', '/upload', undefined],
      ]);
      expect(Object.fromEntries(new URLSearchParams(trace[1]?.[0].split('?')[1]))).toEqual(
        fields(2, 400, 600, 1000, 'x', upload.name, upload.name, 2),
      );
    });

    test('has finished once it has every chunk', async () => {
      const { io } = serverSaying([200, 200]);
      expect(await chunks(options).probe(upload, larger, io, probing)).toMatchObject({ done: true, held: [[0, 1000]] });
    });

    test.each([`invalid_${prefix || 'uploader'}_request3`, `non_${prefix || 'uploader'}_request`])(
      'refuses with 200 and "%s"',
      async (text) => {
        expect(await send(options, [0, 400], { text }).outcome).toMatchObject({ verdict: 'fatal', code: 'refused' });
      },
    );
  });

  test('a page in place of an answer is not a chunk that is there', async () => {
    const { io } = serverSaying(['<!DOCTYPE html><title>app</title>', '<!DOCTYPE html>']);
    const outcome = await failure(chunks({ ...flowJs('/u'), chunkSize: 400 }).probe(upload, state, io, probing));
    expect(outcome).toMatchObject({ verdict: 'unreachable', code: 'unexpected-answer' });
  });

  test('a failed question fails the probe, once all are answered', async () => {
    const { io, trace } = serverSaying([503, 200, 200, 200, 200, 200, 200]);
    const options = {
      ...flowJs('/u'),
      chunkSize: 100,
      lastChunk: 'smaller',
      ask: chunkTest({ method: 'HEAD' }),
    } as const;
    const known = { ...state, chunkBytes: 100 };
    expect(await failure(chunks(options).probe(upload, known, io, probing))).toMatchObject({ verdict: 'unreachable' });
    expect(trace.map(([, { method }]) => method)).toEqual(Array(6).fill('HEAD'));
  });
});
