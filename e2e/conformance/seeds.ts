// Seeded runs: a size, some faults and some stops of the worker, all by chance, and all to be had again.

import { deliver } from './deliver.js';
import { Dice } from './dice.js';
import { type StrikeName, strikeNames } from './faults.js';
import { judge } from './judge.js';
import { strikerByChance } from './strikers.js';
import type { RunningServer, Subject } from './subject.js';
import { type Failure, piecesOf, type SizeName, sizeNames, sizeOf } from './table.js';

export interface SeedOptions {
  /** Default 100. */
  readonly runs?: number;
  /** Of the first run; each next one has the next seed. Default 1. */
  readonly seed?: number;
  readonly onRun?: (seed: number, failure: Failure | undefined) => void;
}

export interface SeedReport {
  readonly subject: string;
  readonly runs: number;
  readonly seed: number;
  /** How often each fault has struck. */
  readonly struck: ReadonlyMap<StrikeName | 'worker stopped', number>;
  readonly requests: number;
  /** Runs in which a file had to be sent again, as `Subject.repeats` says. */
  readonly repeated: number;
  readonly failures: readonly (Failure & { readonly seed: number })[];
  /** Faults that can happen to this subject, and never did: such a report proves too little. */
  readonly missed: readonly string[];
  readonly tookMs: number;
}

/** Enough for every fault to come up: below, it is no mistake if one does not. */
const RUNS_FOR_ALL = 300;
const MOST_AWAITS = 160;

export async function runSeeds(subject: Subject, options: SeedOptions = {}): Promise<SeedReport> {
  const { runs = 100, seed: first = 1, onRun } = options;
  const startedMs = performance.now();
  const server = await subject.start();
  const struck = new Map<StrikeName | 'worker stopped', number>();
  const failures: (Failure & { seed: number })[] = [];
  let requests = 0;
  let repeated = 0;
  try {
    for (let seed = first; seed < first + runs; seed += 1) {
      const { failure, run, faults, stops } = await runSeed(subject, server, seed);
      requests += run.journal.length;
      if (run.witness.sentAgainBytes > 0) repeated += 1;
      for (const fault of faults) struck.set(fault, (struck.get(fault) ?? 0) + 1);
      if (stops > 0) struck.set('worker stopped', (struck.get('worker stopped') ?? 0) + stops);
      if (failure) failures.push({ ...failure, seed });
      onRun?.(seed, failure);
    }
  } finally {
    await server.stop();
  }
  const possible = [...strikeNames.filter((name) => !subject.cannot?.[name]), 'worker stopped' as const];
  const missed = runs < RUNS_FOR_ALL ? [] : possible.filter((name) => !struck.has(name) && name !== 'answer cut');
  const tookMs = performance.now() - startedMs;
  return { subject: subject.name, runs, seed: first, struck, requests, repeated, failures, missed, tookMs };
}

async function runSeed(subject: Subject, server: RunningServer, seed: number) {
  const dice = new Dice(seed, 'run');
  const pieceBytes = piecesOf(subject);
  const striker = strikerByChance(subject, seed);
  const sizeName: SizeName = dice.chance(0.35) ? 'several pieces' : dice.pick(sizeNames);
  const stops = Array.from({ length: dice.chance(0.5) ? 0 : dice.between(1, 3) }, () => dice.between(1, MOST_AWAITS));
  const sizeBytes = sizeOf(sizeName, pieceBytes);
  const run = await deliver(subject, server, {
    label: 'seed',
    seed,
    sizeBytes,
    pieceBytes,
    stops,
    strike: striker.strike,
  });
  const faults = striker.struck(run.journal);
  const wrong = await judge(subject, server, run);
  await server.discard?.(run.name);
  const what = `seed ${seed}: ${sizeName}, ${[...faults, ...Array(run.stops).fill('worker stopped')].join(', ') || 'no fault'}`;
  const failure = wrong.length > 0 ? { what, wrong, trace: run.trace() } : undefined;
  return { failure, run, faults, stops: run.stops };
}
