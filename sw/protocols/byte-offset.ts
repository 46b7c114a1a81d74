// The byte-offset protocol, as javascript.info's "Resumable file upload" tells it:
//   GET statusUrl,  X-File-Id                             -> the number of bytes held, as a bare decimal
//   POST uploadUrl, X-File-Id, X-Start-Byte, X-File-Size  -> stores the body from that byte on
// It has no create, no completion and no lock, so everything hangs on that number, and the number can lie: `0` may
// mean "never seen", "lost" or "finished and forgotten". https://javascript.info/resume-upload

import {
  type Adapter,
  type Answer,
  type Io,
  type Limits,
  type ProbeContext,
  ProtocolFailure,
  type Reply,
  type RequestDefaults,
  type UploadSource,
} from './adapter.js';
import { encodeHeader } from './http.js';
import { isHtml, refusal } from './refusals.js';

export interface ByteOffsetOptions extends RequestDefaults {
  /** `GET` with `X-File-Id`; answers the number of bytes held. Relative to the worker, or absolute. */
  readonly statusUrl: string;
  /** `POST` with `X-File-Id`, `X-Start-Byte`, `X-File-Size` and the bytes. */
  readonly uploadUrl: string;
  /**
   * The server's name for the file, before it is percent-encoded. Default `name-size-lastModified`. One id must always
   * mean the same bytes: a server of this kind that many people share needs ids that differ between them.
   */
  readonly fileId?: (upload: UploadSource) => string;
  /**
   * Largest body in bytes. Default: what the link can carry in about 5 s. A number bounds what is lost behind a proxy
   * that buffers requests; `'rest'` always sends the rest, for servers that take the end of a request for the end of the file.
   */
  readonly pieceSize?: number | 'rest';
  /**
   * What goes with the bytes beside the file's id, for its name, type and metadata: {@link jsonHeader}, or headers of your
   * own (see {@link encodeHeader}). Default: nothing does; across origins the server must allow them.
   */
  readonly metadataHeader?: (upload: UploadSource) => Readonly<Record<string, string>>;
  /**
   * After a failure a plain server may still be writing what an older request left in the network: it is asked until
   * two answers, so many milliseconds apart, agree. Default 1000. 0 for a server that ends the older request before
   * it accepts a newer one, as the reference server does.
   */
  readonly settleMs?: number;
  /**
   * What a `0` means after the last byte was sent and its answer was lost: `'restart'` (default: nothing is ever lost,
   * a forgetful server gets the file once more) or `'done'` (such a server has finished and forgotten it). A file of one
   * request is sent again in either case, since that request may never have arrived.
   */
  readonly zeroAfterLastPiece?: 'restart' | 'done';
}

/** Largest file of which the first byte may be sent before the server was asked: one request a photo instead of two. */
const BLIND_BYTES = 8_388_608;
/** Questions in a row about a number that keeps moving; then the last answer is taken. */
const SETTLE_QUESTIONS = 8;

/** Makes the adapter for one server that counts bytes. */
export function byteOffset(options: ByteOffsetOptions): Adapter {
  const { statusUrl, uploadUrl, metadataHeader, settleMs = 1000, fileId = defaultFileId } = options;
  const idHeader = (upload: UploadSource) => ({ 'X-File-Id': encodeHeader(fileId(upload)) });

  async function ask(upload: UploadSource, io: Io): Promise<number> {
    const answer = await io.request(statusUrl, { method: 'GET', headers: idHeader(upload) });
    if (answer.ok) {
      const number = numberIn(statusUrl, answer, upload);
      if (number === undefined) throw notANumber(statusUrl, answer);
      return number;
    }
    // A server that knows nothing of the file may say so with 404.
    if (answer.status === 404 || answer.status === 410) return 0;
    throw refusal(statusUrl, answer, io.nowMs());
  }

  /** A number that fell, or may still move, is asked for until it stands. */
  async function settled(upload: UploadSource, io: Io, context: ProbeContext): Promise<number> {
    let number = await ask(upload, io);
    const fell = number < context.heldBytes;
    if (!fell && (!context.unsettled || settleMs === 0 || number === upload.sizeBytes)) return number;
    for (let question = 1; question < SETTLE_QUESTIONS; question += 1) {
      await io.sleep(settleMs);
      const again = await ask(upload, io);
      if (again === number) break;
      number = again;
    }
    return number;
  }

  return {
    limits: limitsOf(options.pieceSize),
    blindBytes: BLIND_BYTES,
    requests: options,

    async probe(upload, _state, io, context): Promise<Reply> {
      const number = await settled(upload, io, context);
      // A file that fits one request may never have left the device: only a server that held some of it can have finished.
      if (number === 0 && context.heldBytes > 0 && context.finalSent && options.zeroAfterLastPiece === 'done') {
        return { held: [[0, upload.sizeBytes]], done: true };
      }
      return { held: [[0, number]] };
    },

    async send(upload, _state, [start, end], bytes, io): Promise<Reply> {
      const answer = await io.request(uploadUrl, {
        method: 'POST',
        headers: {
          ...idHeader(upload),
          'X-Start-Byte': String(start),
          'X-File-Size': String(upload.sizeBytes),
          ...metadataHeader?.(upload),
        },
        body: bytes,
      });
      // "Wrong start byte": the tutorial's server answers 400, ours 409.
      if (!answer.ok) throw refusal(uploadUrl, answer, io.nowMs(), { 400: 'resync', 404: 'fatal', 410: 'fatal' });
      if (isHtml(answer)) throw notANumber(uploadUrl, answer);
      // A server that says the number is believed; one that says "ok" has taken the body in full.
      const number = numberIn(uploadUrl, answer, upload);
      if (number === undefined) return {};
      if (number <= start && end > start) {
        throw new ProtocolFailure('resync', 'offset-mismatch', `${uploadUrl} took none of ${end - start} bytes`);
      }
      return { held: [[0, number]] };
    },
  };
}

/** `name-size-lastModified`, the id of the classic scheme. */
function defaultFileId({ name, sizeBytes, lastModifiedMs }: UploadSource): string {
  return `${name}-${sizeBytes}-${lastModifiedMs}`;
}

/** How many bytes the answer says are held; undefined if it says something else. */
function numberIn(url: string, { text, status }: Answer, { sizeBytes }: UploadSource): number | undefined {
  const said = text.trim();
  if (!/^\d{1,15}$/.test(said)) return undefined;
  const number = Number(said);
  if (number <= sizeBytes) return number;
  throw new ProtocolFailure('fatal', 'offset-beyond-size', `${url} holds ${number} of ${sizeBytes} bytes`, {
    httpStatus: status,
  });
}

function notANumber(url: string, answer: Answer): ProtocolFailure {
  const what = isHtml(answer) ? 'a web page' : `"${answer.text.slice(0, 40)}"`;
  return new ProtocolFailure('unreachable', 'unexpected-answer', `${url} answered ${what}, not a number`, {
    httpStatus: answer.status,
  });
}

function limitsOf(pieceSize: ByteOffsetOptions['pieceSize']): Limits {
  if (pieceSize === undefined) return {};
  if (pieceSize === 'rest') return { minBytes: Infinity };
  if (Number.isInteger(pieceSize) && pieceSize > 0) return { maxBytes: pieceSize };
  throw new RangeError(`pieceSize: ${pieceSize}. Give bytes, or 'rest'.`);
}
