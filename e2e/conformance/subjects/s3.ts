// The S3 adapter with Ceph's gateway: the smallest parts that S3 takes, so that runs are few and large.

import { createHash } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
} from '@aws-sdk/client-s3';
import { signRequest } from '../../../demo/server/s3-operations.js';
import { s3 } from '../../../sw/index.js';
import { busy } from '../../engine/virtual-time.js';
import type { Ceph } from '../../harness/ceph.js';
import type { RunningServer, Subject } from '../subject.js';

const PART_BYTES = 5_242_880;

export async function s3Subject(ceph: Ceph): Promise<Subject> {
  const client = ceph.client();
  const bucket = await ceph.bucket();
  return {
    name: 's3',
    adapter: (_origin, pieceBytes) =>
      s3({
        partSize: pieceBytes,
        // Signing takes time of its own, which is none of the wire's.
        sign: ({ upload, ...operation }) => {
          const { sizeBytes, name } = upload;
          const part =
            operation.type === 'part' ? { partNumber: operation.partNumber, partBytes: operation.sizeBytes } : {};
          const request = {
            ...operation,
            ...part,
            id: name,
            name,
            sizeBytes,
            contentType: 'application/octet-stream',
            lastModifiedMs: 0,
          };
          return busy(signRequest(client, request, { bucket, key: name, expiresIn: 600 }));
        },
      }),
    start: async () => startBucket(ceph, client, bucket),
    pieceBytes: PART_BYTES,
    cannot: {
      'offset behind': 'S3 loses no single part of an upload',
      403: 'S3 says it of a signature that is over: it is signed anew, with back-off; who may sign is for the backend to say',
    },
  };
}

function startBucket(ceph: Ceph, client: ReturnType<Ceph['client']>, Bucket: string): RunningServer {
  const unfinished = async (name: string) => {
    const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket, Prefix: name }));
    return Uploads.filter(({ Key }) => Key === name);
  };
  const forget = async (name: string) => {
    for (const { UploadId } of await unfinished(name)) {
      await client.send(new AbortMultipartUploadCommand({ Bucket, Key: name, UploadId }));
    }
  };
  return {
    origin: ceph.gateways[0] ?? '',
    // The cluster belongs to whoever started it.
    stop: async () => {},
    restart: async () => {
      await ceph.kill('gateway', 0);
      await ceph.revive('gateway', 0);
    },
    held: async (name) => {
      const there = await client.send(new HeadObjectCommand({ Bucket, Key: name })).catch(() => undefined);
      if (there === undefined) return [];
      const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: name }));
      return [
        createHash('sha256')
          .update((await Body?.transformToByteArray()) ?? '')
          .digest('hex'),
      ];
    },
    discard: async (name) => {
      await client.send(new DeleteObjectCommand({ Bucket, Key: name }));
      await forget(name);
    },
    unfinished: async (name) => (await unfinished(name)).length,
    forget,
  };
}
