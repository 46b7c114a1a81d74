// What people read: how many faults of each kind, which states met which events, and how to have a failure again.

import { uploadStatuses } from '../../src/contracts/upload.js';
import type { FailedRun } from './batch.js';
import type { Report } from './run-batches.js';

export function printReport({ runs, steps, requests, struck, failures, tookMs, cpuMs }: Report): string {
  const faults = Object.entries(struck).sort((a, b) => b[1] - a[1]);
  const total = faults.reduce((sum, [, count]) => sum + count, 0);
  const perRun = (cpuMs / Math.max(1, runs)).toFixed(1);
  return [
    `${runs - failures.length} of ${runs} runs kept every invariant; ${steps} awaits, ${requests} requests, ${(tookMs / 1000).toFixed(1)} s (${perRun} ms of a core a run)`,
    `${total} faults: ${faults.map(([name, count]) => `${name} ${count}`).join(', ')}`,
  ].join('\n');
}

export interface Coverage {
  readonly met: number;
  readonly possible: number;
  /** Pairs that the machine's rules allow and no run has seen. */
  readonly missing: readonly string[];
  /** Pairs that the rules rule out: the event does not apply in that state. */
  readonly impossible: number;
}

/** From the machine's own rules: what is not in them cannot happen. */
export function coverageOf({ rules, seen }: Report): Coverage {
  const pairs = Object.entries(rules).flatMap(([event, from]) => from.map((status) => `${status} ${event}`));
  const missing = pairs.filter((pair) => !seen[pair]);
  return {
    met: pairs.length - missing.length,
    possible: pairs.length,
    missing,
    impossible: Object.keys(rules).length * uploadStatuses.length - pairs.length,
  };
}

export function printCoverage(report: Report): string {
  const { met, possible, missing, impossible } = coverageOf(report);
  const percent = ((100 * met) / Math.max(1, possible)).toFixed(1);
  return [
    `states x events: ${met} of ${possible} (${percent} %) that the rules allow; ${impossible} pairs apply in no state by the rules`,
    ...(missing.length > 0 ? [`never seen: ${missing.join(', ')}`] : []),
  ].join('\n');
}

export function printFailure({ plan, complaints, trace }: FailedRun): string {
  return [
    `seed ${plan.seed}, ${plan.protocol}:`,
    ...complaints.map((each) => `  - ${each}`),
    ...(trace.length > 120 ? [...trace.slice(0, 70), '         ...', ...trace.slice(-49)] : trace),
    `again: npm run simulate -- --seed ${plan.seed} --protocol ${plan.protocol}`,
    `shortened: npm run simulate -- --plan '${JSON.stringify(plan)}'`,
    '',
  ].join('\n');
}
