// Runs seeds in several processes at once, and adds up what they say.

import { spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { BatchOrder, BatchReport, FailedRun } from './batch.js';
import { bundleSimulation } from './bundle.js';
import type { Plan } from './plan.js';

export interface Report {
  readonly runs: number;
  readonly steps: number;
  readonly requests: number;
  readonly struck: Readonly<Record<string, number>>;
  /** How often each event met each state of the machine. */
  readonly seen: Readonly<Record<string, number>>;
  /** The states in which each event applies: the machine's own. */
  readonly rules: BatchReport['rules'];
  readonly failures: readonly FailedRun[];
  readonly tookMs: number;
  readonly cpuMs: number;
}

export interface BatchesOptions {
  readonly from: number;
  readonly runs: number;
  readonly workers: number;
  readonly protocol?: string;
  readonly plan?: Plan;
  readonly trace?: boolean;
  readonly onFailure?: (failure: FailedRun) => void;
  readonly onTrace?: (trace: readonly string[]) => void;
}

export async function runBatches(options: BatchesOptions): Promise<Report> {
  const { from, runs, workers, protocol, plan, trace = false } = options;
  const startedMs = performance.now();
  const script = await bundleSimulation();
  const failures: FailedRun[] = [];
  try {
    const batch = async (index: number) => {
      const order: BatchOrder = {
        from: from + index,
        runs: runs - index,
        step: workers,
        trace,
        ...(protocol && { protocol }),
        ...(plan && { plan }),
      };
      return runBatch(
        script,
        order,
        (failure) => {
          failures.push(failure);
          options.onFailure?.(failure);
        },
        options.onTrace,
      );
    };
    const batches = await Promise.all(Array.from({ length: Math.min(workers, runs) }, (_, index) => batch(index)));
    const sum = (key: 'runs' | 'steps' | 'requests' | 'cpuMs') => batches.reduce((total, each) => total + each[key], 0);
    return {
      runs: sum('runs'),
      steps: sum('steps'),
      requests: sum('requests'),
      cpuMs: sum('cpuMs'),
      struck: added(batches.map(({ struck }) => struck)),
      seen: added(batches.map(({ seen }) => seen)),
      rules: batches[0]?.rules ?? {},
      failures,
      tookMs: performance.now() - startedMs,
    };
  } finally {
    await rm(script, { force: true });
  }
}

function runBatch(
  script: string,
  order: BatchOrder,
  onFailure: (failure: FailedRun) => void,
  onTrace: (trace: readonly string[]) => void = () => {},
): Promise<BatchReport> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [script, JSON.stringify(order)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let report: BatchReport | undefined;
    const lines = createInterface(child.stdout);
    lines.on('line', (text) => {
      const line = JSON.parse(text) as BatchReport | FailedRun | { type: 'trace'; trace: readonly string[] };
      if (line.type === 'batch') report = line;
      else if (line.type === 'failure') onFailure(line);
      else onTrace(line.trace);
    });
    child.on('error', reject);
    lines.on('close', () => {
      if (report) resolve(report);
      else reject(new Error(`A process of the simulator ended early: ${JSON.stringify(order)}`));
    });
  });
}

function added(all: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const each of all) for (const [key, count] of Object.entries(each)) sums[key] = (sums[key] ?? 0) + count;
  return sums;
}
