// The cluster itself: one set of buckets behind every gateway, which outlives the loss of a gateway and of a storage
// daemon. Skipped, by name and reason, where Ceph cannot run.
import { GetObjectCommand, HeadBucketCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { expect, onTestFinished, test } from 'vitest';
import { cephOrReason } from './ceph.js';

/** Installing takes a minute, starting a quarter of one on an idle machine. */
const LIMIT_MS = 600_000;

test('a gateway and a storage daemon can be lost; what was stored is still there', { timeout: LIMIT_MS }, async (t) => {
  const started = await cephOrReason({ osds: 3, gateways: 2 });
  if ('reason' in started) return t.skip(started.reason);
  const { ceph } = started;
  onTestFinished(() => ceph.stop());
  const Bucket = await ceph.bucket();
  await ceph.client(0).send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'by the first' }));
  await ceph.kill('gateway', 0);
  await ceph.kill('osd', 1);
  await expect(fetch(ceph.gateways[0] ?? '')).rejects.toThrow();
  await ceph.client(1).send(new PutObjectCommand({ Bucket, Key: 'b', Body: 'by the second' }));
  const read = async (Key: string) =>
    (await ceph.client(1).send(new GetObjectCommand({ Bucket, Key }))).Body?.transformToString();
  expect([await read('a'), await read('b')]).toEqual(['by the first', 'by the second']);
  await ceph.revive('gateway', 0);
  await ceph.client(0).send(new HeadBucketCommand({ Bucket }));
});
