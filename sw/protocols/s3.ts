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
  type Range,
  type Reply,
  type UploadSource,
  type Verdict,
} from './adapter.js';
import { inParts } from './parts.js';
import { isHtml } from './refusals.js';
import { type S3Sign, type S3Step, s3Requests } from './s3-request.js';
import { childText } from './s3-xml.js';

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
  readonly etag: string;
  readonly range: Range;
}

/** Makes the adapter for one backend that signs. */
export function s3(options: S3Options): Adapter {
  const { partSize = 8_388_608, wholeBytes = partSize } = options;
  if (!(partSize >= SMALLEST_PART && partSize <= LARGEST_PART && wholeBytes <= LARGEST_PART)) {
    throw new RangeError(`partSize: give ${SMALLEST_PART} to ${LARGEST_PART} bytes; wholeBytes: not more.`);
  }
  const { signed, ask, keep } = s3Requests(options.sign);

  /** An object under this upload's own key and of its size is this upload. */
  async function isFinished(upload: UploadSource, io: Io): Promise<boolean> {
    const answer = await ask(upload, { type: 'head' }, io);
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
  async function list(
    upload: UploadSource,
    state: AdapterState,
    io: Io,
    after?: S3Step,
  ): Promise<readonly Part[] | undefined> {
    const { uploadId, partBytes } = gridOf(state);
    const count = partCount(upload, partBytes);
    const parts: Part[] = [];
    let last = 0;
    for (;;) {
      // "Specifies the part after which listing should begin."
      const marker = last;
      const step: S3Step = { type: 'list', uploadId, ...(marker > 0 && { marker }) };
      const answer = await ask(upload, step, io, { answerCharacters: LIST_CHARACTERS, next: after });
      if (answer.gone) return undefined;
      const { xml } = answer;
      if (!answer.ok || xml?.name !== 'ListPartsResult') throw answer.failure();
      for (const element of xml.children) {
        if (element.name !== 'Part') continue;
        const number = integer(childText(element, 'PartNumber'));
        const sizeBytes = integer(childText(element, 'Size'));
        const etag = childText(element, 'ETag');
        if (!(number > last && sizeBytes >= 0 && etag)) throw answer.failure();
        last = number;
        // What is listed becomes part of the object, and some servers insist on all of it: nothing may be foreign.
        if (number > count) {
          throw new ProtocolFailure('restart', 'offset-beyond-size', `Part ${number} of ${count} is held.`);
        }
        const start = (number - 1) * partBytes;
        const end = Math.min(upload.sizeBytes, start + partBytes);
        // A part of another size is missing: the right one replaces it.
        if (sizeBytes === end - start) parts.push({ number, etag, range: [start, end] });
      }
      if (childText(xml, 'IsTruncated') !== 'true') return parts;
      // A list without end would hold this upload's lane for ever.
      if (last === marker) throw answer.failure();
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
      const step = { type: 'create', partBytes } as const;
      const given = await signed(upload, step, io);
      let { uploadId } = given;
      if (!uploadId || typeof uploadId !== 'string') {
        const answer = await ask(upload, step, io, {}, given);
        uploadId = answer.ok ? childText(answer.xml, 'UploadId')?.replaceAll('&amp;', '&') : undefined;
        if (!uploadId) throw answer.failure();
      }
      keep(upload, partAt(0, upload, { uploadId, partBytes }), io, given.first);
      return { state: { uploadId, partBytes }, limits: { partBytes } };
    },

    async probe(upload, state, io): Promise<Reply> {
      if (state['whole']) return (await isFinished(upload, io)) ? finished(upload) : { held: [] };
      const parts = await list(upload, state, io);
      return parts === undefined ? finishedOrGone(upload, io, 'restart') : { held: parts.map(({ range }) => range) };
    },

    async send(upload, state, [start, end], body, io): Promise<Reply> {
      const { whole } = state;
      const { uploadId } = gridOf(state);
      // The link would be idle while these are signed: the first part goes alone, and after the last one comes the list.
      const next: S3Step = end < upload.sizeBytes ? partAt(end, upload, state) : { type: 'list', uploadId };
      const also = { body, next: start === 0 || next.type === 'list' ? next : undefined };
      const answer = await (whole
        ? ask(upload, { type: 'put' }, io, { body })
        : ask(upload, partAt(start, upload, state), io, also));
      // S3 says nothing but its ETag; a page is somebody else's.
      if (!answer.ok || answer.text.trim() !== '') throw answer.failure();
      return whole ? { done: true } : {};
    },

    async complete(upload, state, io): Promise<Reply> {
      // The ETags come from the list: so none has to be kept, nor exposed by the bucket.
      const { uploadId, partBytes } = gridOf(state);
      const step = { type: 'complete', uploadId } as const;
      const parts = await list(upload, state, io, step);
      // Whatever is missing, the next question tells.
      if (parts === undefined) return finishedOrGone(upload, io, 'resync');
      if (parts.length < partCount(upload, partBytes)) {
        throw new ProtocolFailure('resync', 'offset-mismatch', `The bucket holds ${parts.length} parts.`);
      }
      // Text of an answer has no tags in it, whoever wrote it.
      const xml = parts.map(
        ({ number, etag }) => `<Part><PartNumber>${number}</PartNumber><ETag>${etag}</ETag></Part>`,
      );
      // CompleteMultipartUpload: "parts in ascending order".
      const answer = await ask(upload, step, io, {
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
        const answer = await ask(upload, step, io);
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

/** UploadPart: numbers begin with 1. */
function partAt(start: number, { sizeBytes }: UploadSource, state: AdapterState): S3Step {
  const { uploadId, partBytes } = gridOf(state);
  const partNumber = Math.floor(start / partBytes) + 1;
  return { type: 'part', uploadId, partNumber, sizeBytes: Math.min(partBytes, sizeBytes - start) };
}

/** As `create` has left it. */
interface Grid {
  readonly uploadId: string;
  readonly partBytes: number;
}

function gridOf(state: AdapterState): Grid {
  return state as AdapterState & Grid;
}

/** An empty file is one empty part. */
function partCount({ sizeBytes }: UploadSource, partBytes: number): number {
  return Math.max(1, Math.ceil(sizeBytes / partBytes));
}

/** NaN for anything but plain digits. */
function integer(text: string | undefined): number {
  return /^\d{1,15}$/.test(text ?? '') ? Number(text) : Number.NaN;
}
