// What the signer signs, for whom, and what it refuses. Signing needs no S3; that S3 obeys is seen in e2e/protocols.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { S3Bucket } from './s3-bucket.js';
import { keyOf } from './s3-operations.js';
import { createS3Signer, type S3SignerOptions } from './s3-signer.js';
import { ask } from './test-kit.js';

const upload = {
  id: 'b1946ac9-2f1a-4b7e-9d5e-0c6f1f0a7a11',
  name: '../../文件\uD800"\r\nX: y.jpg',
  type: 'image/jpeg',
  sizeBytes: 20_000_000,
  lastModifiedMs: 1_700_000_000_000,
  metadata: {},
};

async function start(
  options: Partial<S3SignerOptions> = {},
  endpoints = ['http://127.0.0.1:1'],
  nearEndpoints = endpoints,
) {
  const keyPair = { accessKeyId: 'ID', secretAccessKey: 'SECRET' };
  const bucket = new S3Bucket({ endpoints, nearEndpoints, bucket: 'photos', ...keyPair });
  const sign = createS3Signer({ bucket, ...options });
  const server = createServer((request, response) => {
    if (!sign(request, response)) response.writeHead(418).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    bucket.close();
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const post = (body: unknown, headers: Record<string, string> = {}) =>
    ask(port, '/s3/sign', {
      method: 'POST',
      headers,
      body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
    });
  const signed = async (operation: object, headers?: Record<string, string>) => {
    const { status, text } = await post({ upload, ...operation }, headers);
    expect(status, text).toBe(200);
    const answer: { readonly url: string; readonly headers: Record<string, string> } = JSON.parse(text);
    const url = new URL(answer.url);
    return { ...answer, path: url.pathname, query: url.searchParams };
  };
  return { port, post, signed };
}

const ofUpload = { uploadId: 'U/+ ?' };
const signedHeaders = (query: URLSearchParams) => query.get('X-Amz-SignedHeaders')?.split(';');

it('signs each operation for one key, which only the user and the upload decide', async () => {
  const { signed } = await start();
  const all = await Promise.all([
    signed({ type: 'put' }),
    signed({ type: 'head' }),
    signed({ type: 'create' }),
    signed({ type: 'part', ...ofUpload, partNumber: 2, sizeBytes: 8_388_608 }),
    signed({ type: 'list', ...ofUpload }),
    signed({ type: 'list', ...ofUpload, marker: 1000 }),
    signed({ type: 'complete', ...ofUpload }),
    signed({ type: 'abort', ...ofUpload }),
    signed({ type: 'abort' }),
  ]);
  expect(new Set(all.map(({ path }) => path)).size).toBe(1);
  expect(all[0]?.path).toMatch(/^\/photos\/users\/[0-9a-f]{32}\/[0-9a-f]{64}$/);
  expect(all[0]?.path.endsWith(keyOf('', upload.id))).toBe(true);
  expect(all.map(({ query }) => query.get('uploadId'))).toEqual([
    null,
    null,
    null,
    'U/+ ?',
    'U/+ ?',
    'U/+ ?',
    'U/+ ?',
    'U/+ ?',
    null,
  ]);
  expect(all[3]?.query.get('partNumber')).toBe('2');
  expect(all[5]?.query.get('part-number-marker')).toBe('1000');
  for (const { query } of all) {
    expect(query.get('X-Amz-Expires')).toBe('300');
    expect(query.get('X-Amz-Content-Sha256')).toBe('UNSIGNED-PAYLOAD');
    expect([...query.keys()].filter((key) => /checksum/i.test(key))).toEqual([]);
  }
});

it('signs length, type and metadata, so that nothing else can be stored', async () => {
  const { signed } = await start();
  const put = await signed({ type: 'put' });
  expect(signedHeaders(put.query)).toEqual(['content-length', 'content-type', 'host', 'x-amz-meta-file']);
  expect(put.headers).toEqual({ 'Content-Type': 'image/jpeg', 'x-amz-meta-file': expect.stringMatching(/^[\w-]+$/) });
  const create = await signed({ type: 'create' });
  expect(signedHeaders(create.query)).toEqual(['content-type', 'host', 'x-amz-meta-file']);
  const part = await signed({ type: 'part', ...ofUpload, partNumber: 1, sizeBytes: 5 });
  expect(signedHeaders(part.query)).toEqual(['content-length', 'host']);
  expect(part.headers).toEqual({});
});

it('makes an upload by itself, beside the gateway, and signs the first part for the device', async () => {
  const asked: { readonly url: string; readonly facts: readonly (string | string[] | undefined)[] }[] = [];
  const gateway = createServer(({ url = '', headers }, response) => {
    asked.push({ url, facts: [headers['content-type'], headers['x-amz-meta-file']] });
    response.end('<InitiateMultipartUploadResult><UploadId>2~U</UploadId></InitiateMultipartUploadResult>');
  });
  await new Promise<void>((resolve) => gateway.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void gateway.close());
  const near = `http://127.0.0.1:${(gateway.address() as AddressInfo).port}`;
  const { post, signed } = await start({ creates: true }, ['https://s3.example'], [near]);
  const create = async (fields: object) => {
    const { status, text } = await post({ upload, type: 'create', ...fields });
    expect(status, text).toBe(200);
    return JSON.parse(text);
  };
  const { uploadId, first } = await create({ partBytes: 8_388_608 });
  expect(uploadId).toBe('2~U');
  const part = await signed({ type: 'part', uploadId, partNumber: 1, sizeBytes: 8_388_608 });
  // But for the second in which it was signed.
  const lasting = (url: string) => url.replace(/X-Amz-(Date|Signature)=[^&]*/g, '');
  expect(lasting(first.url)).toBe(lasting(part.url));
  expect(first.url).toMatch(/^https:\/\/s3\.example\//);
  expect(signedHeaders(new URL(first.url).searchParams)).toContain('content-length');
  const put = await signed({ type: 'put' });
  expect(asked).toEqual([
    {
      url: expect.stringContaining(`${put.path}?uploads`),
      facts: [put.headers['Content-Type'], put.headers['x-amz-meta-file']],
    },
  ]);
  // Who does not say how large the parts are asks for them one by one.
  expect(await create({})).toEqual({ uploadId: '2~U' });
});

it('needs a near name for each gateway, or for none', () => {
  const one = { bucket: 'photos', accessKeyId: 'ID', secretAccessKey: 'SECRET', endpoints: ['https://s3.example'] };
  expect(() => new S3Bucket({ ...one, nearEndpoints: [] })).toThrow('as many near endpoints');
});

it('never lets a user into the folder of another', async () => {
  const { signed } = await start({ authorize: ({ headers }) => headers['x-user']?.toString() });
  const users = ['ann', 'bob', '../ann', 'ann/', ''];
  const paths = await Promise.all(users.map(async (user) => (await signed({ type: 'put' }, { 'x-user': user })).path));
  expect(new Set(paths).size).toBe(users.length);
  const again = await signed({ type: 'part', ...ofUpload, partNumber: 1, sizeBytes: 5 }, { 'x-user': 'ann' });
  expect(again.path).toBe(paths[0]);
  for (const path of paths) expect(path).toMatch(/^\/photos\/users\/[0-9a-f]{32}\/[0-9a-f]{64}$/);
});

it.each([
  ['nothing', ''],
  ['no JSON', '{'],
  ['null', 'null'],
  ['a list', []],
  ['no upload', { type: 'put' }],
  ['no type', { upload }],
  ['an unknown type', { upload, type: 'get' }],
  ['a type of all objects', { upload, type: 'constructor' }],
  ['no id', { upload: { ...upload, id: undefined }, type: 'put' }],
  ['an empty id', { upload: { ...upload, id: '' }, type: 'put' }],
  ['an id without end', { upload: { ...upload, id: 'a'.repeat(201) }, type: 'put' }],
  ['an id that is none', { upload: { ...upload, id: { a: 1 } }, type: 'put' }],
  ['a negative size', { upload: { ...upload, sizeBytes: -1 }, type: 'put' }],
  ['half a byte', { upload: { ...upload, sizeBytes: 0.5 }, type: 'put' }],
  ['a size in words', { upload: { ...upload, sizeBytes: '5' }, type: 'put' }],
  ['no upload id', { upload, type: 'part', partNumber: 1, sizeBytes: 5 }],
  ['an empty upload id', { upload, type: 'list', uploadId: '' }],
  ['an upload id that is none', { upload, type: 'complete', uploadId: 5 }],
  ['no part number', { upload, type: 'part', uploadId: 'U', sizeBytes: 5 }],
  ['part 0', { upload, type: 'part', uploadId: 'U', partNumber: 0, sizeBytes: 5 }],
  ['part 10,001', { upload, type: 'part', uploadId: 'U', partNumber: 10_001, sizeBytes: 5 }],
  ['a part that the file has not', { upload, type: 'part', uploadId: 'U', partNumber: 9, sizeBytes: 5 }],
  ['a part larger than the file', { upload, type: 'part', uploadId: 'U', partNumber: 1, sizeBytes: 20_000_001 }],
  ['a marker that is none', { upload, type: 'list', uploadId: 'U', marker: -1 }],
  ['a body without end', ' '.repeat(70_000)],
])('refuses %s', async (_, body) => {
  const { post } = await start();
  expect((await post(body)).status).toBe(400);
});

it('answers who has not signed in, what is too large, and other methods', async () => {
  const { port, post } = await start({ maxFileBytes: 10, authorize: ({ headers }) => headers.authorization });
  expect((await post({ upload, type: 'put' })).status).toBe(401);
  const headers = { authorization: 'Bearer ann' };
  expect((await post({ upload, type: 'put' }, headers)).status).toBe(413);
  expect((await post({ upload: { ...upload, sizeBytes: 10 }, type: 'put' }, headers)).status).toBe(200);
  expect((await ask(port, '/s3/sign')).status).toBe(405);
  expect((await ask(port, '/s3/signs')).status).toBe(418);
});

it('answers pages of the origins that it knows', async () => {
  const { port, post } = await start({ allowedOrigins: ['https://app.example'] });
  const preflight = (origin: string) => ask(port, '/s3/sign', { method: 'OPTIONS', headers: { origin } });
  const known = await preflight('https://app.example');
  expect(known.headers).toMatchObject({
    'access-control-allow-origin': 'https://app.example',
    'access-control-allow-methods': 'POST',
  });
  expect((await preflight('https://evil.example')).headers['access-control-allow-origin']).toBeUndefined();
  const answer = await post({ upload, type: 'head' }, { origin: 'https://app.example' });
  expect(answer.headers['access-control-allow-origin']).toBe('https://app.example');
  expect(answer.headers['cache-control']).toBe('no-store');
});

it('signs for the gateways that answer, in turn; 503 if none does', async () => {
  const answering = async () => {
    const server = createServer((_, response) => response.writeHead(403).end());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  const [one, two] = [await answering(), await answering()];
  const dead = 'http://127.0.0.1:1';
  const { signed } = await start({}, [one, dead, two]);
  const origins = new Set<string>();
  for (let turn = 0; turn < 6; turn += 1) origins.add(new URL((await signed({ type: 'head' })).url).origin);
  expect(origins).toEqual(new Set([one, two]));
  const { post } = await start({}, [dead, dead]);
  expect((await post({ upload, type: 'head' })).status).toBe(503);
});
