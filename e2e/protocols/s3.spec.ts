// S3 in a browser: a worker of one origin, a bucket of another, nothing exposed but what CORS has by itself. Judged by
// what the bucket holds and what the gateway was asked. Skipped, by name and reason, where Ceph cannot run.
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { GetObjectCommand, ListMultipartUploadsCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { build } from 'esbuild';
import { S3Bucket } from '../../demo/server/s3-bucket.js';
import { createS3Signer } from '../../demo/server/s3-signer.js';
import type { Backhaul } from '../../src/index.js';
import { cephOrReason } from '../harness/ceph.js';
import { expect, test } from '../harness/fixtures.js';
import { repositoryDir } from '../harness/server.js';
import { S3Proxy } from './s3-proxy.js';

declare global {
  interface Window {
    backhaul: Backhaul;
  }
}

const PART = 5_242_880;
const sizes = [0, 1000, 3_000_000, 4 * PART + 1];

const page = `import { Backhaul } from './src/index.ts';
window.backhaul = await Backhaul.register('/worker.js');`;
const worker = `import { installBackhaul, s3 } from './sw/index.ts';
const sign = (operation) => fetch('/s3/sign', { method: 'POST', body: JSON.stringify(operation) });
installBackhaul({ endpoints: { photos: s3({ sign, partSize: ${PART} }) } });`;

async function bundle(contents: string): Promise<string> {
  const stdin = { contents, resolveDir: repositoryDir, loader: 'ts' } as const;
  const { outputFiles } = await build({ stdin, bundle: true, write: false, format: 'esm', target: 'es2022' });
  return outputFiles[0]?.text ?? '';
}

test('files go from a worker straight to a bucket of another origin', async ({ launch }) => {
  test.setTimeout(600_000);
  const started = await cephOrReason();
  test.skip('reason' in started, 'reason' in started ? started.reason : '');
  if ('reason' in started) return;
  const { ceph } = started;
  const proxy = await S3Proxy.start(ceph.gateways[0] ?? '');
  const scripts = new Map([
    ['/page.js', await bundle(page)],
    ['/worker.js', await bundle(worker)],
  ]);
  const server = createServer((request, response) => {
    if (sign(request, response)) return;
    const script = scripts.get(request.url ?? '');
    const type = script === undefined ? 'text/html' : 'text/javascript';
    response.writeHead(200, { 'Content-Type': `${type}; charset=utf-8` });
    response.end(script ?? '<!doctype html><script type="module" src="/page.js"></script>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const name = await ceph.bucket([origin]);
  const { accessKeyId, secretAccessKey } = ceph;
  const bucket = new S3Bucket({ endpoints: [proxy.origin], bucket: name, accessKeyId, secretAccessKey });
  const sign = createS3Signer({ bucket });
  try {
    const { page: tab } = await launch();
    await tab.goto(origin);
    await tab.waitForFunction(() => window.backhaul !== undefined);
    const hashes = await tab.evaluate(async (wanted) => {
      const files = wanted.map((size) => {
        const bytes = new Uint8Array(size);
        for (let at = 0; at < size; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536));
        return new File([bytes], `文件 ${size}.jpg`, { type: 'image/jpeg' });
      });
      const digests = await Promise.all(
        files.map(async (file) => crypto.subtle.digest('SHA-256', await file.arrayBuffer())),
      );
      const uploads = await window.backhaul.enqueue(files, { endpoint: 'photos' });
      await Promise.all(uploads.map(({ finished }) => finished));
      return digests.map((digest) =>
        [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join(''),
      );
    }, sizes);

    const client = ceph.client();
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: name }));
    const held = await Promise.all(
      Contents.map(async ({ Key }) => {
        const { Body, ContentType } = await client.send(new GetObjectCommand({ Bucket: name, Key }));
        expect(ContentType).toBe('image/jpeg');
        return createHash('sha256')
          .update((await Body?.transformToByteArray()) ?? '')
          .digest('hex');
      }),
    );
    expect(held.toSorted()).toEqual(hashes.toSorted());
    expect((await client.send(new ListMultipartUploadsCommand({ Bucket: name }))).Uploads ?? []).toEqual([]);
    const count = (type: Parameters<S3Proxy['of']>[0]) => proxy.of(type).length;
    expect([count('put'), count('create'), count('part'), count('list'), count('complete')]).toEqual([3, 1, 5, 1, 1]);
    // One for each file and part, and for what makes an upload; lists and completions need none.
    console.log(`preflights: ${count('preflight')} for ${count('part')} parts, ${count('put')} whole files, 1 create`);
    expect(count('preflight')).toBeLessThanOrEqual(3 + 1 + 5);
  } finally {
    server.close();
    server.closeAllConnections();
    await proxy.stop();
    bucket.close();
    await ceph.stop();
  }
});
