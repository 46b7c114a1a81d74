// Every setting of the server of "Resumable Uploads for HTTP". Knows nothing of what they do.

import type { IncomingMessage } from 'node:http';
import type { FinishedFile } from './file-shelf.js';
import type { UploadLimits } from './ietf-fields.js';

export interface IetfServerOptions {
  /** Folder for the bytes, made if absent. Only one process may use it. */
  readonly dataDir: string;
  /** The resource that is uploaded to; uploads are below it. Default `/api/resumable`. */
  readonly path?: string;
  /** Default 15. */
  readonly draft?: 12 | 15;
  /** What clients must send as Upload-Draft-Interop-Version; `'none'`: nothing. Default 9. */
  readonly interopVersion?: number | 'none';
  /** Default: 10 GiB at most, for 7 days. */
  readonly limits?: UploadLimits;
  /** Origins such as `https://app.example` that may use it from their pages. Default none: same origin only. */
  readonly allowedOrigins?: readonly string[];
  /** Who is asking; undefined is answered with 401. Uploads of different owners never meet. Default: everybody is one. */
  readonly authorize?: (request: IncomingMessage) => string | undefined | Promise<string | undefined>;
  /** What the resource says to a whole file: the answer to its last byte. Default 201 with its key. */
  readonly process?: (file: FinishedFile) => { readonly status: number; readonly text: string };
  /** Whether an upload's URL is gone as soon as the file is whole. Default false. */
  readonly forgetsFinished?: boolean;
}
