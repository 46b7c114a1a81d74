// The demo's gallery on a bucket: the same answers as from a folder. Skipped, by name and reason, where Ceph cannot run.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { expect, onTestFinished, test } from 'vitest';
import { createGallery } from '../../demo/server/gallery.js';
import { S3Bucket } from '../../demo/server/s3-bucket.js';
import { folderOf, keyOf } from '../../demo/server/s3-operations.js';
import { s3Shelf } from '../../demo/server/s3-shelf.js';
import { ask } from '../../demo/server/test-kit.js';
import { cephOrReason } from '../harness/ceph.js';

test('lists one user’s objects, newest first, in pages, and sends their bytes', { timeout: 600_000 }, async (t) => {
  const started = await cephOrReason();
  if ('reason' in started) return t.skip(started.reason);
  const { ceph } = started;
  onTestFinished(() => ceph.stop());
  const Bucket = await ceph.bucket();
  const { accessKeyId, secretAccessKey, gateways } = ceph;
  const bucket = new S3Bucket({ endpoints: gateways, bucket: Bucket, accessKeyId, secretAccessKey });
  const gallery = createGallery('/api/photos', s3Shelf(bucket, 'ann'));
  const server = createServer((request, response) => void gallery(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    bucket.close();
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const list = async (query = '') => JSON.parse((await ask(port, `/api/photos${query}`)).text);
  expect(await list()).toEqual([]);

  const put = (user: string, id: string, name: string, Body: string, ContentType = 'image/jpeg') => {
    const file = Buffer.from(JSON.stringify({ name, lastModifiedMs: 1_700_000_000_000 })).toString('base64url');
    const Key = keyOf(folderOf(user), id);
    return ceph.client().send(new PutObjectCommand({ Bucket, Key, Body, ContentType, Metadata: { file } }));
  };
  await put('ann', 'a', '文件.jpg', 'abcdef');
  // Ceph tells the time of an object in whole seconds.
  await new Promise((resolve) => setTimeout(resolve, 1100));
  await put('ann', 'b', 'b.html', '<script>', 'text/html');
  await put('bob', 'c', 'c.jpg', 'of somebody else');
  const [newest, oldest, ...others] = await list();
  expect(others).toEqual([]);
  expect(newest).toMatchObject({ key: keyOf('', 'b'), name: 'b.html', type: 'text/html', sizeBytes: 8 });
  expect(oldest).toEqual({
    key: keyOf('', 'a'),
    name: '文件.jpg',
    type: 'image/jpeg',
    sizeBytes: 6,
    lastModifiedMs: 1_700_000_000_000,
    finishedAtMs: expect.any(Number),
  });
  expect(await list('?limit=1')).toEqual([newest]);
  expect(await list(`?limit=1&after=${newest.key}`)).toEqual([oldest]);
  expect(await list('?after=nobody')).toEqual([]);

  const part = await ask(port, `/api/photos/${oldest.key}`, { headers: { range: 'bytes=1-3' } });
  expect([part.status, part.text, part.headers['content-type']]).toEqual([206, 'bcd', 'image/jpeg']);
  const page = await ask(port, `/api/photos/${newest.key}`);
  expect(page.headers['content-type']).toBe('application/octet-stream');
  for (const key of [keyOf('', 'c'), 'x', '..%2f..', keyOf('', 'nobody')]) {
    expect((await ask(port, `/api/photos/${key}`)).status).toBe(404);
  }
});
