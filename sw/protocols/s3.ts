// S3 multipart uploads by presigned URLs: the worker holds no keys, the app's backend signs each request.
//   POST key?uploads                      -> an upload id          GET    key?uploadId=     -> the parts held
//   PUT  key?partNumber=&uploadId=, bytes -> one part, or nothing  POST   key?uploadId=     -> puts them together
//   HEAD key                              -> whether it is there   DELETE key?uploadId=     -> forgets the parts
// A small file is one PUT of the key. https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html

import {
  type Adapter,
  type AdapterState,
  type Io,
  ProtocolFailure,
  type Reply,
  type UploadSource,
  type Verdict,
} from './adapter.js';
import { inParts } from './parts.js';
import { isHtml } from './refusals.js';
import { askS3, type S3Sign } from './s3-request.js';
import { childText, encodeXml, type XmlElement } from './s3-xml.js';

/** No `headers` here: S3 refuses a presigned request that carries an Authorization besides. */
export interface S3Options {
  /**
   * Asks the app's backend to sign one request; called anew for every request and every retry, since signatures
   * expire. It may return the backend's `Response` as it came, whose body is `{"url": ..., "headers": ...}`: 401 and 403
   * then mean that the user has to sign in, 413 that the file is too large, and 429 and 5xx that it is tried again.
   * Whatever it throws is tried again, too.
   *
   * The backend, not the client, chooses the object's key, and derives it from its user and `upload.id`: the same
   * upload must get the same key each time. So there is no key to be checked, a repeated request never makes a second
   * object, and an object that exists is known to be this upload.
   */
  readonly sign: S3Sign;
  /**
   * Bytes of a part, 5 MiB to 5 GiB. Default 8 MiB; files of more than 10,000 parts get larger ones. A part is what is
   * sent again after an interruption; each one costs a signature and, across origins, a preflight.
   */
  readonly partSize?: number;
  /** Files of at most so many bytes are one plain PUT: 2 requests instead of 8. Default `partSize`; -1: none is. */
  readonly wholeBytes?: number;
}

// https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
const SMALLEST_PART = 5_242_880;
const LARGEST_PART = 5_368_709_120;
const MOST_PARTS = 10_000;
const NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/';
/** A page has at most 1000 parts, of 250 characters each; of 700 with every checksum there is. */
const LIST_CHARACTERS = 2_000_000;
/** It can take minutes; but Chromium ends a worker 300 s into one event, and asking again does no harm. */
const COMPLETE_PATIENCE_MS = 120_000;

interface Part {
  readonly number: number;
  readonly sizeBytes: number;
  readonly etag: string;
}

/** Makes the adapter for one backend that signs. */
export function s3(options: S3Options): Adapter {
  const { sign, partSize = 8_388_608, wholeBytes = partSize } = options;
  if (!(partSize >= SMALLEST_PART && partSize <= LARGEST_PART && wholeBytes <= LARGEST_PART)) {
    throw new RangeError(`partSize: give ${SMALLEST_PART} to ${LARGEST_PART} bytes; wholeBytes: not more.`);
  }

  /** An object under this upload's own key and of its size is this upload. */
  async function isFinished(upload: UploadSource, io: Io): Promise<boolean> {
    const answer = await askS3(sign, upload, { type: 'head' }, io);
    if (answer.ok && answer.header('Content-Length') === String(upload.sizeBytes)) return true;
    // Of another size is another object, or a portal's page.
    if (answer.ok && !isHtml(answer)) return false;
    // HeadObject: 403 for what is not there, if the signer may not list the bucket.
    if (answer.status === 404 || answer.status === 403) return false;
    throw answer.failure();
  }

  /** The upload id is not known: the upload is finished, or gone. */
  async function finishedOrGone(upload: UploadSource, io: Io, gone: Verdict): Promise<Reply> {
    if (await isFinished(upload, io)) return finished(upload);
    throw new ProtocolFailure(gone, 'server-lost-bytes', 'The bucket does not know this upload any more.');
  }

  /** ListParts: the parts that are held in full, page by page; undefined if the upload id is not known. */
  async function list(upload: UploadSource, state: AdapterState, io: Io): Promise<readonly Part[] | undefined> {
    const { uploadId, partBytes } = gridOf(state);
    const count = partCount(upload, partBytes);
    const parts: Part[] = [];
    let last = 0;
    for (let marker = 0; ; ) {
      const step = { type: 'list', uploadId, ...(marker > 0 && { marker }) } as const;
      const answer = await askS3(sign, upload, step, io, { answerCharacters: LIST_CHARACTERS });
      if (answer.gone) return undefined;
      const { xml } = answer;
      if (!answer.ok || xml?.name !== 'ListPartsResult') throw answer.failure();
      for (const element of xml.children) {
        if (element.name !== 'Part') continue;
        const part = partOf(element);
        if (part === undefined || part.number <= last) throw answer.failure();
        last = part.number;
        // What is listed becomes part of the object, and some servers insist on all of it: nothing may be foreign.
        if (part.number > count) {
          throw new ProtocolFailure('restart', 'offset-beyond-size', `Part ${part.number} of ${count} is held.`);
        }
        // A part of another size is missing: the right one replaces it.
        const end = Math.min(upload.sizeBytes, part.number * partBytes);
        if (part.sizeBytes === end - (part.number - 1) * partBytes) parts.push(part);
      }
      if (childText(xml, 'IsTruncated') !== 'true') return parts;
      const next = integer(childText(xml, 'NextPartNumberMarker'));
      // A list without end would hold this upload's lane for ever.
      if (!(next > marker && next <= count)) throw answer.failure();
      marker = next;
    }
  }

  return {
    parts: inParts,
    // What a part measures is the grid's matter: none is ever cut smaller.
    limits: { minBytes: LARGEST_PART },

    async create(upload, io): Promise<Reply> {
      // PutObject is all or nothing, and may be repeated: there is nothing to be made before it.
      const { sizeBytes } = upload;
      if (sizeBytes <= wholeBytes) return { state: { whole: true }, limits: { partBytes: Math.max(1, sizeBytes) } };
      const partBytes = Math.max(partSize, Math.ceil(sizeBytes / MOST_PARTS));
      if (partBytes > LARGEST_PART) {
        throw new ProtocolFailure('fatal', 'too-large', `S3 takes no object of ${sizeBytes} bytes.`);
      }
      // CreateMultipartUpload. If its answer is lost, an upload without parts is left to the bucket's lifecycle rule.
      const answer = await askS3(sign, upload, { type: 'create' }, io);
      const uploadId = answer.ok && childText(answer.xml, 'UploadId');
      if (!uploadId) throw answer.failure();
      return { state: { uploadId, partBytes }, limits: { partBytes } };
    },

    async probe(upload, state, io): Promise<Reply> {
      if (state['whole']) return (await isFinished(upload, io)) ? finished(upload) : { held: [] };
      const parts = await list(upload, state, io);
      return parts === undefined ? finishedOrGone(upload, io, 'restart') : heldBy(parts, upload, state);
    },

    async send(upload, state, [start, end], body, io): Promise<Reply> {
      const { whole } = state;
      const { uploadId, partBytes } = gridOf(state);
      // UploadPart: numbers begin with 1.
      const partNumber = Math.floor(start / partBytes) + 1;
      const part = { type: 'part', uploadId, partNumber, sizeBytes: end - start } as const;
      const answer = await askS3(sign, upload, whole ? { type: 'put' } : part, io, { body });
      // S3 says nothing but its ETag; a page is somebody else's.
      if (!answer.ok || answer.text.trim() !== '') throw answer.failure();
      return whole ? { done: true } : {};
    },

    async complete(upload, state, io): Promise<Reply> {
      // The ETags come from the list: so none has to be kept, nor exposed by the bucket.
      const parts = await list(upload, state, io);
      // Whatever is missing, the next question tells.
      if (parts === undefined) return finishedOrGone(upload, io, 'resync');
      const { uploadId, partBytes } = gridOf(state);
      if (parts.length < partCount(upload, partBytes)) {
        throw new ProtocolFailure('resync', 'offset-mismatch', `The bucket holds ${parts.length} parts.`);
      }
      const xml = parts.map(
        ({ number, etag }) => `<Part><PartNumber>${number}</PartNumber><ETag>${encodeXml(etag)}</ETag></Part>`,
      );
      // CompleteMultipartUpload: "parts in ascending order".
      const answer = await askS3(sign, upload, { type: 'complete', uploadId }, io, {
        body: new Blob([`<CompleteMultipartUpload xmlns="${NAMESPACE}">`, ...xml, '</CompleteMultipartUpload>']),
        patienceMs: COMPLETE_PATIENCE_MS,
      });
      if (answer.gone) return finishedOrGone(upload, io, 'resync');
      // "A request could return a 200 OK response and then contain an error": only this element is a yes.
      if (!answer.ok || answer.xml?.name !== 'CompleteMultipartUploadResult') throw answer.failure();
      return { done: true };
    },

    async abort(upload, state, io): Promise<void> {
      const { uploadId } = state;
      const free = async (step: { readonly type: 'abort'; readonly uploadId?: string }) => {
        const answer = await askS3(sign, upload, step, io);
        // Forbidden to the signer is left to the bucket's rules: to ask again would be the same again.
        if (!answer.ok && answer.status !== 404 && answer.status !== 403) throw answer.failure();
        return answer.status !== 404;
      };
      if (typeof uploadId === 'string' && (await free({ type: 'abort', uploadId }))) return;
      // It was finished, and the answer was lost.
      if (uploadId || state['whole']) await free({ type: 'abort' });
    },
  };
}

function finished({ sizeBytes }: UploadSource): Reply {
  return { held: [[0, sizeBytes]], done: true };
}

function gridOf({ uploadId, partBytes }: AdapterState): { readonly uploadId: string; readonly partBytes: number } {
  return { uploadId: String(uploadId), partBytes: Number(partBytes) };
}

/** An empty file is one empty part. */
function partCount({ sizeBytes }: UploadSource, partBytes: number): number {
  return Math.max(1, Math.ceil(sizeBytes / partBytes));
}

function heldBy(parts: readonly Part[], { sizeBytes }: UploadSource, state: AdapterState): Reply {
  const { partBytes } = gridOf(state);
  return { held: parts.map(({ number }) => [(number - 1) * partBytes, Math.min(sizeBytes, number * partBytes)]) };
}

function partOf(element: XmlElement): Part | undefined {
  const number = integer(childText(element, 'PartNumber'));
  const sizeBytes = integer(childText(element, 'Size'));
  const etag = childText(element, 'ETag');
  return number > 0 && sizeBytes >= 0 && etag ? { number, sizeBytes, etag } : undefined;
}

/** NaN for anything but plain digits. */
function integer(text: string | undefined): number {
  return /^\d{1,15}$/.test(text ?? '') ? Number(text) : Number.NaN;
}
