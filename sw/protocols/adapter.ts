// The interface between the one resume loop and the protocols. An adapter knows one wire contract; it knows
// neither store nor scheduler, keeps nothing between calls, and decides nothing about retries.

import { type ErrorCode, type ErrorDetails, UploadError } from '../../src/contracts/errors.js';
import type { smallestParts } from '../core/parts.js';
import type { AdapterState, Failure, Limits, Range, Reply, Verdict } from '../core/remote.js';

export type { AdapterState, Limits, Range, Reply, Verdict } from '../core/remote.js';

/** What an adapter may know of the file. All of it survives a worker restart. */
export interface UploadSource {
  readonly id: string;
  /** As the page named it, with what follows an `@`: whose it is. */
  readonly endpoint: string;
  readonly name: string;
  readonly type: string;
  readonly sizeBytes: number;
  readonly lastModifiedMs: number;
  readonly metadata: Readonly<Record<string, string>>;
}

/** One HTTP answer, read to its end or to the limit of its request. */
export interface Answer {
  /** Absolute; what a relative Location in it is relative to. */
  readonly url: string;
  readonly status: number;
  readonly ok: boolean;
  readonly text: string;
  /** Null where the server did not send it, or (cross-origin) did not list it in Access-Control-Expose-Headers. */
  header(name: string): string | null;
}

export interface RequestOptions {
  readonly method: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Its type becomes the Content-Type; none is sent without one. */
  readonly body?: Blob | undefined;
  /**
   * The answer may take so much longer than the body needs on this link: for requests that make a server work, such as
   * a merge. Their time then tells nothing about the link. Default 0.
   */
  readonly patienceMs?: number;
  /** Most characters of the answer that are read. Default 65,536. */
  readonly answerCharacters?: number;
}

/** What every protocol's options have in common: how its requests are dressed. */
export interface RequestDefaults {
  /**
   * Headers of the app, such as a token, asked for anew for each request, since tokens expire while an upload waits.
   * Nothing of them is stored. Values must be visible ASCII (see {@link encodeHeader}).
   */
  readonly headers?: (
    upload: UploadSource,
  ) => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>;
  /** Whether cookies go along. Default `'same-origin'`. */
  readonly credentials?: RequestCredentials;
}

/** The tools of one call. Time limit, abort and the app's own headers are already in them. */
export interface Io {
  /** Throws a {@link ProtocolFailure} for whatever is not an answer (network, time-out, redirect). */
  request(url: string, options: RequestOptions): Promise<Answer>;
  /** The whole file, for hashes and for requests beside `send`. Read it in slices: memory does not grow with the file. */
  bytes(): Promise<Blob>;
  /** Rejects when the upload is stopped meanwhile, or `signal` is aborted; then no timer is left. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
  /** Epoch. */
  nowMs(): number;
}

/** What the loop knows when it makes a remote upload. */
export interface CreateContext {
  /** It was begun before, and its answer is not known: the server may hold it already. */
  readonly repeated: boolean;
  /** Learned from a 413: parts must not be larger. Absent: no limit is known. */
  readonly maxBytes?: number | undefined;
  /** Of what was made in parts that are too large: it is of no use any more, and may be freed. */
  readonly replaced?: AdapterState | null;
}

/** What the loop knows when it asks the server where it stands. */
export interface ProbeContext {
  /** A request of ours may still be draining on the server's side: its number may yet move. */
  readonly unsettled: boolean;
  /** The last byte was sent at least once, whatever became of its answer. */
  readonly finalSent: boolean;
  /** What the record says is held. */
  readonly heldBytes: number;
}

/** Thrown by adapters and by http.ts; nothing else may come out of them. */
export class ProtocolFailure extends UploadError implements Failure {
  override readonly name = 'ProtocolFailure';
  declare readonly verdict: Verdict;
  /** From Retry-After: obeyed, never shortened. */
  declare readonly retryAfterMs: number | undefined;
  /** With `fatal`: the server has ended this upload, so a retry makes a new one. */
  declare readonly forget: boolean | undefined;

  constructor(
    verdict: Verdict,
    code: ErrorCode,
    message: string,
    details?: ErrorDetails & Partial<Pick<Failure, 'retryAfterMs' | 'forget'>>,
  ) {
    const said = { ...details, verdict };
    super(code, message, said);
  }
}

/** A request that can be sent by somebody else, later. */
export interface PieceRequest {
  /** Relative to the worker, or absolute. */
  readonly url: string;
  readonly method: string;
  /** Beside those of {@link RequestDefaults.headers}. */
  readonly headers: Readonly<Record<string, string>>;
}

/** What a side-by-side sender is given. */
export interface Sending {
  /** Sends one range and commits the answer. */
  readonly send: (range: Range) => Promise<void>;
  /** Resolves with what gives a further lane back, once one is free beside the upload's own. Rejects with `stop`. */
  readonly lane: (stop: AbortSignal, extra: true) => Promise<() => void>;
  /** Most requests at once. */
  readonly concurrency: number;
  /** What the link is good for in the time that one request should take; little, while nothing is known of it. */
  readonly roomBytes: number;
  /** Aborted when the upload is stopped. */
  readonly signal: AbortSignal;
}

/** How a protocol of parts cuts and sends a file: `inParts`. */
export interface Parts {
  readonly missing: (held: readonly Range[], sizeBytes: number, limits: Limits) => readonly Range[];
  /** Some of `ranges` at least; what is left is planned anew. */
  readonly sendAll: (ranges: readonly Range[], sending: Sending) => Promise<void>;
  readonly smallest: typeof smallestParts;
}

/**
 * One protocol, configured for one server. Stateless: the worker may be stopped between any two lines, so what must
 * be remembered goes into the reply's `state`. Methods throw {@link ProtocolFailure}.
 */
export interface Adapter {
  /** `inParts`: any cell of a grid, in any order, in parallel. Absent: one growing prefix, one request at a time. */
  readonly parts?: Parts;
  readonly limits: Limits;
  /** A file of at most so many bytes may be sent without a first probe if it was never tried. Default 0. */
  readonly blindBytes?: number;
  readonly requests?: RequestDefaults;
  /**
   * Makes the remote upload. Absent: nothing is to be made. Repeating it may leave an orphan, never a second result.
   * It may send bytes along (`io.bytes`) and say in `held` what the server took.
   */
  create?(upload: UploadSource, io: Io, context: CreateContext): Promise<Reply>;
  /** Asks the server what it holds. Reports a finished upload as `done`, also when that answer was lost before. */
  probe(upload: UploadSource, state: AdapterState, io: Io, context: ProbeContext): Promise<Reply>;
  /** Stores `bytes`, whose size is `range[1] - range[0]`. An empty file is one call with the range [0, 0). */
  send(upload: UploadSource, state: AdapterState, range: Range, bytes: Blob, io: Io): Promise<Reply>;
  /**
   * The request that would store `range`, without its body, made in advance: Background Fetch sends it when no code of ours
   * runs, two at a time, in their order, and after an interruption again from its first byte. Absent: this protocol's
   * requests depend on the answers before them, so that none can be made in advance.
   */
  piece?(upload: UploadSource, state: AdapterState, range: Range): Promise<PieceRequest>;
  /** Every byte is held. Absent: then the upload is done. Must be repeatable. */
  complete?(upload: UploadSource, state: AdapterState, io: Io): Promise<Reply>;
  /** After a cancel: frees what the server holds. Tried again while the server is out of reach, given up on a refusal. */
  abort?(upload: UploadSource, state: AdapterState, io: Io): Promise<void>;
}
