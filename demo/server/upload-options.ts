// Every setting of the upload server, with its unit and its default. Knows nothing of what they do.

import type { IncomingMessage } from 'node:http';
import type { RequestRecord } from './request-records.js';
import type { OpenDataFile } from './upload-file.js';

export interface UploadServerOptions {
  /** Folder for the bytes, made if absent. Only one process may use it. */
  readonly dataDir: string;
  /** Default `/api/status`. */
  readonly statusPath?: string;
  /** Default `/api/upload`. */
  readonly uploadPath?: string;
  /** Origins such as `https://app.example` that may use it from their pages. Default none: same origin only. */
  readonly allowedOrigins?: readonly string[];
  /** Largest file in bytes; more is refused with 413. Default 10 GiB. */
  readonly maxFileBytes?: number;
  /** Longest X-File-Id in bytes; a longer one is refused with 400. Default 4096: a name of 255 Chinese letters is 2,295. */
  readonly maxIdBytes?: number;
  /** Unfinished uploads at a time; another one is refused with 429. Default 1000. */
  readonly maxUploads?: number;
  /** A request that sends no byte for so many milliseconds is ended; its bytes are kept. Default 60,000. */
  readonly requestIdleMs?: number;
  /** A piece whose predecessor is not on its way is refused with 409 after so many milliseconds. Default 5000. */
  readonly pieceWaitMs?: number;
  /** Unfinished uploads that got no byte for so many milliseconds are deleted. Default 7 days. */
  readonly abandonAfterMs?: number;
  /** How often in milliseconds that is looked for. Default 1 hour. */
  readonly sweepEveryMs?: number;
  /**
   * Who is asking; undefined is answered with 401. Ids of different owners never meet. Default: everybody is one
   * owner, which is for demonstrations: an id can be guessed.
   */
  readonly authorize?: (request: IncomingMessage) => string | undefined | Promise<string | undefined>;
  /** Told of every status and upload, in order. Must not throw. */
  readonly onRequest?: (record: RequestRecord) => void;
  /** Epoch in milliseconds; for tests. */
  readonly now?: () => number;
  /** How files of bytes are opened; for tests. */
  readonly openData?: OpenDataFile;
}

export const uploadServerDefaults = {
  statusPath: '/api/status',
  uploadPath: '/api/upload',
  allowedOrigins: [] as readonly string[],
  maxFileBytes: 10 * 1024 ** 3,
  maxIdBytes: 4096,
  maxUploads: 1000,
  requestIdleMs: 60_000,
  pieceWaitMs: 5000,
  abandonAfterMs: 7 * 24 * 3_600_000,
  sweepEveryMs: 3_600_000,
  authorize: (): string => '',
  onRequest: (): void => undefined,
  now: (): number => Date.now(),
} as const satisfies Partial<UploadServerOptions>;
