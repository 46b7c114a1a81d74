// Chunks: list what the server has, send what it lacks, merge. There is no standard for it, but a family (resumable.js,
// flow.js, simple-uploader.js, 断点续传/秒传 servers) that differs in names alone: those are options (chunk-calls.ts), ready
// made for the well-known ones (chunk-presets.ts). What is fixed here is the grid, the order, and what answers mean.

import { normalize, totalBytes } from '../core/ranges.js';
import {
  type Adapter,
  type AdapterState,
  type Io,
  ProtocolFailure,
  type Range,
  type Reply,
  type RequestDefaults,
  type UploadSource,
} from './adapter.js';
import { check, isUnknown, objection } from './chunk-answers.js';
import {
  type Chunk,
  type ChunkCall,
  type ChunkedFile,
  type ChunkList,
  chunkOf,
  type Grid,
  MERGED,
  type Means,
  NONE,
  requestOf,
  type SendCall,
  usual,
} from './chunk-calls.js';
import type { Ask } from './chunk-questions.js';
import { inParts } from './parts.js';
import { refusal } from './refusals.js';

export interface ChunksOptions extends RequestDefaults {
  /** Sends one chunk. Default: POST of a form with `id, size, chunkSize, hash, count, name, type, lastModified, metadata, index` and `file`. */
  readonly chunk: SendCall;
  /**
   * How the server is asked what it holds: {@link chunkList} or {@link chunkTest}. Absent: it cannot be asked, and what it
   * acknowledged is believed.
   */
  readonly ask?: Ask | undefined;
  /**
   * Makes the file of its chunks. Must be repeatable. 400, 404 and 409 mean that chunks are missing, if the list says so too.
   * Default fields: as for a chunk. Absent: the server does it by itself once it has every chunk.
   */
  readonly merge?: ChunkCall<ChunkedFile> | undefined;
  /** Frees what the server holds of a cancelled upload. Default fields: as for the list. Absent: the server is not told. */
  readonly abort?: ChunkCall<ChunkedFile> | undefined;
  /**
   * In bytes. Fixed for an upload when it begins; a change is for later ones. A server that takes no such body (413) gets
   * smaller ones. Default 1,000,000, which nginx lets through as it comes.
   */
  readonly chunkSize?: number;
  /** What becomes of the remainder: a last chunk that is `smaller` (default), or it joins the one before, which is then `larger`. */
  readonly lastChunk?: 'smaller' | 'larger';
  /**
   * The server's name for the file. Default: random, so that nothing can be mixed up, and no question is asked first. A name
   * that comes back must always mean the same bytes in chunks of the same size.
   */
  readonly fileId?: (upload: UploadSource, hash: string) => string;
  /**
   * Hashes the content: `contentHash(createMD5)`. It is done once, in slices, before the first question, which carries it:
   * a server that has the content answers "merged", and no byte is sent. Default: none.
   */
  readonly hash?: (io: Pick<Io, 'bytes' | 'sleep'>) => Promise<string>;
  /** For servers that refuse with 200. */
  readonly means?: Means;
  /**
   * When the server holds no chunk any more, although only the last few were missing: `'restart'` (default: nothing is ever
   * lost, the file is sent again) or `'done'` (it has made the file, and cleared the chunks away).
   */
  readonly noneAfterLastChunk?: 'restart' | 'done';
}

/** Below nginx's default limit of 1 MiB with the form around it. */
const CHUNK_BYTES = 1_000_000;
/** The most chunks under way when an answer is lost: HTTP/1.1 has six connections an origin. */
const MOST_UNDER_WAY = 6;
/** A disk copies faster than so many bytes a millisecond, and a server answers within a minute. Both are guesses. */
const MERGE_BYTES_PER_MS = 10_000;
const MERGE_MS = 60_000;

/** What may not change while an upload is under way. */
type Frozen = Readonly<Pick<ChunkedFile, 'id' | 'hash' | 'chunkBytes' | 'lastChunk'>>;

/** Makes the adapter for one server that takes chunks. */
export function chunks(options: ChunksOptions): Adapter {
  const { merge, abort, means, lastChunk = 'smaller', chunkSize = CHUNK_BYTES } = options;
  if (!(Number.isInteger(chunkSize) && chunkSize > 0)) throw new RangeError(`chunkSize: ${chunkSize}.`);

  function fileOf(upload: UploadSource, state: AdapterState): ChunkedFile {
    const frozen = state as Frozen;
    return { ...upload, ...frozen, count: countOf({ ...frozen, sizeBytes: upload.sizeBytes }) };
  }

  function countOf({ sizeBytes, chunkBytes, lastChunk: last }: Grid): number {
    // An empty file has nothing to merge; without a merge, one empty chunk is all that can tell of it.
    if (sizeBytes === 0) return merge ? 0 : 1;
    return Math.max(1, (last === 'larger' ? Math.floor : Math.ceil)(sizeBytes / chunkBytes));
  }

  /** What the loop is told. Chunks of another size than ours are the server's to say, since it has them. */
  function replyOf(upload: ChunkedFile, { chunks: indices, merged, chunkBytes = upload.chunkBytes }: ChunkList): Reply {
    const { id, hash, lastChunk: lastPart } = upload;
    const state: Frozen = { id, hash, chunkBytes, lastChunk: lastPart };
    const file = fileOf(upload, state);
    const done = merged || (!merge && new Set(indices).size === file.count);
    const held = indices.map((index): Range => {
      const { startByte, endByte } = chunkOf(file, index);
      return [startByte, endByte];
    });
    // Normal, since a list may name a chunk twice.
    const known = done ? [[0, file.sizeBytes] as const] : normalize(held);
    return { state, held: known, limits: { partBytes: chunkBytes, lastPart }, done };
  }

  async function ask(file: ChunkedFile, io: Io, heldBytes: number): Promise<Reply> {
    if (!options.ask) return {};
    const said = await options.ask(file, { io, chunk: options.chunk, means, countOf });
    const late = heldBytes > 0 && file.sizeBytes - heldBytes <= (merge ? 0 : MOST_UNDER_WAY * file.chunkBytes);
    const forgot = said.chunks.length === 0 && late && options.noneAfterLastChunk === 'done';
    return replyOf(file, forgot ? MERGED : said);
  }

  const free =
    abort &&
    (async (upload: UploadSource, state: AdapterState, io: Io): Promise<void> => {
      const [url, request] = requestOf({ ...usual.abort, ...abort }, fileOf(upload, state));
      const answer = await io.request(url, request);
      if (!isUnknown(answer)) check('merge', url, answer, io);
    });

  return {
    parts: inParts,
    limits: { partBytes: chunkSize, lastPart: lastChunk },
    requests: options,

    async create(upload, io, { maxBytes = Infinity, replaced }): Promise<Reply> {
      // A last chunk that takes the remainder along is up to twice as large.
      const chunkBytes = Math.min(chunkSize, Math.floor(lastChunk === 'larger' ? maxBytes / 2 : maxBytes));
      const hash = (await options.hash?.(io)) ?? '';
      // New each time: nothing that was begun before, in chunks of whatever size, can get into it.
      const id = options.fileId?.(upload, hash) ?? crypto.randomUUID();
      // Under a fixed name it is what goes on. What cannot be freed is left to the server.
      if (replaced && replaced['id'] !== id) await free?.(upload, replaced, io).catch(() => {});
      const file = fileOf(upload, { id, hash, chunkBytes, lastChunk });
      const begun = replyOf(file, NONE);
      if (!options.ask || !(options.fileId || hash)) return begun;
      const reply = await ask(file, io, 0).catch((cause: unknown): Reply => {
        const { verdict, retryAfterMs } = cause as Partial<ProtocolFailure>;
        if (!hash || verdict !== 'unreachable' || retryAfterMs !== undefined) throw cause;
        // The hash took long: it is kept while the server is out of reach. Then `probe` asks.
        return { ...begun, state: { ...begun.state, unasked: true } };
      });
      // Under one name there is one size of chunks: some are there, so it stays.
      if (chunkBytes === chunkSize || reply.done || !reply.held?.length) return reply;
      return ask(fileOf(upload, { id, hash, chunkBytes: chunkSize, lastChunk }), io, 0);
    },

    probe: (upload, state, io, { heldBytes }) => ask(fileOf(upload, state), io, heldBytes),

    async send(upload, state, [start], bytes, io): Promise<Reply> {
      if (state['unasked']) throw new ProtocolFailure('resync', 'network', 'Not asked yet.');
      const file = fileOf(upload, state);
      if (file.count === 0) return {};
      const chunk = chunkOf(file, start / file.chunkBytes);
      const [url, request] = requestOf<Chunk>({ ...usual.chunk, ...options.chunk }, chunk, bytes);
      const answer = await io.request(url, request);
      check('chunk', url, answer, io, means, { 404: 'fatal', 501: 'fatal' });
      // Ours finishes a small file by itself, and says so: one request a photo.
      return !options.chunk.fields && /^{.*"merged":true/s.test(answer.text) ? replyOf(file, MERGED) : {};
    },

    ...(merge && {
      async complete(upload: UploadSource, state: AdapterState, io: Io): Promise<Reply> {
        const file = fileOf(upload, state);
        const [url, request] = requestOf({ ...usual.merge, ...merge }, file);
        const patienceMs = MERGE_MS + file.sizeBytes / MERGE_BYTES_PER_MS;
        const answer = await io.request(url, { ...request, patienceMs });
        const { status } = answer;
        const failure = objection('merge', url, answer, io, means, { 400: 'resync', 404: 'resync', 410: 'resync' });
        if (!failure) return replyOf(file, MERGED);
        if (failure.verdict !== 'resync') throw failure;
        // Refused: either it lacks chunks, or it had them and has finished, or it will not.
        const reply = await ask(file, io, file.sizeBytes);
        if (reply.done || (reply.held && totalBytes(reply.held) < file.sizeBytes)) return reply;
        // Given up there, as after a cancel; of other files their chunks say so first.
        const isGone = status === 410 && file.sizeBytes === 0;
        throw refusal(url, answer, io.nowMs(), { [status]: status === 409 ? 'busy' : isGone ? 'restart' : 'fatal' });
      },
    }),

    ...(free && { abort: free }),
  };
}
