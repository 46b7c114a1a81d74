// What the demo adds to @tus/server: names, limits, CORS, and what the gallery sees.

import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { fileShelf } from './file-shelf.js';
import { createGallery } from './gallery.js';
import { ask, someBytes, until } from './test-kit.js';
import { createTusServer, type TusServerOptions } from './tus-server.js';

const body = { 'content-type': 'application/offset+octet-stream' };

async function start(options: Partial<TusServerOptions> = {}) {
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'backhaul-tus-')));
  const tus = createTusServer({ dataDir, ...options });
  const gallery = createGallery(
    '/api/photos',
    fileShelf(() => tus.finished()),
  );
  const server = createServer((request, response) => {
    if (!tus.handle(request, response) && !gallery(request, response)) response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
    await tus.close();
    await rm(dataDir, { recursive: true, force: true });
  });
  const make = (id: string, bytes: Uint8Array, more: Record<string, string> = {}) => {
    const pairs = { id, filename: 'ä.jpg', filetype: 'image/jpeg', lastModified: '1700000000000' };
    const metadata = Object.entries(pairs).map(([key, value]) => `${key} ${Buffer.from(value).toString('base64')}`);
    const headers = {
      'tus-resumable': '1.0.0',
      'upload-length': String(bytes.length),
      'upload-metadata': metadata.join(),
    };
    return ask(port, '/api/tus', { method: 'POST', headers: { ...headers, ...body, ...more }, body: bytes });
  };
  const on = (method: string, id: string, headers: Record<string, string> = {}, bytes?: Uint8Array) =>
    ask(port, `/api/tus/${id}`, {
      method,
      headers: { 'tus-resumable': '1.0.0', ...headers },
      ...(bytes && { body: bytes }),
    });
  const photos = async () => JSON.parse((await ask(port, '/api/photos')).text) as { key: string; name: string }[];
  return { dataDir, port, make, on, photos, tus };
}

test('an upload is named by the id in its metadata, and is made once', async () => {
  const { make, on } = await start();
  const bytes = someBytes(1000);
  const made = await make('upload-one', bytes);
  expect([made.status, made.headers.location, made.headers['upload-offset']]).toEqual([
    201,
    '/api/tus/upload-one',
    '1000',
  ]);
  expect((await make('upload-one', bytes)).status).toBe(409);
  expect((await on('HEAD', 'upload-one')).headers['upload-offset']).toBe('1000');
});

test.each(['', '../../x', 'a/b', 'short', 'x'.repeat(129)])('the id %j is no name: it gets another', async (id) => {
  const { make, dataDir } = await start();
  const { status, headers } = await make(id, someBytes(1));
  expect([status, headers.location]).toEqual([201, expect.stringMatching(/^\/api\/tus\/[0-9a-f-]{36}$/)]);
  expect(await readdir(dataDir)).toHaveLength(2);
});

test('the gallery has what is finished, byte for byte, also after a restart, until it is deleted', async () => {
  const { make, on, photos, port, dataDir } = await start();
  const bytes = someBytes(3000);
  await make('whole-one', bytes);
  await make('partial-one', bytes, { 'upload-length': '4000' });
  await make('empty-one', new Uint8Array(0));
  expect((await photos()).map(({ key }) => key)).toEqual(['empty-one', 'whole-one']);
  expect((await photos())[1]).toMatchObject({
    name: 'ä.jpg',
    type: 'image/jpeg',
    sizeBytes: 3000,
    lastModifiedMs: 1_700_000_000_000,
  });
  expect(Buffer.compare((await ask(port, '/api/photos/whole-one')).bytes, bytes)).toBe(0);
  const next = await start({ dataDir });
  expect((await next.photos()).map(({ key }) => key).sort()).toEqual(['empty-one', 'whole-one']);
  const rest = { ...body, 'upload-offset': '3000' };
  expect((await next.on('PATCH', 'partial-one', rest, someBytes(1000))).status).toBe(204);
  expect((await next.photos())[0]?.key).toBe('partial-one');
  expect((await next.on('DELETE', 'whole-one')).status).toBe(204);
  expect((await next.photos()).map(({ key }) => key)).not.toContain('whole-one');
  expect((await on('HEAD', 'whole-one')).status).toBe(404);
});

test('files are given out by the gallery alone', async () => {
  const { make, on } = await start();
  await make('upload-one', someBytes(10));
  expect((await on('GET', 'upload-one')).status).toBe(405);
});

test('an upload whose time is over may be made again', async () => {
  const { make, on } = await start({ expireAfterMs: 1 });
  await make('upload-one', someBytes(10), { 'upload-length': '20' });
  await until(async () => (await on('HEAD', 'upload-one')).status === 410, 'its expiry');
  expect((await make('upload-one', someBytes(10))).status).toBe(201);
});

test('limits and strangers are refused', async () => {
  const { make } = await start({
    maxFileBytes: 10,
    authorize: ({ headers }) => headers.authorization,
  });
  expect((await make('upload-one', someBytes(1))).status).toBe(401);
  expect((await make('upload-one', someBytes(11), { authorization: 'x' })).status).toBe(413);
  expect((await make('upload-one', someBytes(10), { authorization: 'x' })).status).toBe(201);
});

test('other origins see what a client needs, if they are listed', async () => {
  const { make } = await start({ allowedOrigins: ['https://app.example'] });
  const { headers } = await make('upload-one', someBytes(1), { origin: 'https://app.example' });
  expect(headers['access-control-allow-origin']).toBe('https://app.example');
  for (const name of ['Location', 'Upload-Offset', 'Upload-Length', 'Upload-Expires', 'Retry-After']) {
    expect(headers['access-control-expose-headers']).toContain(name);
  }
  const stranger = await make('upload-two', someBytes(1), { origin: 'https://other.example' });
  expect(stranger.headers['access-control-allow-origin']).not.toBe('https://other.example');
});
