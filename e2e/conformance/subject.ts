// What the owner of an adapter tells the kit: how to make the adapter, how to run the server it is for, and what that
// server holds. Everything else, faults included, is the kit's own.

import type { Adapter } from '../../sw/protocols/adapter.js';
import type { FaultName } from './faults.js';

/** One adapter with one server. */
export interface Subject {
  /** Heads a column of the table; also the CLI's `--protocol`. */
  readonly name: string;
  /**
   * The adapter for the server at `origin`, with bodies of `pieceBytes`: the largest body of an offset protocol, the grid
   * of a part protocol. The server must come to know each file by the upload's `name`, which is ASCII and never repeats.
   */
  readonly adapter: (origin: string, pieceBytes: number) => Adapter;
  /** Starts a server that is empty. The kit stops it when it is done. */
  readonly start: () => Promise<RunningServer>;
  /** Pieces that the server is fit for, in bytes. Default 40,000: small, so that a thousand runs take minutes. */
  readonly pieceBytes?: number;
  /** What protocol or server cannot do, with the reason that the table prints as "n/a". */
  readonly cannot?: Readonly<Partial<Record<FaultName, string>>>;
  /** Milliseconds of real time that one request may take. Default 30,000. */
  readonly answersWithinMs?: number;
  /**
   * Why the server may get a file once more if the answer that finished it was lost: it forgets finished files, or it
   * cannot tell that two creations are one. "Exactly once" is then "at least once" in such a run, and the table says so.
   */
  readonly repeats?: string;
}

/**
 * A server under test. The optional methods let the kit do what the wire cannot; without one, `cannot` must say why.
 * `name` is always the upload's name.
 */
export interface RunningServer {
  /** Such as `http://127.0.0.1:8080`; stays the same after `restart`. */
  readonly origin: string;
  stop(): Promise<void>;
  /** SHA-256, as hex, of each FINISHED file of that name: empty while it is unfinished, two entries if it was made twice. */
  held(name: string): Promise<readonly string[]>;
  /** For "server killed": ends the server as SIGKILL does, in the middle of a body, and starts it again. */
  restart?(): Promise<void>;
  /** For "session gone": an unfinished upload of that name is forgotten, bytes and all. A finished one stays. */
  forget?(name: string): Promise<void>;
  /** For "offset behind": an unfinished upload of that name loses the last bytes, or the last part, of what is held. */
  lose?(name: string): Promise<void>;
  /** For "cancelled": how many unfinished uploads of that name the server keeps anything of. */
  unfinished?(name: string): Promise<number>;
  /** After each run: frees whatever is kept under that name, so that many runs fit. */
  discard?(name: string): Promise<void>;
}

export const DEFAULT_PIECE_BYTES = 40_000;
