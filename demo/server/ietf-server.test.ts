// The server of "Resumable Uploads for HTTP": each MUST of the draft, in both flavours, by hand-written requests; and an
// uploader that somebody else wrote (tus-js-client speaks interop version 6), so that it is not only our own reading.

import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Upload } from 'tus-js-client';
import { describe, expect, onTestFinished, test } from 'vitest';
import { fileShelf } from './file-shelf.js';
import { createGallery } from './gallery.js';
import type { IetfServerOptions } from './ietf-options.js';
import { createIetfServer } from './ietf-server.js';
import { ask, type Got, open, sha256, someBytes, until, write } from './test-kit.js';

const partial = { 'content-type': 'application/partial-upload' };

async function start(options: Partial<IetfServerOptions> = {}) {
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'backhaul-ietf-')));
  const uploads = createIetfServer({ dataDir, ...options });
  await uploads.ready;
  const gallery = createGallery(
    '/api/photos',
    fileShelf(() => uploads.finished()),
  );
  const server = createServer((request, response) => {
    if (!uploads.handle(request, response) && !gallery(request, response)) response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = async () => {
    server.closeAllConnections();
    server.close();
    await uploads.close();
  };
  onTestFinished(async () => {
    await close();
    await rm(dataDir, { recursive: true, force: true });
  });
  const { interopVersion = 9 } = options;
  const version: Record<string, string> =
    interopVersion === 'none' ? {} : { 'upload-draft-interop-version': String(interopVersion) };
  const on = (method: string, path: string, headers: Record<string, string> = {}, body?: Uint8Array): Promise<Got> =>
    ask(port, path, { method, headers: { ...version, ...headers }, body: body ?? new Uint8Array(0) });
  const create = (length: number, headers: Record<string, string> = {}, body?: Uint8Array) =>
    on('POST', '/api/resumable', { 'upload-complete': '?0', 'upload-length': String(length), ...headers }, body);
  const make = async (length: number) => (await create(length)).headers.location ?? '';
  const patch = (
    path: string,
    offset: number,
    complete: boolean,
    body: Uint8Array,
    headers: Record<string, string> = {},
  ) =>
    on(
      'PATCH',
      path,
      { ...partial, 'upload-offset': String(offset), 'upload-complete': complete ? '?1' : '?0', ...headers },
      body,
    );
  const offsetOf = async (path: string) => Number((await on('HEAD', path)).headers['upload-offset']);
  const photos = async () =>
    JSON.parse((await ask(port, '/api/photos')).text) as { name: string; type: string; sizeBytes: number }[];
  return { dataDir, port, uploads, version, on, create, make, patch, offsetOf, photos, close };
}

const typeOf = ({ text }: Got) => (JSON.parse(text) as { type: string }).type.split('#')[1];

describe('creation', () => {
  test('answers 201 with Location, limits and ?0', async () => {
    const { create, offsetOf } = await start({ limits: { maxSize: 1000, maxAgeSeconds: 60 } });
    const { status, headers } = await create(1000);
    expect([status, headers['upload-complete'], headers['upload-limit']]).toEqual([
      201,
      '?0',
      'max-size=1000, max-age=60',
    ]);
    expect(await offsetOf(headers.location ?? '')).toBe(0);
  });

  test('announces the upload by 104 before it reads the content', async () => {
    const { port } = await start();
    const socket = connect(port, '127.0.0.1');
    let seen = '';
    socket.on('data', (bytes) => {
      seen += bytes;
    });
    socket.write(
      'POST /api/resumable HTTP/1.1\r\nHost: a\r\nUpload-Draft-Interop-Version: 9\r\nUpload-Complete: ?1\r\nContent-Length: 5\r\n\r\n',
    );
    await until(() => /^HTTP\/1\.1 104 [\s\S]*Location: \/api\/resumable\/[\s\S]*\r\n\r\n$/.test(seen), 'the 104');
    expect(seen).toContain('upload-limit: max-size');
    socket.write('hello');
    await until(() => /HTTP\/1\.1 201 [\s\S]*upload-complete: \?1/.test(seen), 'the answer');
    socket.destroy();
  });

  test('takes content at once, complete or not', async () => {
    const { create, on, patch, offsetOf, photos } = await start();
    const name = "inline; filename*=UTF-8''%E7%8C%AB.jpg";
    const whole = await on(
      'POST',
      '/api/resumable',
      { 'upload-complete': '?1', 'content-type': 'image/jpeg', 'content-disposition': name },
      someBytes(5),
    );
    expect([whole.status, whole.headers['upload-complete']]).toEqual([201, '?1']);
    expect(await photos()).toMatchObject([{ name: '猫.jpg', type: 'image/jpeg', sizeBytes: 5 }]);
    const { headers } = await create(5, {}, someBytes(3));
    expect(await offsetOf(headers.location ?? '')).toBe(3);
    expect((await patch(headers.location ?? '', 3, true, someBytes(2))).headers['upload-complete']).toBe('?1');
  });

  test.each<[string, Record<string, string>, number, number, string | undefined]>([
    ['without Upload-Complete', { 'upload-complete': '' }, 0, 400, undefined],
    ['with another value of it', { 'upload-complete': 'true' }, 0, 400, undefined],
    ['without a length', { 'upload-length': '' }, 0, 400, undefined],
    ['with another value of it', { 'upload-length': '"5"' }, 0, 400, undefined],
    ['with two lengths', { 'upload-complete': '?1', 'upload-length': '6' }, 5, 400, 'inconsistent-upload-length'],
    ['with more than its length', { 'upload-length': '4' }, 5, 400, 'inconsistent-upload-length'],
    ['of too large a file', { 'upload-length': '101' }, 0, 413, undefined],
    ['of too small a file', { 'upload-length': '1' }, 0, 400, undefined],
    ['with too much at once', { 'upload-length': '100' }, 51, 413, undefined],
    ['with too little at once', { 'upload-length': '100' }, 4, 400, undefined],
    ['of another interop version', { 'upload-draft-interop-version': '8' }, 0, 400, undefined],
    ['without one', { 'upload-draft-interop-version': '' }, 0, 400, undefined],
  ])('%s (%j, %i bytes) is refused with %i', async (_, headers, bytes, status, type) => {
    const { create } = await start({ limits: { maxSize: 100, minSize: 2, maxAppendSize: 50, minAppendSize: 5 } });
    const got = await create(10, headers, someBytes(bytes));
    expect([got.status, typeOf(got), got.headers['content-type']]).toEqual([status, type, 'application/problem+json']);
    if (status === 413)
      expect(got.headers['upload-limit']).toBe('max-size=100, min-size=2, max-append-size=50, min-append-size=5');
  });

  test('with a body of no announced length, or by another method, is refused', async () => {
    const { port, version, on } = await start();
    const { client, answer } = open(port, '/api/resumable', {
      method: 'POST',
      headers: { ...version, 'upload-complete': '?1', 'transfer-encoding': 'chunked' },
    });
    client.end('x');
    expect((await answer).status).toBe(411);
    expect((await on('PUT', '/api/resumable')).status).toBe(405);
  });
});

describe('the offset', () => {
  test.each([12, 15] as const)('as draft -%i tells it', async (draft) => {
    const { make, patch, on } = await start({ draft });
    const path = await make(10);
    await patch(path, 0, false, someBytes(4));
    const { status, headers } = await on('HEAD', path);
    expect([status, headers['upload-offset'], headers['cache-control']]).toEqual([204, '4', 'no-store']);
    expect(headers['upload-limit']).toMatch(/max-size=\d+, max-age=\d+/);
    const more = [headers['upload-complete'], headers['upload-length']];
    expect(more).toEqual(draft === 12 ? ['?0', '10'] : [undefined, undefined]);
    await patch(path, 4, true, someBytes(6));
    expect((await on('HEAD', path)).headers).toMatchObject(
      draft === 12 ? { 'upload-offset': '10', 'upload-complete': '?1' } : { 'upload-offset': '10' },
    );
  });

  test('of what nobody knows is 404', async () => {
    const { on } = await start();
    for (const key of ['x', '../../etc', '0'.repeat(64)])
      expect((await on('HEAD', `/api/resumable/${key}`)).status).toBe(404);
  });

  test('ends the append that is at work, and is true afterwards', async () => {
    const { make, port, version, on, patch } = await start();
    const path = await make(100);
    const headers = { ...version, ...partial, 'upload-offset': '0', 'upload-complete': '?1', 'content-length': '100' };
    const { client, answer } = open(port, path, { method: 'PATCH', headers });
    const bytes = someBytes(100);
    await write(client, bytes.subarray(0, 60));
    const outcome = answer.catch((error: unknown) => error);
    const held = Number((await on('HEAD', path)).headers['upload-offset']);
    expect(await outcome).toBeInstanceOf(Error);
    expect((await patch(path, held, true, bytes.subarray(held))).status).toBe(201);
  });
});

describe('an append', () => {
  test('acknowledges pieces by ?0, the last by the answer of the resource and ?1', async () => {
    const { make, patch, photos, port } = await start();
    const bytes = someBytes(10);
    const path = await make(10);
    const piece = await patch(path, 0, false, bytes.subarray(0, 4));
    expect([piece.status, piece.headers['upload-complete'], piece.headers['upload-offset']]).toEqual([
      204,
      '?0',
      undefined,
    ]);
    const last = await patch(path, 4, true, bytes.subarray(4));
    expect([last.status, last.headers['upload-complete']]).toEqual([201, '?1']);
    const { key } = JSON.parse(last.text) as { key: string };
    expect(await photos()).toHaveLength(1);
    expect(sha256((await ask(port, `/api/photos/${key}`)).bytes)).toBe(sha256(bytes));
  });

  test('of all the bytes is not complete before the client says so, with an empty one', async () => {
    const { make, patch, photos, on } = await start({ draft: 12 });
    const path = await make(10);
    await patch(path, 0, false, someBytes(10));
    expect((await on('HEAD', path)).headers).toMatchObject({ 'upload-offset': '10', 'upload-complete': '?0' });
    expect(await photos()).toEqual([]);
    expect((await patch(path, 10, true, new Uint8Array(0))).headers['upload-complete']).toBe('?1');
    expect(await photos()).toHaveLength(1);
  });

  test('that was refused for what it is says ?1 all the same', async () => {
    const { make, patch } = await start({ process: () => ({ status: 422, text: '{"title":"no cats"}' }) });
    const got = await patch(await make(3), 0, true, someBytes(3));
    expect([got.status, got.headers['upload-complete']]).toEqual([422, '?1']);
  });

  test('at another offset is refused with the right one, and nothing is taken', async () => {
    const { make, patch, offsetOf } = await start();
    const path = await make(10);
    await patch(path, 0, false, someBytes(4));
    for (const offset of [0, 3, 5]) {
      const got = await patch(path, offset, false, someBytes(1));
      expect([got.status, got.headers['upload-offset'], typeOf(got)]).toEqual([409, '4', 'mismatching-upload-offset']);
      expect(JSON.parse(got.text)).toMatchObject({ 'expected-offset': 4, 'provided-offset': offset });
    }
    expect(await offsetOf(path)).toBe(4);
  });

  test.each<[string, Record<string, string>, number, boolean, number, string | undefined]>([
    ['of another type', { 'content-type': 'application/offset+octet-stream' }, 1, false, 415, undefined],
    ['without an offset', { 'upload-offset': '' }, 1, false, 400, undefined],
    ['with a negative one', { 'upload-offset': '-1' }, 1, false, 400, undefined],
    ['that does not say whether it is the last', { 'upload-complete': '' }, 1, false, 400, undefined],
    ['that ends too early', {}, 9, true, 400, 'inconsistent-upload-length'],
    ['of a file of another length', { 'upload-length': '11' }, 1, false, 400, 'inconsistent-upload-length'],
    ['of too much at once', {}, 11, false, 413, undefined],
  ])('%s is refused', async (_, headers, bytes, complete, status, type) => {
    const { make, patch, offsetOf } = await start({ limits: { maxAppendSize: 10 } });
    const path = await make(10);
    const got = await patch(path, 0, complete, someBytes(bytes), headers);
    expect([got.status, typeOf(got)]).toEqual([status, type]);
    expect(await offsetOf(path)).toBe(0);
  });

  test('of less than the least is refused, unless it is the last', async () => {
    const { make, patch } = await start({ limits: { minAppendSize: 5 } });
    const path = await make(10);
    expect((await patch(path, 0, false, someBytes(4))).status).toBe(400);
    expect((await patch(path, 0, false, someBytes(8))).status).toBe(204);
    expect((await patch(path, 8, true, someBytes(2))).status).toBe(201);
  });

  test('beyond the length invalidates the upload', async () => {
    const { make, patch, on } = await start();
    const path = await make(10);
    expect(typeOf(await patch(path, 0, false, someBytes(11)))).toBe('inconsistent-upload-length');
    expect((await on('HEAD', path)).status).toBe(404);
  });

  test.each([
    [9, undefined],
    [8, 'completed-upload'],
  ])('to what is complete changes nothing (interop version %i)', async (interopVersion, type) => {
    const { make, patch, offsetOf } = await start({ interopVersion });
    const path = await make(3);
    await patch(path, 0, true, someBytes(3));
    expect(typeOf(await patch(path, 3, true, someBytes(1)))).toBe('inconsistent-upload-length');
    const empty = await patch(path, 3, true, new Uint8Array(0));
    expect([empty.status, typeOf(empty)]).toEqual([410, type]);
    expect(await offsetOf(path)).toBe(3);
  });

  test('that is cut keeps what came', async () => {
    const { make, port, version, offsetOf } = await start();
    const path = await make(100);
    const headers = { ...version, ...partial, 'upload-offset': '0', 'upload-complete': '?1', 'content-length': '100' };
    const { client } = open(port, path, { method: 'PATCH', headers });
    await write(client, someBytes(60));
    client.socket?.destroySoon();
    await until(async () => (await offsetOf(path)) === 60, 'the 60 bytes');
  });
});

test('an upload that is deleted, or too old, is gone', async () => {
  const { make, on, patch } = await start();
  const path = await make(10);
  expect((await on('DELETE', path)).status).toBe(204);
  for (const method of ['HEAD', 'DELETE']) expect((await on(method, path)).status).toBe(404);
  expect((await patch(path, 0, true, someBytes(10))).status).toBe(404);
  const old = await start({ limits: { maxAgeSeconds: 0 } });
  expect((await old.on('HEAD', await old.make(10))).status).toBe(404);
});

test('a restart keeps offsets, and who is complete', async () => {
  const first = await start({ draft: 12 });
  const [whole, part] = [await first.make(5), await first.make(5)];
  await first.patch(whole, 0, true, someBytes(5));
  await first.patch(part, 0, false, someBytes(5));
  await first.close();
  const second = await start({ draft: 12, dataDir: first.dataDir });
  expect((await second.on('HEAD', whole)).headers).toMatchObject({
    'upload-offset': '5',
    'upload-complete': '?1',
    'upload-length': '5',
  });
  expect((await second.on('HEAD', part)).headers).toMatchObject({ 'upload-offset': '5', 'upload-complete': '?0' });
  expect(await second.photos()).toHaveLength(1);
});

test('OPTIONS tells what is offered, and to whom', async () => {
  const { on } = await start({
    allowedOrigins: ['https://app.example'],
    limits: { maxSize: 5 },
    authorize: () => undefined,
  });
  const { status, headers } = await on('OPTIONS', '/api/resumable', { origin: 'https://app.example' });
  expect([status, headers['accept-patch'], headers['upload-limit']]).toEqual([
    204,
    'application/partial-upload',
    'max-size=5',
  ]);
  expect(headers['access-control-allow-origin']).toBe('https://app.example');
  for (const name of ['Location', 'Upload-Offset', 'Upload-Complete', 'Upload-Limit'])
    expect(headers['access-control-expose-headers']).toContain(name);
  expect((await on('POST', '/api/resumable', { origin: 'https://other.example' })).headers).not.toHaveProperty(
    'access-control-allow-origin',
  );
  expect((await on('POST', '/api/resumable')).status).toBe(401);
});

describe('tus-js-client, as of interop version 6,', () => {
  /** Its protocol has `ietf-draft-05` since 4.2; its types know it too. */
  const run = (port: number, bytes: Buffer, more: object = {}) =>
    new Promise<string>((resolve, reject) => {
      const upload = new Upload(
        bytes as never,
        {
          endpoint: `http://127.0.0.1:${port}/api/resumable`,
          protocol: 'ietf-draft-05',
          uploadSize: bytes.length,
          chunkSize: 100_000,
          retryDelays: [],
          onError: reject,
          onSuccess: () => resolve(upload.url ?? ''),
          ...more,
        } as never,
      );
      upload.start();
    });

  test.each([1, 100_000, 450_000])('delivers %i bytes', async (size) => {
    const { port, photos } = await start({ interopVersion: 6, draft: 12 });
    const bytes = someBytes(size);
    const url = await run(port, bytes);
    expect(await photos()).toHaveLength(1);
    expect(sha256((await ask(port, `/api/photos/${url.split('/').at(-1)}`)).bytes)).toBe(sha256(bytes));
  });

  test('goes on with an upload that was begun', async () => {
    const { port, make, patch, photos } = await start({ interopVersion: 6, draft: 12 });
    const bytes = someBytes(300_000);
    const path = await make(bytes.length);
    await patch(path, 0, false, bytes.subarray(0, 120_000));
    await run(port, bytes, { uploadUrl: `http://127.0.0.1:${port}${path}` });
    expect(await photos()).toHaveLength(1);
    expect(sha256((await ask(port, `/api/photos/${path.split('/').at(-1)}`)).bytes)).toBe(sha256(bytes));
  });
});
