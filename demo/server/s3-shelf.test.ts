// The shelf on a bucket behind a network that fails. What a sound bucket answers: e2e/protocols/s3-gallery.test.ts.

import type { ServerResponse } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { serve } from '../../e2e/harness/serve.js';
import { S3Bucket } from './s3-bucket.js';
import { s3Shelf } from './s3-shelf.js';

const keys = Array.from({ length: 20 }, (_, index) => index.toString(16).padStart(64, '0'));

test('lists although every connection that was kept has died without a sign', { timeout: 10_000 }, async () => {
  const dead = new WeakSet<object>();
  const living = new Set<object>();
  const endpoint = await serve(({ method, url = '', socket }, response) => {
    if (dead.has(socket)) return;
    living.add(socket);
    if (method === 'HEAD') response.writeHead(200, { 'content-length': 1 }).end();
    else list(url, response);
  });
  const answerLimitMs = 200;
  const keyPair = { accessKeyId: 'ID', secretAccessKey: 'SECRET' };
  const bucket = new S3Bucket({ endpoints: [endpoint], bucket: 'photos', ...keyPair, answerLimitMs });
  onTestFinished(() => bucket.close());
  const first = await s3Shelf(bucket).list(100, undefined);
  expect(first.map(({ key }) => key)).toEqual(keys);
  expect(living.size).toBeGreaterThan(3);

  for (const socket of living) dead.add(socket);
  // Another shelf, which has to ask for every object.
  expect(await s3Shelf(bucket).list(100, undefined)).toEqual(first);
});

function list(url: string, response: ServerResponse): void {
  const folder = new URL(url, 'http://s3').searchParams.get('prefix');
  const rows = keys.map((key) => `<Contents><Key>${folder}${key}</Key><ETag>"${key}"</ETag></Contents>`);
  response.writeHead(200, { 'content-type': 'application/xml' });
  response.end(`<ListBucketResult><IsTruncated>false</IsTruncated>${rows.join('')}</ListBucketResult>`);
}
