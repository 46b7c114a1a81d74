// The table: protocols across, sizes and faults down. A cell is green if its fault, at each request of an upload in
// turn, has really struck, and every such run is as it must be.

import { deliver, type Plan, type Run } from './deliver.js';
import { Dice } from './dice.js';
import { type FaultName, isTarget, otherFaults, type StrikeName, strikeNames, targetless } from './faults.js';
import { type Expectation, judge } from './judge.js';
import { strikerAt } from './strikers.js';
import { DEFAULT_PIECE_BYTES, type RunningServer, type Subject } from './subject.js';
import type { Entry } from './wire.js';

/** Sizes in bytes, from the size of a piece. */
const sizes = {
  '0 bytes': () => 0,
  '1 byte': () => 1,
  'a third of a piece': (piece) => Math.floor(piece / 3),
  'a piece less a byte': (piece) => piece - 1,
  'a piece': (piece) => piece,
  'a piece and a byte': (piece) => piece + 1,
  'several pieces': severalPieces,
  'many pieces': (piece) => piece * (piece > LARGE_PIECE ? 4 : 30) + 7,
} as const satisfies Readonly<Record<string, (pieceBytes: number) => number>>;

export type SizeName = keyof typeof sizes;
export const sizeNames = Object.keys(sizes) as SizeName[];
export type RowName = SizeName | FaultName;
export const rowNames: readonly RowName[] = [...sizeNames, ...strikeNames, ...otherFaults];

export interface Cell {
  readonly subject: string;
  readonly row: RowName;
  readonly outcome: 'ok' | 'failed' | 'n/a';
  readonly runs: number;
  /** Why it is "n/a"; that it got files twice, and why that is so. */
  readonly note?: string;
  readonly failures: readonly Failure[];
}

/** A run that is not as it must be. */
export interface Failure {
  readonly what: string;
  readonly wrong: readonly string[];
  readonly trace: string;
}

export interface TableOptions {
  /** Default 1. */
  readonly seed?: number;
  /** Default: all. */
  readonly rows?: readonly RowName[];
  readonly onCell?: (cell: Cell) => void;
}

export function sizeOf(name: SizeName, pieceBytes: number): number {
  return sizes[name](pieceBytes);
}

export function piecesOf({ pieceBytes = DEFAULT_PIECE_BYTES }: Subject): number {
  return pieceBytes;
}

function severalPieces(piece: number): number {
  return Math.floor(piece * (piece > LARGE_PIECE ? 2.2 : 3.5));
}

/** From here on a run is slow enough to be made smaller. */
const LARGE_PIECE = 1_000_000;
/** Awaits at which the worker is stopped, evenly over all there are. */
const STOPS = 12;
/** Of the awaits of one run, so many the next one has as well: answers come in more or fewer pieces. A guess. */
const SURE = 0.85;

/** One column of the table. */
export async function runTable(subject: Subject, options: TableOptions = {}): Promise<readonly Cell[]> {
  const { rows = rowNames, onCell } = options;
  const server = await subject.start();
  const column = new Column(subject, server, options.seed ?? 1);
  const cells: Cell[] = [];
  try {
    for (const row of rows) {
      const cell = await column.cell(row);
      cells.push(cell);
      onCell?.(cell);
    }
  } finally {
    await server.stop();
  }
  return cells;
}

interface Trial {
  readonly what: string;
  readonly plan: Partial<Plan>;
  readonly expected?: Expectation;
  /** Whether the fault has struck. */
  readonly happened?: (run: Run) => boolean;
}

class Column {
  readonly #subject: Subject;
  readonly #server: RunningServer;
  readonly #seed: number;
  readonly #pieceBytes: number;
  #clean: Promise<Run> | undefined;

  constructor(subject: Subject, server: RunningServer, seed: number) {
    this.#subject = subject;
    this.#server = server;
    this.#seed = seed;
    this.#pieceBytes = piecesOf(subject);
  }

  async cell(row: RowName): Promise<Cell> {
    const base = { subject: this.#subject.name, row };
    const note = this.#whyNot(row);
    if (note !== undefined) return { ...base, outcome: 'n/a', runs: 0, note, failures: [] };
    const trials = await this.#trials(row);
    if (trials.length === 0) {
      const none = targetless[row as StrikeName] ?? 'no request can meet it';
      return { ...base, outcome: 'n/a', runs: 0, note: none, failures: [] };
    }
    const failures: Failure[] = [];
    let repeated = false;
    for (const trial of trials) {
      const run = await deliver(this.#subject, this.#server, this.#plan(row, trial));
      const wrong = await judge(this.#subject, this.#server, run, trial.expected);
      await this.#server.discard?.(run.name);
      if (trial.happened?.(run) === false) wrong.push('The fault has not struck: this run proves nothing.');
      if (wrong.length > 0) failures.push({ what: trial.what, wrong, trace: run.trace() });
      else repeated ||= run.witness.takenAgainBytes > 0 || run.witness.sentAgainBytes > 0;
    }
    const outcome = failures.length > 0 ? 'failed' : 'ok';
    const why = repeated && this.#subject.repeats;
    return { ...base, outcome, runs: trials.length, failures, ...(why && { note: `sent twice: ${why}` }) };
  }

  /** A fault that the subject does not know how to meet must be excused in words. */
  #whyNot(row: RowName): string | undefined {
    const excuse = this.#subject.cannot?.[row as FaultName];
    if (excuse !== undefined) return excuse;
    const hooks = {
      'server killed': 'restart',
      'session gone': 'forget',
      'offset behind': 'lose',
      cancelled: 'unfinished',
    };
    const hook = hooks[row as keyof typeof hooks] as keyof RunningServer | undefined;
    if (hook === undefined || this.#server[hook] !== undefined) return undefined;
    throw new Error(`${this.#subject.name} has no ${hook}(), and its "cannot" does not say why: see "${row}".`);
  }

  #plan(row: RowName, { plan }: Trial): Plan {
    return {
      label: row,
      seed: this.#seed,
      sizeBytes: severalPieces(this.#pieceBytes),
      pieceBytes: this.#pieceBytes,
      ...plan,
    };
  }

  /** An upload of several pieces that nothing happens to. */
  #cleanRun(): Promise<Run> {
    this.#clean ??= deliver(this.#subject, this.#server, this.#plan('several pieces', { what: '', plan: {} }));
    return this.#clean;
  }

  async #trials(row: RowName): Promise<readonly Trial[]> {
    if (row in sizes) return [{ what: 'no fault', plan: { sizeBytes: sizeOf(row as SizeName, this.#pieceBytes) } }];
    const clean = await this.#cleanRun();
    switch (row as FaultName) {
      case '413':
        return [this.#bodyLimit()];
      case 'headers hidden':
        return [
          { what: 'no header exposed', plan: { hidesHeaders: true }, happened: ({ journal }) => journal.length > 0 },
        ];
      case 'worker stopped':
        return Array.from({ length: STOPS }, (_, index) => this.#stop(index, clean));
      case 'cancelled':
        return this.#cancels(clean.journal);
      default:
        return clean.journal
          .filter((entry) => isTarget(row as StrikeName, entry, clean.journal.slice(0, entry.ordinal)))
          .map((entry) => this.#strike(row as StrikeName, entry));
    }
  }

  #strike(fault: StrikeName, { ordinal, phase }: Entry): Trial {
    const striker = strikerAt(fault, ordinal, new Dice(this.#seed, fault, ordinal));
    return {
      what: `${fault} at #${ordinal} (${phase})`,
      plan: { strike: striker.strike },
      happened: ({ journal }) => striker.struck(journal).length > 0,
    };
  }

  /** An offset protocol finds a size that passes; the grid of a part protocol is frozen, so it must say so. */
  #bodyLimit(): Trial {
    const { parts } = this.#subject.adapter(this.#server.origin, this.#pieceBytes);
    const happened = ({ journal }: Run) => journal.some(({ strike }) => strike === 'too-large');
    if (parts) {
      const plan = { limitBytes: Math.floor(this.#pieceBytes * 0.9) };
      return { what: 'parts above the limit', plan, expected: { orFailedWith: 'too-large' }, happened };
    }
    // No body is made smaller than 64 KiB: the limit is just above that.
    const plan = { pieceBytes: 1_000_000, sizeBytes: 400_000, limitBytes: 70_000 };
    return { what: 'bodies of 70,000 bytes at most', plan, happened };
  }

  #stop(index: number, { crossings }: Run): Trial {
    const dice = new Dice(this.#seed, 'stop', index);
    const stopAt = Math.max(1, Math.floor(((index + dice.next()) * crossings * SURE) / STOPS));
    return {
      what: `stopped at await ${stopAt} of ${crossings}`,
      plan: { stops: [stopAt] },
      happened: ({ stops }) => stops > 0,
    };
  }

  #cancels(journal: readonly Entry[]): readonly Trial[] {
    const happened = (run: Run) => run.record?.course.state.status === 'cancelled';
    const expected = { end: 'cancelled' } as const;
    const trials = journal.flatMap(({ ordinal, phase }) =>
      [false, true].map((sent) => ({
        what: `cancelled ${sent ? 'with' : 'before'} #${ordinal} (${phase})${sent ? ' at the server' : ''}`,
        phase,
        sent,
        plan: {
          cancels: true,
          strike: (asked) => (asked.ordinal === ordinal ? { type: 'silent', sent } : undefined),
        } satisfies Partial<Plan>,
        expected,
        happened,
      })),
    );
    const last = journal.at(-1)?.ordinal ?? 0;
    const unreachable: Trial = {
      what: 'cancelled while the server is out of reach',
      plan: {
        cancels: true,
        strike: (asked) =>
          asked.ordinal === last
            ? { type: 'silent', sent: false }
            : asked.ordinal > last && asked.ordinal < last + 3
              ? { type: 'unsent' }
              : undefined,
      },
      expected,
      happened: (run) =>
        happened(run) && run.journal.some(({ phase, strike }) => phase === 'abort' && strike === 'unsent'),
    };
    // A creation that is cancelled before its answer leaves an upload whose address nobody knows.
    return [...trials.filter(({ phase, sent }) => phase !== 'create' || !sent), unreachable];
  }
}
