// One upload server for each protocol, in the shape that the demo needs. The only file of the server that knows them all.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { fileShelf } from './file-shelf.js';
import type { Shelf } from './gallery.js';
import type { S3BucketOptions } from './s3-bucket.js';
import { type UploadServerOptions, uploadServerDefaults } from './upload-options.js';

/** In the words of the README. */
export const protocols = ['byte-offset', 'chunks', 'tus', 'ietf', 's3'] as const;
export type Protocol = (typeof protocols)[number];

export interface BackendOptions extends UploadServerOptions {
  /** The bucket; needed by `s3`. */
  readonly s3?: S3BucketOptions | undefined;
}

export interface Backend {
  /** Rejects if it cannot begin. */
  readonly ready: Promise<unknown>;
  /** Answers if the path is one of its own; else returns false and touches nothing. */
  readonly handle: (request: IncomingMessage, response: ServerResponse) => boolean;
  /** What it has finished. */
  readonly shelf: Shelf;
  /** Facts for the health page. */
  readonly health: () => Promise<object>;
  /** Origins beside the app's own that the app's requests go to. */
  readonly origins: readonly string[];
  /** Deletes what was abandoned now; returns how many. Done by itself from time to time. */
  readonly sweep?: () => Promise<number>;
  readonly close: () => Promise<void>;
}

const WEEK_SECONDS = 7 * 24 * 3600;

type Open = (options: BackendOptions) => Backend;

const inFolder = { origins: [], health: async () => ({}) };

/** Loaded when it is chosen: an SDK takes longer to load than everything else together. */
const loaders: Readonly<Record<Protocol, () => Promise<Open>>> = {
  'byte-offset': async () => {
    const { createUploadServer } = await import('./upload-server.js');
    return (options) => {
      const server = createUploadServer(options);
      return { ...inFolder, ...server, shelf: fileShelf(server.finished) };
    };
  },
  chunks: async () => {
    const { createChunkServer } = await import('./chunk-server.js');
    return ({ onRequest: _, ...options }) => {
      const server = createChunkServer(options);
      return { ...inFolder, ...server, shelf: fileShelf(server.finished) };
    };
  },
  tus: async () => {
    const { createTusServer } = await import('./tus-server.js');
    return ({ dataDir, authorize, allowedOrigins = [], maxFileBytes = uploadServerDefaults.maxFileBytes }) => {
      const server = createTusServer({ dataDir, allowedOrigins, maxFileBytes, ...(authorize && { authorize }) });
      return { ...inFolder, ...server, ready: server.finished(), shelf: fileShelf(server.finished) };
    };
  },
  ietf: async () => {
    const { createIetfServer } = await import('./ietf-server.js');
    return ({ dataDir, authorize, allowedOrigins = [], maxFileBytes = uploadServerDefaults.maxFileBytes }) => {
      const limits = { maxSize: maxFileBytes, maxAgeSeconds: WEEK_SECONDS };
      const server = createIetfServer({ dataDir, allowedOrigins, limits, ...(authorize && { authorize }) });
      return { ...inFolder, ...server, shelf: fileShelf(server.finished) };
    };
  },
  s3: async () => {
    const { S3Bucket } = await import('./s3-bucket.js');
    const { s3Shelf } = await import('./s3-shelf.js');
    const { createS3Signer } = await import('./s3-signer.js');
    return ({ s3, allowedOrigins = [], maxFileBytes = uploadServerDefaults.maxFileBytes }) => {
      if (s3 === undefined) throw new Error('PROTOCOL=s3 needs S3_ENDPOINTS, S3_BUCKET and keys.');
      const bucket = new S3Bucket(s3);
      return {
        ready: Promise.resolve(),
        handle: createS3Signer({ bucket, allowedOrigins, maxFileBytes, creates: true }),
        shelf: s3Shelf(bucket),
        health: async () => ({ storage: (await bucket.gateway()) === undefined ? 'silent' : 'ok' }),
        origins: s3.endpoints,
        close: async () => bucket.close(),
      };
    };
  },
};

/** What opens the server of one protocol; that throws what is missing in its options. */
export function loadBackend(protocol: Protocol): Promise<Open> {
  return loaders[protocol]();
}
