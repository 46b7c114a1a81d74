// Where several @tus/server processes keep their uploads together, and what is in there.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GetObjectCommand, S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { S3Store } from '@tus/s3-store';

export type SharedStore =
  | { readonly type: 'folder'; readonly dataDir: string }
  | {
      readonly type: 's3';
      /** For what the folder would hold. */
      readonly dataDir: string;
      readonly endpoint: string;
      readonly bucket: string;
      readonly accessKeyId: string;
      readonly secretAccessKey: string;
    };

type S3 = Extract<SharedStore, { type: 's3' }>;

export function datastoreOf(store: SharedStore): S3Store | undefined {
  if (store.type === 'folder') return undefined;
  // The least that S3 takes for a part that is not the last.
  const partSize = 5 * 1024 ** 2;
  return new S3Store({ partSize, s3ClientConfig: { bucket: store.bucket, ...clientConfig(store) } });
}

/** The bytes of a finished upload. */
export async function readStored(store: SharedStore, id: string): Promise<Uint8Array> {
  if (store.type === 'folder') return readFile(join(store.dataDir, id));
  const object = await new S3Client(clientConfig(store)).send(new GetObjectCommand({ Bucket: store.bucket, Key: id }));
  return (await object.Body?.transformToByteArray()) ?? new Uint8Array();
}

function clientConfig({ endpoint, accessKeyId, secretAccessKey }: S3): S3ClientConfig {
  return {
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
    // Servers other than AWS know no CRC32 of 2025.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  };
}
