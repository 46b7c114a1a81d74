// Every setting of the chunk server, with its unit and its default. Knows nothing of what they do.

import { type UploadServerOptions, uploadServerDefaults } from './upload-options.js';

/** What became of a request, for logs and for tests that judge by what the server received. */
export interface ChunkRecord {
  readonly event: 'list' | 'chunk' | 'merge' | 'abort' | 'bad-request';
  /** The client's name for the file; empty where it gave none. */
  readonly fileId: string;
  readonly index?: number;
  readonly outcome: string;
  /** Absent where nobody was left to answer. */
  readonly httpStatus?: number;
  /** Body bytes that came in, the form around them included. */
  readonly receivedBytes: number;
  /** Bytes of the chunk that are stored and acknowledged for the first time. */
  readonly acceptedBytes: number;
  readonly atMs: number;
}

type Shared = Pick<
  UploadServerOptions,
  | 'dataDir'
  | 'allowedOrigins'
  | 'maxFileBytes'
  | 'maxIdBytes'
  | 'maxUploads'
  | 'requestIdleMs'
  | 'abandonAfterMs'
  | 'sweepEveryMs'
  | 'authorize'
  | 'now'
>;

export interface ChunkServerOptions extends Shared {
  /** `GET` lists, `POST` takes a chunk, `DELETE` frees. Default `/api/chunks`. */
  readonly chunkPath?: string;
  /** `POST` makes the file. Default `/api/chunks/merge`. */
  readonly mergePath?: string;
  /** Largest chunk in bytes; more is refused with 413. Default 64 MiB. */
  readonly maxChunkBytes?: number;
  /** Most chunks a file; more are refused with 400. Default 10,000. */
  readonly maxChunks?: number;
  /** Files of at most so many bytes are finished by their last chunk, which saves the merge. Default 8 MiB. */
  readonly mergeAtOnceBytes?: number;
  /** Recognizes content that it holds by such a hash, computed by itself when a file is finished. Default: none. */
  readonly contentHash?: 'sha256' | 'md5';
  /** Told of every request, before it is answered. Must not throw. */
  readonly onRequest?: (record: ChunkRecord) => void;
}

export const chunkServerDefaults = {
  ...uploadServerDefaults,
  chunkPath: '/api/chunks',
  mergePath: '/api/chunks/merge',
  maxChunkBytes: 64 * 1024 ** 2,
  maxChunks: 10_000,
  mergeAtOnceBytes: 8 * 1024 ** 2,
} as const satisfies Partial<ChunkServerOptions>;
