// What happens to one POST between its headers and its answer: the turn, the start byte, the bytes, the number.
// Knows no socket: it pulls from a BodyReader and returns a verdict for somebody else to send.

import type { OutgoingHttpHeaders } from 'node:http';
import type { BodyReader } from './body-reader.js';
import type { UploadClaim } from './request-headers.js';
import type { FirstByteRecord, UploadOutcome } from './request-records.js';
import type { EndReason, Turn, Turns } from './turns.js';
import type { UploadFile } from './upload-file.js';
import { TooManyUploads, type UploadStore } from './upload-store.js';

export interface ReceiveContext {
  readonly store: UploadStore;
  readonly turns: Turns;
  readonly maxFileBytes: number;
  readonly requestIdleMs: number;
  readonly pieceWaitMs: number;
  readonly now: () => number;
  readonly onFirstByte: (record: FirstByteRecord) => void;
}

export interface Post {
  readonly requestId: number;
  readonly fileId: string;
  readonly key: string;
  readonly claim: UploadClaim;
  readonly body: BodyReader;
}

/** How one POST ended. `answer` is absent where the connection is to be ended without one. */
export interface Receipt {
  readonly outcome: UploadOutcome;
  readonly reason?: string;
  readonly heldBytes: number;
  readonly acceptedBytes: number;
  readonly firstByteAtMs?: number;
  readonly writerFromMs?: number;
  readonly writerUntilMs?: number;
}

export interface Answer {
  readonly status: number;
  readonly text: string;
  /** The number that `text` is. */
  readonly answeredBytes?: number;
  readonly headers?: OutgoingHttpHeaders;
}

export async function receiveUpload(context: ReceiveContext, post: Post): Promise<Receipt> {
  const known = context.store.find(post.key);
  // Said before the turn is taken: nonsense must not end the writer that is at work.
  const objection = objectionTo(context, post, known);
  if (objection !== undefined) return { outcome: objection, heldBytes: known?.heldBytes ?? 0, acceptedBytes: 0 };

  const met = post.claim.isPiece ? await untilItsTurn(context, post) : undefined;
  if (met !== undefined) return { outcome: met, heldBytes: await heldBytesOf(context, post), acceptedBytes: 0 };

  const turn = context.turns.take(post.key, post.claim.startByte);
  const writing = new Writing(context, post, turn);
  await turn.ready;
  const writerFromMs = context.now();
  try {
    const outcome = await writing.run();
    return { ...writing.tally(), outcome, writerFromMs, writerUntilMs: context.now() };
  } catch (error) {
    const failed = { outcome: outcomeOf(error), reason: String(error) };
    return { ...writing.tally(), ...failed, writerFromMs, writerUntilMs: context.now() };
  } finally {
    await writing.close();
    turn.release();
  }
}

export function answerTo({ outcome, heldBytes }: Receipt): Answer | undefined {
  const number = { text: String(heldBytes), answeredBytes: heldBytes };
  switch (outcome) {
    case 'ok':
      return { status: 200, ...number };
    case 'wrong-start':
    // Not a reset: after one, browsers send the request again by themselves, and would end the newer one in turn.
    case 'replaced':
      return { status: 409, ...number };
    case 'cut':
    // No 408 either: Chromium repeats the request.
    case 'idle':
      return undefined;
    case 'size-changed':
      return { status: 422, text: 'X-File-Size is not the size that this X-File-Id began with.' };
    case 'too-large':
      return { status: 413, text: 'More bytes than X-File-Size says, or than this server takes.' };
    case 'too-many':
      return { status: 429, text: 'Too many unfinished uploads.', headers: { 'retry-after': '60' } };
    case 'unauthorized':
      return { status: 401, text: 'Sign in first.', headers: { 'www-authenticate': 'Bearer' } };
    case 'disk-full':
      return { status: 507, text: 'The disk is full.', headers: { 'retry-after': '30' } };
    case 'storage-failed':
      return { status: 500, text: 'The server could not store the bytes.' };
    case 'closing':
      return { status: 503, text: 'The server is stopping.', headers: { 'retry-after': '1' } };
    default:
      return outcome satisfies never;
  }
}

/** A full disk, quota or file size limit is the operator's to mend; anything else is a fault. */
export function outcomeOf(error: unknown): 'too-many' | 'disk-full' | 'storage-failed' {
  if (error instanceof TooManyUploads) return 'too-many';
  const code = (error as NodeJS.ErrnoException).code ?? '';
  return ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(code) ? 'disk-full' : 'storage-failed';
}

function objectionTo(
  { maxFileBytes }: ReceiveContext,
  { claim, body }: Post,
  known: UploadFile | undefined,
): 'too-large' | 'size-changed' | undefined {
  if (claim.sizeBytes > maxFileBytes) return 'too-large';
  if (known !== undefined && known.meta.sizeBytes !== claim.sizeBytes) return 'size-changed';
  if (claim.startByte + (body.announcedBytes ?? 0) > claim.sizeBytes) return 'too-large';
  return undefined;
}

/**
 * A piece was made in advance, by a client that sends two at a time and does not look at the answers: it waits for the one
 * before it, and what is held of it already is held, as is an empty one. Undefined: it may take its turn, and ends nobody by that but an older
 * request for the same piece.
 */
async function untilItsTurn(
  { store, turns, pieceWaitMs }: ReceiveContext,
  { key, claim: { startByte }, body }: Post,
): Promise<'ok' | 'wrong-start' | undefined> {
  for (;;) {
    const heldBytes = store.find(key)?.heldBytes ?? 0;
    const { announcedBytes = Infinity } = body;
    if (announcedBytes === 0 || startByte + announcedBytes <= heldBytes) return 'ok';
    const present = turns.startOf(key);
    if (present === startByte || (present === undefined && startByte <= heldBytes)) return undefined;
    if (!(await turns.change(key, pieceWaitMs))) return 'wrong-start';
  }
}

/** Only what no power cut can take away is told. */
async function heldBytesOf({ store }: ReceiveContext, { key }: Post): Promise<number> {
  return (await store.find(key)?.durableBytes()) ?? 0;
}

/** The one writer of a file, during its turn. */
class Writing {
  readonly #context: ReceiveContext;
  readonly #post: Post;
  readonly #signal: AbortSignal;
  #file: UploadFile | undefined;
  /** Where its own bytes begin; undefined if it never was the writer. */
  #fromByte: number | undefined;
  #firstByteAtMs: number | undefined;

  constructor(context: ReceiveContext, post: Post, turn: Turn) {
    this.#context = context;
    this.#post = post;
    this.#signal = turn.signal;
  }

  async run(): Promise<UploadOutcome> {
    const { store, now } = this.#context;
    const { key, claim, fileId } = this.#post;
    this.#file = store.find(key);
    if (this.#signal.aborted) return this.#settle(this.#ended());
    // Nothing is made for a file that is not begun at its first byte.
    if (this.#file === undefined && claim.startByte !== 0) return 'wrong-start';
    const { sizeBytes, metadata } = claim;
    this.#file ??= await store.create(key, { id: fileId, sizeBytes, metadata, createdAtMs: now() });
    if (this.#file.meta.sizeBytes !== sizeBytes) return 'size-changed';
    const heldBytes = await this.#file.durableBytes();
    if (claim.isPiece ? claim.startByte > heldBytes : claim.startByte !== heldBytes) return 'wrong-start';
    this.#fromByte = heldBytes;
    return this.#settle(await this.#pump(this.#file, heldBytes));
  }

  tally(): Pick<Receipt, 'heldBytes' | 'acceptedBytes' | 'firstByteAtMs'> {
    const heldBytes = this.#file?.heldBytes ?? 0;
    const acceptedBytes = Math.max(0, heldBytes - (this.#fromByte ?? heldBytes));
    return { heldBytes, acceptedBytes, ...(this.#firstByteAtMs && { firstByteAtMs: this.#firstByteAtMs }) };
  }

  async close(): Promise<void> {
    // The bytes are synced by now, or were taken back: a failing close loses nothing.
    await this.#file?.close().catch(() => undefined);
  }

  /** What lies before `fromByte` came with an earlier request: it is passed over. */
  async #pump(file: UploadFile, fromByte: number): Promise<UploadOutcome> {
    const { requestIdleMs, now } = this.#context;
    let position = this.#post.claim.startByte;
    for (;;) {
      const step = await this.#post.body.next(requestIdleMs, this.#signal);
      if (step.type === 'stopped') return this.#ended();
      if (step.type !== 'bytes') return step.type === 'end' ? 'ok' : step.type;
      // Chunked bodies announce no length. A piece that overruns is not cut to fit: its sender is wrong about the file.
      if (position + step.bytes.length > file.meta.sizeBytes) return 'too-large';
      const news = step.bytes.subarray(Math.max(0, fromByte - position));
      position += step.bytes.length;
      if (news.length === 0) continue;
      this.#noteFirstByte();
      await file.append(position - news.length, news, now());
    }
  }

  /** Whatever ended the body: what arrived is made safe before anybody is told a number. */
  async #settle(outcome: UploadOutcome): Promise<UploadOutcome> {
    await this.#file?.durableBytes();
    return outcome;
  }

  #ended(): EndReason {
    return this.#signal.reason === 'closing' ? 'closing' : 'replaced';
  }

  #noteFirstByte(): void {
    if (this.#firstByteAtMs !== undefined) return;
    this.#firstByteAtMs = this.#context.now();
    const { requestId, fileId, claim } = this.#post;
    const { startByte } = claim;
    this.#context.onFirstByte({ event: 'first-byte', requestId, fileId, startByte, atMs: this.#firstByteAtMs });
  }
}
