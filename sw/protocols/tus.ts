// tus 1.0: an upload is made by POST, asked by HEAD, grown by PATCH, ended by DELETE; it is finished when its offset is
// its length, so a lost last answer is harmless. https://tus.io/protocols/resumable-upload
// Not used: concatenation and deferred length, which a file of known size has no need of.

import {
  type Adapter,
  type AdapterState,
  type Answer,
  type Io,
  type Limits,
  ProtocolFailure,
  type Reply,
  type UploadSource,
} from './adapter.js';
import { isHtml, refusal } from './refusals.js';
import {
  grown,
  LOCK_PATIENCE_MS,
  locationIn,
  nowhere,
  offsetIn,
  offsetOf,
  permitted,
  remove,
  type UploadResourceOptions,
  urlIn,
} from './upload-resource.js';

export interface TusOptions extends UploadResourceOptions {
  /**
   * Further metadata, sent once as `Upload-Metadata`, over `filename`, `filetype` (if known) and the upload's own. Keys:
   * visible ASCII without comma; others end the upload with `invalid-option`.
   */
  readonly metadata?: (upload: UploadSource) => Readonly<Record<string, string>>;
  /**
   * The URL that the server will give to this upload, where that is known beforehand: a server that names uploads by
   * their metadata, `({ id }) => '/files/' + id`, and refuses (409) to make one twice. An upload whose first answer was
   * lost is then found again, so that small files may travel in the request that makes them.
   */
  readonly uploadUrl?: (upload: UploadSource) => string;
  /**
   * Files of at most so many bytes are sent in the request that makes them, if the server offers creation-with-upload.
   * Default 524,288 with `uploadUrl`, else 0: without it, a lost answer would make a second file of the same bytes.
   */
  readonly oneRequestBytes?: number;
  /** Largest body in bytes. Default: what the link carries in about 5 s; with `checksum` at most 8 MiB. */
  readonly pieceSize?: number;
  /**
   * Smallest body in bytes, except the last. Default 1. For @tus/s3-store the part size, with `pieceSize` the same: it
   * keeps a smaller rest aside, and a server that is killed while it puts that in front of the next body loses it.
   */
  readonly minPieceSize?: number;
  /**
   * Sends a checksum of each body. A server that does not list the algorithm (@tus/server lists none) ends the upload
   * with `invalid-option`: it would ignore checksums in silence. Each body is read into memory, and small files no
   * longer travel in one request. Default: none.
   */
  readonly checksum?: 'sha1' | 'sha256';
}

/** As much as is sent blindly on a link of which nothing is known (core/pace.ts), and below nginx's limit of 1 MB. */
const ONE_REQUEST_BYTES = 524_288;
/** A body with a checksum is held in memory. A guess that three of them at once do no harm. */
const CHECKED_BYTES = 8_388_608;

// "The Tus-Resumable header MUST be included in every request and response except for OPTIONS requests."
const version = { 'Tus-Resumable': '1.0.0' };
const bodyType = { 'Content-Type': 'application/offset+octet-stream' };
const algorithms = { sha1: 'SHA-1', sha256: 'SHA-256' } as const;

/** Makes the adapter for one tus server. */
export function tus(options: TusOptions): Adapter {
  const { endpoint, uploadUrl, checksum } = options;
  const oneRequestBytes = checksum ? 0 : (options.oneRequestBytes ?? (uploadUrl ? ONE_REQUEST_BYTES : 0));
  // What this server was found to offer; a new worker finds it anew.
  let takesBodies = true;
  let listsChecksum = checksum === undefined;

  /** Checksum: "Tus-Checksum-Algorithm MUST be included in the response to an OPTIONS request". Asked once a life. */
  async function checkListed(io: Io): Promise<void> {
    if (listsChecksum) return;
    const answer = await io.request(endpoint, { method: 'OPTIONS' });
    if (!answer.ok) throw refusal(endpoint, answer, io.nowMs(), { 404: 'fatal', 410: 'fatal' });
    const listed = answer.header('Tus-Checksum-Algorithm') ?? '';
    listsChecksum = listed.split(',').some((name) => name.trim() === checksum);
    if (listsChecksum) return;
    const advice = 'Leave `checksum` out; across origins, Access-Control-Expose-Headers must list that header.';
    const message = `${endpoint} lists no ${checksum} in Tus-Checksum-Algorithm. ${advice}`;
    throw new ProtocolFailure('fatal', 'invalid-option', message);
  }

  const knownUrl = (upload: UploadSource) => uploadUrl && permitted(uploadUrl(upload), options);

  /** HEAD: "The Server MUST always include the Upload-Offset header in the response". */
  async function ask(
    url: string,
    upload: UploadSource,
    state: AdapterState,
    io: Io,
    unsettled: boolean,
  ): Promise<Reply> {
    const patience = unsettled ? { patienceMs: LOCK_PATIENCE_MS } : {};
    const answer = await io.request(url, { method: 'HEAD', headers: version, ...patience });
    if (!answer.ok) throw refused(url, answer, io, state);
    return replyOf(answer.url, offsetOf(url, answer, upload), upload, answer, state);
  }

  /** Creation: "The Client MUST send a POST request against a known upload creation URL". */
  function post(upload: UploadSource, io: Io, body: Blob | undefined): Promise<Answer> {
    const pairs = metadataOf(upload, options.metadata?.(upload));
    return io.request(endpoint, {
      method: 'POST',
      headers: {
        ...version,
        'Upload-Length': String(upload.sizeBytes),
        ...(pairs !== '' && { 'Upload-Metadata': pairs }),
        ...(body && bodyType),
      },
      // Without a body some browsers send no Content-Length.
      ...(body ? { body } : { body: new Blob([]), patienceMs: LOCK_PATIENCE_MS }),
    });
  }

  return {
    limits: limitsOf(options),
    requests: options,

    async create(upload, io, { repeated }): Promise<Reply> {
      await checkListed(io);
      const known = knownUrl(upload);
      if (known !== undefined && repeated) {
        try {
          return await ask(known, upload, {}, io, true);
        } catch (cause) {
          if (!(cause instanceof ProtocolFailure && cause.verdict === 'restart')) throw cause;
        }
      }
      // Creation With Upload. Not after a failure: what failed once goes the careful way, and an answer that is lost
      // then leaves no more than an empty upload, which expires.
      const small = takesBodies && !repeated && upload.sizeBytes > 0 && upload.sizeBytes <= oneRequestBytes;
      let body = small ? await io.bytes() : undefined;
      let answer = await post(upload, io, body);
      if (body && (answer.status === 413 || answer.status === 415)) {
        takesBodies = false;
        body = undefined;
        answer = await post(upload, io, body);
      }
      // It was made before: by a request whose answer was lost, perhaps sent twice by the browser itself.
      if (answer.status === 409 && known !== undefined) return ask(known, upload, {}, io, true);
      if (!answer.ok)
        throw refusal(endpoint, answer, io.nowMs(), { 404: 'fatal', 409: 'fatal', 410: 'fatal', 412: 'fatal' });
      const location = locationIn(answer, options);
      const url = location ?? known;
      if (url === undefined || (location === undefined && isHtml(answer))) throw nowhere(endpoint, answer);
      // An empty file is finished when it is made: that must have been the server's word, not a sign-in page's.
      if (location === undefined && upload.sizeBytes === 0) return ask(url, upload, {}, io, false);
      if (body === undefined) return replyOf(url, 0, upload, answer);
      const offset = offsetIn(url, answer, upload);
      if (offset !== undefined) return replyOf(url, offset, upload, answer);
      // "The Server [...] MUST include the Upload-Offset header": this one does not have the extension, or hides it.
      const reply = await ask(url, upload, {}, io, false);
      takesBodies = reply.held?.[0]?.[1] === upload.sizeBytes;
      return reply;
    },

    async probe(upload, state, io, { unsettled }): Promise<Reply> {
      return ask(urlIn(state, options), upload, state, io, unsettled);
    },

    async send(upload, state, range, bytes, io): Promise<Reply> {
      await checkListed(io);
      const url = urlIn(state, options);
      const headers = {
        ...version,
        ...bodyType,
        'Upload-Offset': String(range[0]),
        ...(checksum && { 'Upload-Checksum': `${checksum} ${await digest(algorithms[checksum], bytes)}` }),
      };
      const answer = await io.request(url, { method: 'PATCH', headers, body: bytes });
      if (!answer.ok) throw refused(url, answer, io, state);
      // The number in the answer counts, not what was sent: @tus/server takes a part when another request wants the lock.
      const offset = grown(url, offsetOf(url, answer, upload), range);
      return replyOf(url, offset, upload, answer, state);
    },

    /** Termination. A server that names uploads beforehand frees also one whose first answer was lost. */
    async abort(upload, state, io): Promise<void> {
      const url = state['url'] === undefined ? knownUrl(upload) : urlIn(state, options);
      if (url !== undefined) await remove(url, io, version);
    },
  };
}

function limitsOf({ pieceSize = Infinity, minPieceSize = 1, checksum }: TusOptions): Limits {
  const maxBytes = Math.min(pieceSize, checksum ? CHECKED_BYTES : Infinity);
  const sound = (pieceSize === Infinity || Number.isInteger(pieceSize)) && Number.isInteger(minPieceSize);
  if (sound && minPieceSize > 0 && minPieceSize <= maxBytes) {
    return { ...(maxBytes < Infinity && { maxBytes }), ...(minPieceSize > 1 && { minBytes: minPieceSize }) };
  }
  throw new RangeError(`minPieceSize ${minPieceSize}, pieceSize ${pieceSize}: give integers, the smaller first.`);
}

function replyOf(
  url: string,
  offset: number,
  { sizeBytes }: UploadSource,
  answer: Answer,
  before: AdapterState = {},
): Reply {
  // Expiration: "The Upload-Expires response header indicates the time after which the unfinished upload expires."
  const expiresAtMs = Date.parse(answer.header('Upload-Expires') ?? '');
  const state = { ...before, url, ...(Number.isFinite(expiresAtMs) && { expiresAtMs }) };
  return { state, held: [[0, offset]], done: offset === sizeBytes };
}

/**
 * 404 and 410 are a new upload. 409: the offset is another. 412: another version of tus. 460: a checksum that does not
 * match, the body was thrown away. 400 is what @tus/server says to a body that it gave up for a newer request.
 */
function refused(url: string, answer: Answer, io: Io, { expiresAtMs }: AdapterState): ProtocolFailure {
  const { status } = answer;
  const failure = refusal(url, answer, io.nowMs(), { 400: 'resync', 412: 'fatal', 460: 'resync' });
  if (failure.verdict !== 'restart' || typeof expiresAtMs !== 'number' || expiresAtMs > io.nowMs()) return failure;
  const message = `${url} expired at ${new Date(expiresAtMs).toISOString()}. It is sent anew.`;
  return new ProtocolFailure('restart', 'server-lost-bytes', message, { httpStatus: status });
}

/** "The Upload-Metadata request and response header MUST consist of one or more comma-separated key-value pairs." */
function metadataOf({ name, type, metadata }: UploadSource, more: Readonly<Record<string, string>> = {}): string {
  const pairs = { filename: name, ...(type !== '' && { filetype: type }), ...metadata, ...more };
  return Object.entries(pairs)
    .map(([key, value]) => {
      // "The key MUST NOT contain spaces and commas and MUST NOT be empty. The key SHOULD be ASCII encoded."
      if (/^[!-+\--~]+$/.test(key)) return `${key} ${base64(new TextEncoder().encode(value))}`.trimEnd();
      const message = `"${key}" cannot be a key of tus metadata. Use visible ASCII without a comma.`;
      throw new ProtocolFailure('fatal', 'invalid-option', message);
    })
    .join(',');
}

async function digest(algorithm: string, bytes: Blob): Promise<string> {
  const buffer = await bytes.arrayBuffer().catch((cause: unknown) => {
    // As fetch would say it: the runner then looks whether the bytes are still there.
    throw new ProtocolFailure('unreachable', 'network', 'The bytes could not be read.', { cause });
  });
  return base64(new Uint8Array(await crypto.subtle.digest(algorithm, buffer)));
}

function base64(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
}
