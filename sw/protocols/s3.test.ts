// The S3 protocol as request traces: what is signed, what is asked, and what is made of each answer. knowledge/protocols.md A5.

import { describe, expect, test } from 'vitest';
import { VirtualTime } from '../../e2e/engine/virtual-time.js';
import { type Answer, type Io, ProtocolFailure, type RequestOptions, type UploadSource } from './adapter.js';
import { type S3Options, s3 } from './s3.js';
import type { S3Operation, S3SignedRequest } from './s3-request.js';

const NOW = Date.UTC(2026, 10, 22, 12);
const MIB = 1_048_576;
const PART = 5 * MIB;
const upload: UploadSource = {
  id: 'random',
  endpoint: 'photos',
  name: 'a.bin',
  type: 'image/png',
  sizeBytes: 2 * PART + 1,
  lastModifiedMs: 1_700_000_000_000,
  metadata: { album: '7' },
};
const multipart = { uploadId: 'U', partBytes: PART };
const whole = { whole: true };
const first = { unsettled: false, finalSent: false, heldBytes: 0 };

interface Said {
  readonly status?: number;
  readonly text?: string;
  readonly headers?: Readonly<Record<string, string>>;
}
type Sent = Partial<RequestOptions> & { readonly url: string };

const error = (status: number, code: string): Said => ({
  status,
  text: `<?xml version="1.0"?><Error><Code>${code}</Code><Message>because</Message></Error>`,
});
const part = (number: number, sizeBytes = PART) =>
  `<Part><PartNumber>${number}</PartNumber><ETag>&quot;e${number}&quot;</ETag><Size>${sizeBytes}</Size></Part>`;
const page = (parts: readonly string[], more = ''): Said => ({
  text: `<ListPartsResult xmlns="x">${more}<IsTruncated>${more !== ''}</IsTruncated>${parts.join('')}</ListPartsResult>`,
});
const next = (marker: number | string) => `<NextPartNumberMarker>${marker}</NextPartNumberMarker>`;
const all = page([part(1), part(2), part(3, 1)]);
const done: Said = { text: '\n \n<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>' };
const there = (sizeBytes: number): Said => ({ headers: { 'Content-Length': String(sizeBytes) } });

/** A bucket that gives these answers one after another, and what its backend and itself were asked. */
function bucketSaying(...said: readonly (Said | Error)[]) {
  const signed: S3Operation[] = [];
  const trace: Sent[] = [];
  const io: Io = {
    bytes: () => Promise.reject(new Error('asked for the bytes')),
    request: async (url, options) => {
      trace.push({ url, ...options });
      const answer = said[trace.length - 1];
      if (answer === undefined) throw new Error('asked too often');
      if (answer instanceof Error) throw answer;
      const { status = 200, text = '', headers = {} } = answer;
      const ok = status >= 200 && status < 300;
      return { url, status, ok, text, header: (name: string) => new Headers(headers).get(name) } satisfies Answer;
    },
    sleep: () => new Promise(() => {}),
    nowMs: () => NOW,
  };
  const sign = async (operation: S3Operation): Promise<S3SignedRequest> => {
    signed.push(operation);
    return { url: `https://s3/key?${operation.type}&secret=${signed.length}`, headers: { 'x-signed': operation.type } };
  };
  return { io, sign, signed, trace };
}

type Bucket = ReturnType<typeof bucketSaying>;
const make = ({ sign }: Bucket, options: Partial<S3Options> = {}) => s3({ sign, partSize: PART, ...options });
const body = (sizeBytes: number) => new Blob([new Uint8Array(sizeBytes)]);
const caught = (cause: unknown) => cause;
const types = ({ signed }: Bucket) => signed.map(({ type }) => type);

describe('making an upload', () => {
  test('asks for an upload id, with the headers that were signed', async () => {
    const bucket = bucketSaying({ text: '<A><Bucket>b</Bucket><UploadId>a&amp;b</UploadId></A>' });
    const reply = await make(bucket).create?.(upload, bucket.io, { repeated: false });
    expect(reply).toEqual({ state: { uploadId: 'a&b', partBytes: PART }, limits: { partBytes: PART } });
    expect(bucket.signed).toEqual([{ upload, type: 'create', partBytes: PART }]);
    expect(bucket.trace).toEqual([
      { url: 'https://s3/key?create&secret=1', method: 'POST', headers: { 'x-signed': 'create' } },
    ]);
  });

  test('is the backend’s matter where it likes: an id is all that it says then', async () => {
    const bucket = bucketSaying();
    const sign = async () => Response.json({ uploadId: 'U' });
    const reply = await make(bucket, { sign }).create?.(upload, bucket.io, { repeated: false });
    expect(reply).toEqual({ state: { uploadId: 'U', partBytes: PART }, limits: { partBytes: PART } });
    expect(bucket.trace).toEqual([]);
  });

  test('by the backend may bring the first part’s signature along', async () => {
    const bucket = bucketSaying({}, {});
    const sign: S3Options['sign'] = async (operation) =>
      operation.type === 'create' ? { uploadId: 'U', first: { url: 'https://s3/first' } } : bucket.sign(operation);
    const adapter = make(bucket, { sign });
    const { state = {} } = (await adapter.create?.(upload, bucket.io, { repeated: false })) ?? {};
    for (let time = 0; time < 2; time += 1) await adapter.send(upload, state, [0, PART], body(PART), bucket.io);
    // Once: the second time is a retry.
    expect(bucket.trace.map(({ url }) => url)).toEqual(['https://s3/first', 'https://s3/key?part&secret=2']);
  });

  test.each([null, { uploadId: 5 }, { uploadId: '' }, { uploadId: null }, { first: { url: 'https://s3/first' } }])(
    'takes no %j for an id',
    async (said) => {
      const bucket = bucketSaying();
      const sign = async () => Response.json(said);
      const failure = await make(bucket, { sign }).create?.(upload, bucket.io, { repeated: false }).catch(caught);
      expect(failure).toMatchObject({ verdict: 'unreachable', code: 'unexpected-answer' });
    },
  );

  test('shows the backend no more than what an adapter may know', async () => {
    const bucket = bucketSaying({ text: '<A><UploadId>U</UploadId></A>' });
    const record = { ...upload, fingerprint: 'secret', course: { remote: {} } };
    await make(bucket).create?.(record, bucket.io, { repeated: false });
    expect(Object.keys(bucket.signed[0]?.upload ?? {})).toEqual(Object.keys(upload));
  });

  test.each([0, 1, PART])('needs no request for %i bytes, which are one PUT', async (sizeBytes) => {
    const bucket = bucketSaying({});
    const adapter = make(bucket);
    const reply = await adapter.create?.({ ...upload, sizeBytes }, bucket.io, { repeated: false });
    expect(reply).toEqual({ state: whole, limits: { partBytes: Math.max(1, sizeBytes) } });
    const sent = body(sizeBytes);
    expect(await adapter.send({ ...upload, sizeBytes }, whole, [0, sizeBytes], sent, bucket.io)).toEqual({
      done: true,
    });
    expect(bucket.trace).toEqual([
      { url: 'https://s3/key?put&secret=1', method: 'PUT', headers: { 'x-signed': 'put' }, body: sent },
    ]);
    expect(bucket.signed).toHaveLength(1);
  });

  test('can do without plain PUTs', async () => {
    const bucket = bucketSaying({ text: '<A><UploadId>U</UploadId></A>' });
    await make(bucket, { wholeBytes: -1 }).create?.({ ...upload, sizeBytes: 0 }, bucket.io, { repeated: false });
    expect(types(bucket)).toEqual(['create']);
  });

  test.each([
    [10_000 * PART, PART],
    [10_000 * PART + 1, PART + 1],
    [48 * 1024 ** 4, Math.ceil((48 * 1024 ** 4) / 10_000)],
  ])('of %i bytes has parts of %i: ten thousand at most', async (sizeBytes, partBytes) => {
    const bucket = bucketSaying({ text: '<A><UploadId>U</UploadId></A>' });
    const reply = await make(bucket).create?.({ ...upload, sizeBytes }, bucket.io, { repeated: false });
    expect(reply?.limits).toEqual({ partBytes });
    expect(Math.ceil(sizeBytes / partBytes)).toBeLessThanOrEqual(10_000);
  });

  test('of more than 10,000 parts of 5 GiB is refused before anything is asked', async () => {
    const bucket = bucketSaying();
    const asking = make(bucket).create?.({ ...upload, sizeBytes: 10_000 * 5 * 1024 ** 3 + 1 }, bucket.io, {
      repeated: false,
    });
    await expect(asking).rejects.toMatchObject({ verdict: 'fatal', code: 'too-large' });
    expect(bucket.signed).toEqual([]);
  });

  test.each(['<A/>', '', '<A><UploadId></UploadId></A>', '<html></html>'])('takes no %j for an id', async (text) => {
    const bucket = bucketSaying({ text });
    const failure = await make(bucket).create?.(upload, bucket.io, { repeated: false }).catch(caught);
    expect(failure).toMatchObject({ verdict: 'unreachable', code: 'unexpected-answer' });
  });

  test.each([PART - 1, 5 * 1024 ** 3 + 1, Number.NaN, 0])('takes no partSize of %d', (partSize) => {
    expect(() => s3({ sign: () => Promise.reject(new Error()), partSize })).toThrow(RangeError);
  });
});

test('takes no wholeBytes above what one PUT may have', () => {
  expect(() => s3({ sign: () => Promise.reject(new Error()), wholeBytes: 5 * 1024 ** 3 + 1 })).toThrow(RangeError);
});

describe('sending a part', () => {
  const partOf = (partNumber: number, sizeBytes: number) => ({ type: 'part', uploadId: 'U', partNumber, sizeBytes });
  test.each([
    // The first one goes alone: the next one is signed meanwhile.
    [
      [0, PART],
      [partOf(1, PART), partOf(2, PART)],
    ],
    [[PART, 2 * PART], [partOf(2, PART)]],
    [
      [2 * PART, 2 * PART + 1],
      [partOf(3, 1), { type: 'list', uploadId: 'U' }],
    ],
  ] as const)('%j is signed, and what comes next; the body has no type', async (range, signed) => {
    const bucket = bucketSaying({ headers: { ETag: '"x"' } });
    const sent = body(range[1] - range[0]);
    expect(await make(bucket).send(upload, multipart, range, sent, bucket.io)).toEqual({});
    expect(bucket.signed).toEqual(signed.map((operation) => ({ upload, ...operation })));
    expect(bucket.trace).toMatchObject([{ method: 'PUT', body: sent, url: 'https://s3/key?part&secret=1' }]);
  });

  test('of another upload, or of another number, is signed by itself', async () => {
    const bucket = bucketSaying({}, {}, {}, {});
    const adapter = make(bucket);
    const send = (source: UploadSource, index: number) =>
      adapter.send(source, multipart, [index * PART, (index + 1) * PART], body(PART), bucket.io);
    const longer = { ...upload, sizeBytes: 9 * PART };
    await send(longer, 0);
    await send({ ...longer, id: 'other' }, 1);
    await send(longer, 0);
    await send(longer, 2);
    expect(bucket.trace.map(({ url }) => url.at(-1))).toEqual(['1', '3', '4', '6']);
    expect(bucket.signed.slice(2, 3)).toMatchObject([{ upload: { id: 'other' }, partNumber: 2 }]);
  });

  test('an upload that is gone is asked for', async () => {
    const bucket = bucketSaying(error(404, 'NoSuchUpload'));
    const failure = await make(bucket).send(upload, multipart, [0, PART], new Blob([]), bucket.io).catch(caught);
    expect(failure).toMatchObject({ verdict: 'resync', httpStatus: 404 });
  });

  test('a page that says 200 has stored nothing', async () => {
    const bucket = bucketSaying({ text: '<!doctype html><p>Welcome to Hotel WLAN' });
    const failure = await make(bucket)
      .send(upload, whole, [0, 1], new Blob(['a']), bucket.io)
      .catch(caught);
    expect(failure).toMatchObject({ verdict: 'unreachable', code: 'unexpected-answer' });
  });
});

describe('asking what is held', () => {
  const probe = (bucket: Bucket, state: Readonly<Record<string, string | number | boolean>> = multipart) =>
    make(bucket).probe(upload, state, bucket.io, first).catch(caught);

  test.each<[string, Said, object]>([
    ['nothing', page([]), []],
    [
      'all',
      all,
      [
        [0, PART],
        [PART, 2 * PART],
        [2 * PART, 2 * PART + 1],
      ],
    ],
    [
      'a hole',
      page([part(1), part(3, 1)]),
      [
        [0, PART],
        [2 * PART, 2 * PART + 1],
      ],
    ],
    ['a part that is too short', page([part(1, PART - 1), part(2)]), [[PART, 2 * PART]]],
    ['a part that is too long', page([part(1), part(3, 2)]), [[0, PART]]],
    ['an empty part', page([part(1, 0)]), []],
  ])('%s', async (_, said, held) => {
    expect(await probe(bucketSaying(said))).toEqual({ held });
  });

  test('goes on page by page', async () => {
    const bucket = bucketSaying(page([part(1)], next(1)), page([part(2)], next(2)), page([part(3, 1)]));
    expect(await probe(bucket)).toEqual({
      held: [
        [0, PART],
        [PART, 2 * PART],
        [2 * PART, 2 * PART + 1],
      ],
    });
    expect(bucket.signed).toEqual([
      { upload, type: 'list', uploadId: 'U' },
      { upload, type: 'list', uploadId: 'U', marker: 1 },
      { upload, type: 'list', uploadId: 'U', marker: 2 },
    ]);
    expect(bucket.trace.map(({ answerCharacters = 0 }) => answerCharacters > 65_536)).toEqual([true, true, true]);
  });

  test.each([next(0), next('x'), next(4), ' '])(
    'goes on behind what it has read, whatever is said of that: %j',
    async (more) => {
      const bucket = bucketSaying(page([part(1), part(2)], more), page([part(3, 1)]));
      expect(await probe(bucket)).toMatchObject({ held: [{}, {}, {}] });
      expect(bucket.signed.at(-1)).toEqual({ upload, type: 'list', uploadId: 'U', marker: 2 });
    },
  );

  test('the same page again is no list', async () => {
    const bucket = bucketSaying(page([part(1)], next(1)), page([part(1)], next(1)));
    expect(await probe(bucket)).toMatchObject({ verdict: 'unreachable', code: 'unexpected-answer' });
  });

  test('10,000 parts are ten pages', async () => {
    const sizeBytes = 10_000 * PART;
    const pages = Array.from({ length: 10 }, (_, index) =>
      page(
        Array.from({ length: 1000 }, (_, n) => part(index * 1000 + n + 1)),
        index < 9 ? next((index + 1) * 1000) : '',
      ),
    );
    const bucket = bucketSaying(...pages);
    const reply = await make(bucket).probe({ ...upload, sizeBytes }, multipart, bucket.io, first);
    expect(reply.held).toHaveLength(10_000);
    expect(reply.held?.at(-1)).toEqual([sizeBytes - PART, sizeBytes]);
  });

  test.each<[string, Said]>([
    ['a page without parts that is not the last', page([], next(4))],
    ['comments around a key', page([part(1).replace('<Size>', '<!-- --><Size>')])],
    ['CDATA in a key', page([part(1).replace('>1<', '><![CDATA[1]]><')])],
    ['a key with a prefix', page([part(1).replaceAll('PartNumber', 's3:PartNumber')])],
    ['entities of its own', { text: `<!DOCTYPE a [<!ENTITY b "1">]>${page([part(1)]).text}` }],
    ['a part within a part', page([`<Part>${part(1)}</Part>`])],
    ['a part twice', page([part(1), part(1)])],
    ['parts out of order', page([part(2), part(1)])],
    ['part 0', page([part(0)])],
    ['a part without its size', page(['<Part><PartNumber>1</PartNumber><ETag>x</ETag></Part>'])],
    ['a part without its ETag', page(['<Part><PartNumber>1</PartNumber><Size>1</Size></Part>'])],
    ['a size that is none', page([part(1, Number.NaN)])],
    ['a list that was cut', { text: all.text?.slice(0, -5) ?? '' }],
    ['another document', { text: '<ListBucketResult/>' }],
    ['a page', { text: '<!doctype html><p>Sign in', headers: { 'Content-Type': 'text/html' } }],
    ['nothing', {}],
  ])('%s makes no sense: waited for, never believed', async (_, said) => {
    expect(await probe(bucketSaying(said))).toMatchObject({ verdict: 'unreachable', code: 'unexpected-answer' });
  });

  const odd = [
    '1e3',
    '1E0',
    '-1',
    '+1',
    '0x1',
    '1.0',
    '1.',
    ' 1',
    '1\n',
    '',
    '１',
    '٣',
    '1,000',
    '1_0',
    'NaN',
    'Infinity',
    '9'.repeat(16),
  ];
  test.each(odd)('%j is no number of a part, and no size', async (text) => {
    const number = part(1).replace('>1<', `>${text}<`);
    const size = part(1).replace(`>${PART}<`, `>${text}<`);
    for (const said of [number, size]) {
      expect(said).not.toBe(part(1));
      expect(await probe(bucketSaying(page([said])))).toMatchObject({ code: 'unexpected-answer' });
    }
  });

  test('a key twice: the first one counts', async () => {
    const twice = part(1).replace('<Size>', '<PartNumber>2</PartNumber><Size>');
    expect(await probe(bucketSaying(page([twice])))).toEqual({ held: [[0, PART]] });
  });

  test('a part beyond the file is none of it: a new upload', async () => {
    expect(await probe(bucketSaying(page([part(4)])))).toMatchObject({
      verdict: 'restart',
      code: 'offset-beyond-size',
    });
  });

  // Ceph says NoSuchKey.
  test.each(['NoSuchUpload', 'NoSuchKey'])('%s: the object is there, so it is done', async (code) => {
    const bucket = bucketSaying(error(404, code), there(upload.sizeBytes));
    expect(await probe(bucket)).toEqual({ held: [[0, upload.sizeBytes]], done: true });
    expect(types(bucket)).toEqual(['list', 'head']);
  });

  test.each<[string, Said]>([
    ['no object', { status: 404 }],
    ['none that the signer may see', { status: 403 }],
    ['one of another size', there(5)],
    ['one of unknown size', {}],
  ])('NoSuchUpload and %s: a new upload', async (_, said) => {
    expect(await probe(bucketSaying(error(404, 'NoSuchUpload'), said))).toMatchObject({
      verdict: 'restart',
      code: 'server-lost-bytes',
    });
  });

  test('NoSuchUpload, and a HEAD that fails, is not known yet', async () => {
    expect(await probe(bucketSaying(error(404, 'NoSuchUpload'), { status: 503 }))).toMatchObject({
      verdict: 'unreachable',
    });
  });

  test('a plain PUT is asked for by HEAD', async () => {
    expect(await probe(bucketSaying(there(upload.sizeBytes)), whole)).toMatchObject({ done: true });
    expect(await probe(bucketSaying({ status: 404 }), whole)).toEqual({ held: [] });
    expect(await probe(bucketSaying(there(3)), whole)).toEqual({ held: [] });
    expect(await probe(bucketSaying({ status: 500 }), whole)).toMatchObject({ verdict: 'busy' });
  });

  test('a sign-in page in its place is nobody’s word: waited for', async () => {
    const signIn: Said = { headers: { 'Content-Type': 'text/html; charset=utf-8', 'Content-Length': '99' } };
    const failure = { verdict: 'unreachable', code: 'unexpected-answer' };
    expect(await probe(bucketSaying(error(404, 'NoSuchUpload'), signIn))).toMatchObject(failure);
    expect(await probe(bucketSaying(signIn), whole)).toMatchObject(failure);
    const own: Said = { headers: { 'Content-Type': 'text/html', 'Content-Length': String(upload.sizeBytes) } };
    expect(await probe(bucketSaying(own), whole)).toMatchObject({ done: true });
  });
});

describe('putting the parts together', () => {
  const complete = (bucket: Bucket) => make(bucket).complete?.(upload, multipart, bucket.io).catch(caught);

  test('lists every part with its ETag, and takes its time', async () => {
    const bucket = bucketSaying(all, done);
    expect(await complete(bucket)).toEqual({ done: true });
    expect(types(bucket)).toEqual(['list', 'complete']);
    const sent = bucket.trace[1];
    expect(sent).toMatchObject({ method: 'POST', patienceMs: 120_000 });
    expect(sent?.body?.type).toBe('');
    const part = (n: number) => `<Part><PartNumber>${n}</PartNumber><ETag>&quot;e${n}&quot;</ETag></Part>`;
    expect(await sent?.body?.text()).toBe(
      `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${[1, 2, 3].map(part).join('')}</CompleteMultipartUpload>`,
    );
  });

  test.each<[string, readonly Said[], object]>([
    ['a part is missing', [page([part(1), part(3, 1)])], { verdict: 'resync' }],
    ['the upload is gone', [error(404, 'NoSuchUpload'), { status: 404 }], { verdict: 'resync' }],
    ['the upload is done already', [error(404, 'NoSuchUpload'), there(upload.sizeBytes)], { done: true }],
    ['it was done meanwhile', [all, error(404, 'NoSuchUpload'), there(upload.sizeBytes)], { done: true }],
    ['it went meanwhile', [all, error(404, 'NoSuchUpload'), { status: 404 }], { verdict: 'resync' }],
    ['200 with an error', [all, error(200, 'InternalError')], { verdict: 'busy', httpStatus: 200 }],
    ['200 with another error', [all, error(200, 'SlowDown')], { verdict: 'unreachable' }],
    [
      '200 with NoSuchUpload, and the object',
      [all, error(200, 'NoSuchUpload'), there(upload.sizeBytes)],
      { done: true },
    ],
    ['200 with nothing', [all, {}], { verdict: 'unreachable', code: 'unexpected-answer' }],
    ['200 with half an answer', [all, { text: '<CompleteMultipartUploadResult>' }], { verdict: 'unreachable' }],
    ['InvalidPart', [all, error(400, 'InvalidPart')], { verdict: 'resync' }],
    ['InvalidPartOrder', [all, error(400, 'InvalidPartOrder')], { verdict: 'resync' }],
    ['EntityTooSmall', [all, error(400, 'EntityTooSmall')], { verdict: 'fatal', code: 'refused' }],
  ])('%s', async (_, said, outcome) => {
    expect(await complete(bucketSaying(...said))).toMatchObject(outcome);
  });
});

describe('after a cancel', () => {
  const abort = (bucket: Bucket, state: Readonly<Record<string, string | number | boolean>>) =>
    make(bucket).abort?.(upload, state, bucket.io).catch(caught);

  test.each<[string, Readonly<Record<string, string | number | boolean>>, readonly Said[], readonly object[]]>([
    ['parts are given up', multipart, [{ status: 204 }], [{ type: 'abort', uploadId: 'U' }]],
    [
      'an upload that was done in the same moment is deleted',
      multipart,
      [error(404, 'NoSuchUpload'), { status: 204 }],
      [{ type: 'abort', uploadId: 'U' }, { type: 'abort' }],
    ],
    ['a plain PUT is deleted', whole, [{ status: 204 }], [{ type: 'abort' }]],
    ['one that never came, too', whole, [{ status: 404 }], [{ type: 'abort' }]],
    ['what the signer may not delete stays', whole, [error(403, 'AccessDenied')], [{ type: 'abort' }]],
    ['parts that it may not give up stay', multipart, [error(403, 'AccessDenied')], [{ type: 'abort', uploadId: 'U' }]],
    ['nothing is asked where nothing was made', {}, [], []],
  ])('%s', async (_, state, said, asked) => {
    const bucket = bucketSaying(...said);
    expect(await abort(bucket, state)).toBeUndefined();
    expect(bucket.signed).toEqual(asked.map((operation) => ({ upload, ...operation })));
    expect(bucket.trace.every(({ method }) => method === 'DELETE')).toBe(true);
  });

  test('a bucket that is out of reach is asked again later', async () => {
    expect(await abort(bucketSaying({ status: 503 }), multipart)).toMatchObject({ verdict: 'unreachable' });
  });
});

describe('a refusal', () => {
  test.each<[Said, object]>([
    [error(403, 'AccessDenied'), { verdict: 'unreachable', httpStatus: 403 }],
    [error(403, 'SignatureDoesNotMatch'), { verdict: 'unreachable' }],
    [error(403, 'RequestTimeTooSkewed'), { verdict: 'unreachable' }],
    [error(400, 'ExpiredToken'), { verdict: 'unreachable' }],
    [error(400, 'RequestTimeout'), { verdict: 'unreachable' }],
    [error(400, 'IncompleteBody'), { verdict: 'unreachable' }],
    [error(400, 'BadDigest'), { verdict: 'unreachable' }],
    [error(400, 'InvalidRequest'), { verdict: 'fatal', code: 'refused' }],
    [error(404, 'NoSuchBucket'), { verdict: 'fatal', code: 'refused' }],
    [error(413, 'EntityTooLarge'), { verdict: 'smaller', code: 'too-large' }],
    [error(500, 'InternalError'), { verdict: 'busy' }],
    [
      { ...error(503, 'SlowDown'), headers: { 'Retry-After': '7' } },
      { verdict: 'unreachable', retryAfterMs: 7000 },
    ],
    [{ status: 502, text: '<html>' }, { verdict: 'unreachable' }],
    [{ status: 429 }, { verdict: 'unreachable', code: 'rate-limited' }],
  ])('%j', async (said, failure) => {
    const bucket = bucketSaying(said);
    const outcome = await make(bucket).send(upload, multipart, [0, PART], new Blob([]), bucket.io).catch(caught);
    expect(outcome).toBeInstanceOf(ProtocolFailure);
    expect(outcome).toMatchObject(failure);
  });

  test('says what S3 said, and nothing of the signature', async () => {
    const answered = bucketSaying(error(403, 'AccessDenied'));
    const failure = await make(answered)
      .send(upload, whole, [0, 1], new Blob(['a']), answered.io)
      .catch(caught);
    expect(String(failure)).toContain('https://s3/key answered 403 (AccessDenied: because)');
    expect(String(failure)).not.toContain('secret');
    const cut = bucketSaying(
      new ProtocolFailure('unreachable', 'network', 'https://s3/key?put&secret=1 is out of reach.'),
    );
    const other = await make(cut)
      .send(upload, whole, [0, 1], new Blob(['a']), cut.io)
      .catch(caught);
    expect(other).toMatchObject({
      verdict: 'unreachable',
      code: 'network',
      message: 'https://s3/key is out of reach.',
    });
  });
});

describe('the signature', () => {
  const ask = async (sign: S3Options['sign'], io: Partial<Io> = {}) => {
    const bucket = bucketSaying({});
    const send = s3({ sign }).send(upload, whole, [0, 1], new Blob(['a']), { ...bucket.io, ...io });
    return { outcome: await send.catch(caught), trace: bucket.trace };
  };

  test('is asked for anew each time', async () => {
    const bucket = bucketSaying({ status: 503 }, {});
    const adapter = make(bucket);
    await adapter.send(upload, whole, [0, 1], new Blob(['a']), bucket.io).catch(caught);
    await adapter.send(upload, whole, [0, 1], new Blob(['a']), bucket.io);
    expect(bucket.trace.map(({ url }) => url)).toEqual(['https://s3/key?put&secret=1', 'https://s3/key?put&secret=2']);
  });

  describe('of what comes next', () => {
    const last = [2 * PART, 2 * PART + 1] as const;
    /** Sends the last part and asks for the list `afterMs` later; the first time that a list is to be signed, `early` speaks. */
    const partAndList = async (early: S3Options['sign'] | undefined, afterMs = 0, part: Said | Error = {}) => {
      const bucket = bucketSaying(part, all, all);
      let lists = 0;
      const sign: S3Options['sign'] = async (operation) => {
        const signed = await bucket.sign(operation);
        return operation.type === 'list' && lists++ === 0 && early ? early(operation) : signed;
      };
      let nowMs = NOW;
      const io = { ...bucket.io, nowMs: () => nowMs };
      const adapter = make(bucket, { sign });
      await adapter.send(upload, multipart, last, body(1), io).catch(caught);
      nowMs += afterMs;
      const reply = await adapter.probe(upload, multipart, io, first);
      const seen = { reply, list: bucket.trace[1]?.url, types: types(bucket) };
      await adapter.probe(upload, multipart, io, first);
      return { ...seen, again: bucket.trace[2]?.url };
    };

    test('is asked for while this is on its way, and used once', async () => {
      const { list, types, again } = await partAndList(undefined, 29_999);
      expect(types).toEqual(['part', 'list']);
      expect(list).toBe('https://s3/key?list&secret=2');
      expect(again).toBe('https://s3/key?list&secret=3');
    });

    test('holds nothing up while it does not come', async () => {
      const bucket = bucketSaying({});
      const sign: S3Options['sign'] = (operation) =>
        operation.type === 'list' ? new Promise(() => {}) : bucket.sign(operation);
      expect(await make(bucket, { sign }).send(upload, multipart, last, body(1), bucket.io)).toEqual({});
    });

    test.each<[string, Parameters<typeof partAndList>]>([
      ['grew old', [undefined, 30_000]],
      ['failed', [() => Promise.reject(new TypeError('Failed to fetch'))]],
      ['was refused', [async () => new Response('', { status: 403 })]],
      ['was signed beside one that failed', [undefined, 0, new ProtocolFailure('unreachable', 'network', 'cut')]],
    ])('is asked for anew where it %s', async (_, given) => {
      const { reply, list, types } = await partAndList(...given);
      expect(types).toEqual(['part', 'list', 'list']);
      expect(list).toBe('https://s3/key?list&secret=3');
      expect(reply.held).toHaveLength(3);
    });
  });

  test('may be the backend’s answer as it came', async () => {
    const { outcome, trace } = await ask(async () => Response.json({ url: 'https://s3/k?s', headers: { a: 'b' } }));
    expect(outcome).toEqual({ done: true });
    expect(trace).toMatchObject([{ url: 'https://s3/k?s', headers: { a: 'b' } }]);
  });

  test.each<[string, S3Options['sign'], object]>([
    ['401', async () => new Response('', { status: 401 }), { verdict: 'auth', code: 'unauthorized' }],
    ['403', async () => new Response('', { status: 403 }), { verdict: 'auth', code: 'unauthorized' }],
    ['404', async () => new Response('', { status: 404 }), { verdict: 'fatal', code: 'refused' }],
    ['409', async () => new Response('', { status: 409 }), { verdict: 'fatal', code: 'refused' }],
    ['413', async () => new Response('', { status: 413 }), { verdict: 'smaller', code: 'too-large' }],
    ['422', async () => new Response('no cats', { status: 422 }), { verdict: 'fatal', code: 'refused' }],
    [
      '429',
      async () => new Response('', { status: 429, headers: { 'Retry-After': '9' } }),
      { verdict: 'unreachable', retryAfterMs: 9000 },
    ],
    ['503', async () => new Response('', { status: 503 }), { verdict: 'unreachable' }],
    ['a page', async () => new Response('<!doctype html>'), { verdict: 'unreachable', code: 'unexpected-answer' }],
    ['no url', async () => Response.json({}), { verdict: 'unreachable', code: 'unexpected-answer' }],
    ['null', async () => Response.json(null), { verdict: 'unreachable' }],
    ['a number', async () => Response.json({ url: 5 }), { verdict: 'unreachable', code: 'unexpected-answer' }],
    ['no network', () => Promise.reject(new TypeError('Failed to fetch')), { verdict: 'unreachable', code: 'network' }],
    [
      'a failure of the app’s own',
      () => Promise.reject(new ProtocolFailure('auth', 'unauthorized', 'Sign in.')),
      { verdict: 'auth', code: 'unauthorized' },
    ],
  ])('%s', async (_, sign, failure) => {
    const { outcome, trace } = await ask(sign);
    expect(outcome).toBeInstanceOf(ProtocolFailure);
    expect(outcome).toMatchObject(failure);
    expect(trace).toEqual([]);
  });

  test('that never comes is given up', async () => {
    const { outcome } = await ask(() => new Promise(() => {}), { sleep: async () => {} });
    expect(outcome).toMatchObject({ verdict: 'unreachable', code: 'timeout' });
  });

  test.each<[string, S3Options['sign']]>([
    ['is there', async () => ({ url: 'https://s3/k?s' })],
    ['fails', () => Promise.reject(new TypeError('Failed to fetch'))],
  ])('that %s leaves no timer behind', async (_, sign) => {
    const time = new VirtualTime();
    await ask(sign, { sleep: (delayMs, signal) => time.sleep(delayMs, signal) });
    expect(time.timers).toBe(0);
  });
});
