// Signs, one by one, the requests by which a client uploads straight to S3; begins the upload itself, if it is told to.
// Holds no state: what is asked carries all that is needed, and any other process with the same keys answers the same.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { BodyReader } from './body-reader.js';
import { allowOrigin, answerPreflight } from './cors.js';
import { answer, refuse } from './reply.js';
import type { S3Bucket } from './s3-bucket.js';
import { createUpload, folderOf, keyOf, parseOperation, type SigningRequest, signRequest } from './s3-operations.js';

export interface S3SignerOptions {
  readonly bucket: S3Bucket;
  /** Default `/s3/sign`. */
  readonly path?: string;
  /** Origins whose pages may ask. Default none: same origin only. */
  readonly allowedOrigins?: readonly string[];
  /** Largest file in bytes; more is refused with 413. Default 10 GiB. */
  readonly maxFileBytes?: number;
  /**
   * Who is asking; undefined is answered with 401. Each user has a folder of their own, and no way out of it. Default:
   * everybody is one user, which is for demonstrations.
   */
  readonly authorize?: (request: IncomingMessage) => string | undefined | Promise<string | undefined>;
  /** How long a signature opens the bucket, in seconds. A request that has begun may take longer. Default 300. */
  readonly lifetimeSeconds?: number;
  /** Makes multipart uploads by itself: three round trips less for the device, one a preflight. Default false. */
  readonly creates?: boolean;
  /** Told of each signature. Must not throw. */
  readonly onSigned?: (request: SigningRequest) => void;
}

/** An operation is about 500 bytes, and metadata of the app. */
const maxBodyBytes = 65_536;
const idleMs = 10_000;

/** Answers `POST path`; returns false for other paths. */
export function createS3Signer(
  options: S3SignerOptions,
): (request: IncomingMessage, response: ServerResponse) => boolean {
  const { bucket, path = '/s3/sign', allowedOrigins = [], maxFileBytes = 10 * 1024 ** 3 } = options;
  const { authorize = () => '', lifetimeSeconds = 300, creates = false } = options;

  async function sign(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = new BodyReader(request);
    const isAllowed = allowOrigin(request, response, allowedOrigins);
    if (request.method === 'OPTIONS') return answerPreflight(response, isAllowed, 'POST');
    if (request.method !== 'POST') return refuse(response, body, 405, 'Method not allowed.', { allow: 'POST' });
    const user = await authorize(request);
    if (user === undefined) return refuse(response, body, 401, 'Sign in first.', { 'www-authenticate': 'Bearer' });
    const text = await textOf(body);
    const operation = text === undefined ? undefined : parseOperation(text);
    if (operation === undefined) return refuse(response, body, 400, 'This is no operation that can be signed.');
    if (operation.sizeBytes > maxFileBytes) return answer(response, 413, `At most ${maxFileBytes} bytes.`);
    const gateway = await bucket.gateway();
    if (gateway === undefined) return answer(response, 503, 'The storage does not answer.', { 'retry-after': '1' });
    const place = { bucket: bucket.name, key: keyOf(folderOf(user), operation.id), expiresIn: lifetimeSeconds };
    const signed =
      creates && operation.type === 'create'
        ? await createUpload(gateway, operation, place)
        : await signRequest(gateway.client, operation, place);
    options.onSigned?.(operation);
    answer(response, 200, JSON.stringify(signed), { 'content-type': 'application/json' });
  }

  return (request, response) => {
    if ((request.url ?? '').split('?', 1)[0] !== path) return false;
    void sign(request, response).catch(() => {
      if (response.headersSent) response.destroy();
      else answer(response, 500, 'This could not be signed.');
    });
    return true;
  };
}

/** Undefined for a body that is too large, or did not come. */
async function textOf(body: BodyReader): Promise<string | undefined> {
  const parts: Buffer[] = [];
  for (let bytes = 0; bytes <= maxBodyBytes; ) {
    const step = await body.next(idleMs);
    if (step.type === 'end') return Buffer.concat(parts).toString();
    if (step.type !== 'bytes') return undefined;
    bytes += step.bytes.length;
    parts.push(step.bytes);
  }
  return undefined;
}
