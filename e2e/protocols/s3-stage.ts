// What the tests of S3 share: a bucket of their own behind a proxy, a backend that signs, workers on one database, and a
// look at what the bucket holds.

import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { GetObjectCommand, ListMultipartUploadsCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { onTestFinished } from 'vitest';
import { S3Bucket } from '../../demo/server/s3-bucket.js';
import { folderOf, keyOf } from '../../demo/server/s3-operations.js';
import { createS3Signer, type S3SignerOptions } from '../../demo/server/s3-signer.js';
import type { UploadSnapshot } from '../../src/contracts/upload.js';
import { type S3Options, s3 } from '../../sw/index.js';
import { Life } from '../engine/life.js';
import { VirtualTime } from '../engine/virtual-time.js';
import { itemOf, startWorker, type TestWorker } from '../engine/worker.js';
import type { Ceph } from '../harness/ceph.js';
import { S3Proxy } from './s3-proxy.js';

export const MIB = 1_048_576;
/** S3's smallest part. */
export const PART = 5 * MIB;

export interface S3Stage {
  readonly time: VirtualTime;
  readonly proxy: S3Proxy;
  readonly bucket: S3Bucket;
  readonly worker: TestWorker;
  /** Answers each question to the backend instead of it. */
  refuseToSign: (request: IncomingMessage) => number | undefined;
  /** Another worker on the same database, as after an update or a stop. */
  another(life?: Life): TestWorker;
  add(file: TestFile): Promise<UploadSnapshot>;
  /** As the newest worker tells it. */
  look(): Promise<UploadSnapshot>;
  /** Lets time pass until the upload has this status. */
  reach(status: UploadSnapshot['status']): Promise<UploadSnapshot>;
  /** SHA-256 of the one object in the bucket; undefined without one. Several are an error. */
  held(): Promise<string | undefined>;
  /** Multipart uploads that were begun and not ended. */
  begun(): Promise<number>;
}

export interface TestFile {
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly sha256: string;
}

export function fileOf(sizeBytes: number, name = '文件 1.jpg'): TestFile {
  const bytes = new Uint8Array(randomBytes(sizeBytes));
  return { name, bytes, sha256: sha256(bytes) };
}

let databases = 0;

export async function setS3Stage(
  ceph: Ceph,
  given: Partial<S3Options> | ((bucket: S3Bucket, sign: S3Options['sign']) => Partial<S3Options>) = {},
  signerOptions: Partial<S3SignerOptions> = {},
): Promise<S3Stage> {
  const time = new VirtualTime();
  const [gateway = ''] = ceph.gateways;
  const proxy = await S3Proxy.start(gateway);
  const { accessKeyId, secretAccessKey } = ceph;
  const name = await ceph.bucket();
  const bucket = new S3Bucket({ endpoints: [proxy.origin], bucket: name, accessKeyId, secretAccessKey });
  const sign = createS3Signer({ bucket, ...signerOptions });
  const backend = createServer((request, response) => {
    const status = stage.refuseToSign(request);
    if (status !== undefined) response.writeHead(status).end();
    else if (!sign(request, response)) response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve));
  const signUrl = `http://127.0.0.1:${(backend.address() as AddressInfo).port}/s3/sign`;
  const askBackend: S3Options['sign'] = (operation) =>
    fetch(signUrl, { method: 'POST', body: JSON.stringify(operation) });
  const options = typeof given === 'function' ? given(bucket, askBackend) : given;
  databases += 1;
  const databaseName = `s3-${process.pid}-${databases}`;
  const lives: Life[] = [];
  let current: TestWorker;
  const another = (life = new Life()): TestWorker => {
    lives.push(life);
    const photos = s3({ sign: askBackend, partSize: PART, ...options });
    current = startWorker({ databaseName, clock: time, endpoints: { photos }, life });
    return current;
  };
  const worker = another();
  const client = ceph.client();
  onTestFinished(async () => {
    for (const life of lives) life.end();
    backend.close();
    backend.closeAllConnections();
    await proxy.stop();
    bucket.close();
  });
  const stage: S3Stage = {
    time,
    proxy,
    bucket,
    worker,
    refuseToSign: () => undefined,
    another,
    async add({ name, bytes }) {
      const items = [itemOf(name, bytes)];
      const enqueue = { type: 'enqueue', endpoint: 'photos', metadata: {}, priority: 'normal', items } as const;
      const [outcome] = (await current.send(enqueue)).outcomes;
      if (outcome?.type !== 'accepted') throw new Error('not accepted');
      return outcome.snapshot;
    },
    async look() {
      const [snapshot] = await current.list();
      if (snapshot === undefined) throw new Error('no upload');
      return snapshot;
    },
    async reach(status) {
      const reached = async () => {
        const snapshot = await stage.look();
        if (snapshot.status === 'failed' && status !== 'failed') throw new Error(JSON.stringify(snapshot));
        return snapshot.status === status && snapshot;
      };
      return time.until(status, reached);
    },
    async held() {
      const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: name }));
      if (Contents.length > 1) throw new Error(`${Contents.length} objects`);
      const [object] = Contents;
      if (object?.Key === undefined) return undefined;
      if (object.Key !== keyOf(folderOf(''), (await stage.look()).id)) throw new Error(`a stranger: ${object.Key}`);
      return sha256Of(ceph, name, object.Key);
    },
    async begun() {
      return (await client.send(new ListMultipartUploadsCommand({ Bucket: name }))).Uploads?.length ?? 0;
    },
  };
  return stage;
}

export async function sha256Of(ceph: Ceph, Bucket: string, Key: string, gateway = 0): Promise<string> {
  const { Body } = await ceph.client(gateway).send(new GetObjectCommand({ Bucket, Key }));
  return sha256((await Body?.transformToByteArray()) ?? new Uint8Array());
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
