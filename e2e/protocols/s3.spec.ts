// S3 in a browser: a worker of one origin, a bucket of another, nothing exposed but what CORS has by itself. Judged by
// what the bucket holds and what the gateway was asked. Skipped, by name and reason, where Ceph cannot run.
import { createHash } from 'node:crypto';
import { GetObjectCommand, ListMultipartUploadsCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { S3Bucket } from '../../demo/server/s3-bucket.js';
import { createS3Signer } from '../../demo/server/s3-signer.js';
import { cephOrReason } from '../harness/ceph.js';
import { expect, test } from '../harness/fixtures.js';
import { deliverRandom, serveAppPage } from './app-page.js';
import { S3Proxy } from './s3-proxy.js';

const PART = 5_242_880;
const sizes = [0, 1000, 3_000_000, 4 * PART + 1];

test('files go from a worker straight to a bucket of another origin', async ({ launch }) => {
  test.setTimeout(600_000);
  const started = await cephOrReason();
  test.skip('reason' in started, 'reason' in started ? started.reason : '');
  if ('reason' in started) return;
  const { ceph } = started;
  const proxy = await S3Proxy.start(ceph.gateways[0] ?? '');
  const app = await serveAppPage((request, response) => sign(request, response));
  const name = await ceph.bucket([app.origin]);
  const { accessKeyId, secretAccessKey } = ceph;
  const bucket = new S3Bucket({ endpoints: [proxy.origin], bucket: name, accessKeyId, secretAccessKey });
  const sign = createS3Signer({ bucket });
  try {
    await app.serveWorker(`import { installBackhaul, s3 } from './sw/index.ts';
      const sign = (operation) => fetch('/s3/sign', { method: 'POST', body: JSON.stringify(operation) });
      installBackhaul({ endpoints: { photos: s3({ sign, partSize: ${PART} }) } });`);
    const { page: tab } = await launch();
    await tab.goto(app.origin);
    await tab.waitForFunction(() => window.backhaul !== undefined);
    const hashes = await deliverRandom(tab, sizes);

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
    app.close();
    await proxy.stop();
    bucket.close();
    await ceph.stop();
  }
});
