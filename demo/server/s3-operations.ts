// What a client may ask to have signed, checked field by field, and the URL that each becomes. Knows neither HTTP nor
// who is asking.

import { createHash } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  HeadObjectCommand,
  ListPartsCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';

const operations = ['put', 'head', 'create', 'part', 'list', 'complete', 'abort'] as const;

/** An operation whose every field was looked at. */
export interface SigningRequest {
  readonly type: (typeof operations)[number];
  readonly id: string;
  readonly name: string;
  readonly contentType: string;
  readonly sizeBytes: number;
  readonly lastModifiedMs: number;
  readonly uploadId?: string;
  readonly partNumber?: number;
  readonly partBytes?: number;
  readonly marker?: number;
}

const mostParts = 10_000;
const smallestPart = 5_242_880;
/** S3 keeps 2 kB of metadata; 300 characters are at most 1.2 kB in base64. */
const longestName = 300;

type Fields = Readonly<Record<string, unknown>>;

/** Undefined for anything that is not an operation. */
export function parseOperation(text: string): SigningRequest | undefined {
  const operation = fieldsOf(parseJson(text));
  const upload = fieldsOf(operation?.['upload']);
  if (operation === undefined || upload === undefined) return undefined;
  const type = operations.find((known) => known === operation['type']);
  const { id, name, type: claimed, sizeBytes, lastModifiedMs } = upload;
  if (type === undefined || !isText(id, 200) || id === '' || !isWhole(sizeBytes)) return undefined;
  const { uploadId, partNumber, marker } = operation;
  // Of one part, or of each.
  const partBytes = type === 'part' ? operation['sizeBytes'] : operation['partBytes'];
  if (uploadId !== undefined && (!isText(uploadId, 1024) || uploadId === '')) return undefined;
  if (['part', 'list', 'complete'].includes(type) && uploadId === undefined) return undefined;
  if (marker !== undefined && !isWhole(marker, mostParts)) return undefined;
  if (type === 'part') {
    if (!isWhole(partNumber, mostParts) || !isWhole(partBytes, sizeBytes)) return undefined;
    // Every part before it has 5 MiB at least.
    if (partNumber < 1 || (partNumber - 1) * smallestPart > sizeBytes) return undefined;
  }
  return {
    type,
    id,
    name: typeof name === 'string' ? name.slice(0, longestName) : '',
    contentType: isText(claimed, 200) && /^[\w.+-]+\/[\w.+-]+$/.test(claimed) ? claimed : 'application/octet-stream',
    sizeBytes,
    lastModifiedMs: isWhole(lastModifiedMs) ? lastModifiedMs : 0,
    ...(isText(uploadId, 1024) && { uploadId }),
    ...(type === 'part' && isWhole(partNumber) && { partNumber }),
    ...(isWhole(partBytes) && { partBytes }),
    ...(isWhole(marker) && { marker }),
  };
}

/** Names and ids of a client decide nothing but a hash: no path, no other user's folder. */
export function keyOf(folder: string, uploadId: string): string {
  return `${folder}${createHash('sha256').update(uploadId).digest('hex')}`;
}

/** Where one user's objects are. */
export function folderOf(user: string): string {
  return `users/${createHash('sha256').update(user).digest('hex').slice(0, 32)}/`;
}

interface Place {
  readonly bucket: string;
  readonly key: string;
  readonly expiresIn: number;
}

interface Signed {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Lengths are signed: S3 refuses a body of another size than was announced here. So are type and metadata. */
export async function signRequest(client: S3Client, request: SigningRequest, place: Place): Promise<Signed> {
  const { type, contentType } = request;
  const facts = { 'Content-Type': contentType, 'x-amz-meta-file': packFacts(request) };
  const headers = type === 'put' || type === 'create' ? facts : {};
  return { url: await signUrl(client, request, place), headers };
}

/** A multipart upload that was begun from here, and its first part, signed: a bucket is nearer to us than to a phone. */
export async function createUpload(
  { client, near }: { readonly client: S3Client; readonly near: S3Client },
  request: SigningRequest,
  place: Place,
): Promise<{ readonly uploadId: string; readonly first?: Signed }> {
  const { UploadId: uploadId } = await near.send(
    new CreateMultipartUploadCommand({ Bucket: place.bucket, Key: place.key, ...factsOf(request) }),
  );
  if (!uploadId) throw new Error('The bucket has given no upload id.');
  const { sizeBytes, partBytes = 0 } = request;
  if (partBytes === 0) return { uploadId };
  const part = {
    ...request,
    type: 'part',
    uploadId,
    partNumber: 1,
    partBytes: Math.min(partBytes, sizeBytes),
  } as const;
  return { uploadId, first: await signRequest(client, part, place) };
}

function factsOf(request: SigningRequest) {
  return { ContentType: request.contentType, Metadata: { file: packFacts(request) } };
}

function signUrl(client: S3Client, request: SigningRequest, place: Place): Promise<string> {
  const { type, uploadId: UploadId, sizeBytes, marker } = request;
  const object = { Bucket: place.bucket, Key: place.key };
  const upload = { ...object, UploadId };
  const facts = factsOf(request);
  const { expiresIn } = place;
  const plain = { expiresIn, signableHeaders: new Set(['host', 'content-length']) };
  // As headers, which the client has to send: the SDK would else leave out the one, and put the other into the query,
  // where Ceph overlooks it when an upload is created.
  const typed = {
    expiresIn,
    signableHeaders: new Set(['host', 'content-length', 'content-type', 'x-amz-meta-file']),
    unhoistableHeaders: new Set(['x-amz-meta-file']),
  };
  switch (type) {
    case 'put':
      return getSignedUrl(client, new PutObjectCommand({ ...object, ...facts, ContentLength: sizeBytes }), typed);
    case 'head':
      return getSignedUrl(client, new HeadObjectCommand(object), plain);
    case 'create':
      return getSignedUrl(client, new CreateMultipartUploadCommand({ ...object, ...facts }), typed);
    case 'part': {
      const { partNumber: PartNumber, partBytes: ContentLength } = request;
      return getSignedUrl(client, new UploadPartCommand({ ...upload, PartNumber, ContentLength }), plain);
    }
    case 'list': {
      const after = marker === undefined ? {} : { PartNumberMarker: String(marker) };
      return getSignedUrl(client, new ListPartsCommand({ ...upload, ...after }), plain);
    }
    case 'complete':
      return getSignedUrl(client, new CompleteMultipartUploadCommand(upload), plain);
    case 'abort':
      return UploadId === undefined
        ? getSignedUrl(client, new DeleteObjectCommand(object), plain)
        : getSignedUrl(client, new AbortMultipartUploadCommand(upload), plain);
    default:
      return type satisfies never;
  }
}

/** What the gallery shows, in one header's worth of ASCII. */
function packFacts({ name, lastModifiedMs }: SigningRequest): string {
  return Buffer.from(JSON.stringify({ name, lastModifiedMs })).toString('base64url');
}

/** What {@link packFacts} packed; anybody may have written it. */
export function unpackFacts(packed: string | undefined): { readonly name: string; readonly lastModifiedMs?: number } {
  const facts = fieldsOf(parseJson(Buffer.from(packed ?? '', 'base64url').toString()));
  const { name, lastModifiedMs } = facts ?? {};
  return {
    name: typeof name === 'string' && name !== '' ? name : 'unnamed',
    ...(isWhole(lastModifiedMs) && lastModifiedMs > 0 && { lastModifiedMs }),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function fieldsOf(value: unknown): Fields | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
}

function isText(value: unknown, maxLength: number): value is string {
  return typeof value === 'string' && value.length <= maxLength;
}

function isWhole(value: unknown, max = Number.MAX_SAFE_INTEGER): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) <= max;
}
