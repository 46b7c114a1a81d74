import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { startedKits } from './started-kits.js';
import { ask, claim, type Kit, keyOf, post, someBytes } from './test-kit.js';

const { kits, start } = startedKits();

async function upload(kit: Kit, id: string, body: Uint8Array, metadata: Record<string, string>): Promise<void> {
  const packed = encodeURIComponent(JSON.stringify(metadata));
  const headers = { ...claim(id, 0, body.length), 'x-file-metadata': packed };
  const got = await ask(kit.port, '/api/upload', { method: 'POST', headers, body });
  expect(got.text).toBe(String(body.length));
}
const list = async (kit: Kit, query = '') => JSON.parse((await ask(kit.port, `/api/photos${query}`)).text);

it('lists finished files, newest first, with what was said of them', async () => {
  const kit = await start();
  await upload(kit, 'a', someBytes(3), { filename: '文件.jpg', filetype: 'image/jpeg', lastModified: '1700000000000' });
  await upload(kit, 'b', someBytes(4), { filename: 'b.png', filetype: 'image/png', __proto__x: 'y' });
  await post(kit.port, 'unfinished', 0, 5, someBytes(2));
  const expected = [
    { key: keyOf('b'), name: 'b.png', type: 'image/png', sizeBytes: 4, finishedAtMs: expect.any(Number) },
    { key: keyOf('a'), name: '文件.jpg', type: 'image/jpeg', sizeBytes: 3, lastModifiedMs: 1_700_000_000_000 },
  ];
  expect(await list(kit)).toMatchObject(expected);
  const again = await kit.restart();
  kits.push(again);
  expect(await list(again)).toMatchObject(expected);
});

it('pages', async () => {
  const kit = await start();
  for (const id of ['a', 'b', 'c', 'd', 'e']) await upload(kit, id, someBytes(1), { filename: id });
  const names = (photos: { name: string }[]) => photos.map(({ name }) => name).join('');
  const first = await list(kit, '?limit=2');
  const second = await list(kit, `?limit=2&after=${first.at(-1).key}`);
  const third = await list(kit, `?limit=2&after=${second.at(-1).key}`);
  expect([first, second, third].map(names)).toEqual(['ed', 'cb', 'a']);
  expect(await list(kit, `?after=${third.at(-1).key}`)).toEqual([]);
  expect(await list(kit, '?after=nobody')).toEqual([]);
});

it('sends the bytes, whole and in ranges', async () => {
  const kit = await start();
  const bytes = someBytes(1000);
  await upload(kit, 'a', bytes, { filename: 'a.mp4', filetype: 'video/mp4' });
  const path = `/api/photos/${keyOf('a')}`;
  const whole = await ask(kit.port, path);
  expect(whole.bytes).toEqual(bytes);
  expect(whole.headers).toMatchObject({ 'content-type': 'video/mp4', 'content-security-policy': 'sandbox' });
  const part = await ask(kit.port, path, { headers: { range: 'bytes=100-199' } });
  expect([part.status, part.headers['content-range']]).toEqual([206, 'bytes 100-199/1000']);
  expect(part.bytes).toEqual(bytes.subarray(100, 200));
  expect((await ask(kit.port, path, { headers: { range: 'bytes=-10' } })).bytes).toEqual(bytes.subarray(990));
  expect((await ask(kit.port, path, { headers: { range: 'bytes=990-5000' } })).bytes).toEqual(bytes.subarray(990));
  expect((await ask(kit.port, path, { headers: { range: 'bytes=1000-' } })).status).toBe(416);
  const etag = String(whole.headers.etag);
  expect((await ask(kit.port, path, { headers: { 'if-none-match': etag } })).status).toBe(304);
  expect((await ask(kit.port, path, { method: 'HEAD' })).headers['content-length']).toBe('1000');
});

it.each(['image/svg+xml', 'text/html', 'application/pdf', 'image/jpeg\r\nx: y', ''])(
  'downloads, never shows, "%s"',
  async (filetype) => {
    const kit = await start();
    await upload(kit, 'a', Buffer.from('<script>'), { filename: "x\"; filename='evil'\r\n\ud800.html", filetype });
    const { headers } = await ask(kit.port, `/api/photos/${keyOf('a')}`);
    expect(headers['content-type']).toBe('application/octet-stream');
    expect(headers['content-disposition']).toBe(
      "attachment; filename*=UTF-8''x%22%3B%20filename%3D%27evil%27%0D%0A%EF%BF%BD.html",
    );
    expect(headers['x-content-type-options']).toBe('nosniff');
  },
);

it('finds nothing under names that are no keys', async () => {
  const kit = await start();
  await post(kit.port, 'unfinished', 0, 5, someBytes(2));
  for (const key of ['..%2f..%2fetc%2fpasswd', 'x', '', keyOf('unfinished'), `${keyOf('unfinished')}.json`]) {
    expect((await ask(kit.port, `/api/photos/${key}`)).status).toBe(404);
  }
});

it('survives paths that make no sense', async () => {
  const kit = await start({ appDir: import.meta.dirname });
  for (const path of ['//', '/%', '/%00', '//..//', '/api/photos/%E0%A4%A', '/api/photos?%', '*']) {
    expect((await ask(kit.port, path)).status).toBeLessThan(500);
  }
  expect((await ask(kit.port, '/healthz')).status).toBe(200);
});

it('serves the app with a strict policy and nothing stale', async () => {
  const kit = await start();
  const appDir = join(kit.dataDir, 'app');
  await mkdir(appDir);
  await writeFile(join(appDir, 'index.html'), '<!doctype html>');
  await writeFile(join(appDir, 'sw.js'), '//');
  const withApp = await kit.restart({ appDir });
  kits.push(withApp);
  const page = await ask(withApp.port, '/');
  expect([page.status, page.text]).toEqual([200, '<!doctype html>']);
  expect(page.headers).toMatchObject({
    'cache-control': 'no-cache',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'content-security-policy': expect.stringContaining("object-src 'none'; base-uri 'none'; frame-ancestors 'none'"),
  });
  const worker = await ask(withApp.port, '/sw.js');
  expect(worker.headers).toMatchObject({
    'cache-control': 'no-cache',
    'content-type': expect.stringContaining('javascript'),
  });
  expect((await ask(withApp.port, '/../demo.json')).status).toBe(404);
});
