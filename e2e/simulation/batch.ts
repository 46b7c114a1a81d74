// One process of the simulator: seeds in, one line of JSON for each failure and one for the whole batch out.

import { writeSync } from 'node:fs';
import { type Plan, planOf } from './plan.js';
import { installGlobals } from './platform/globals.js';
import { protocols } from './servers/protocols.js';
import { type Outcome, simulate } from './simulate.js';

export interface BatchOrder {
  readonly from: number;
  readonly runs: number;
  /** Every so many seeds. */
  readonly step: number;
  readonly protocol?: string;
  /** A plan of its own in place of a seed's. */
  readonly plan?: Plan;
  readonly trace?: boolean;
}

export interface BatchReport {
  readonly type: 'batch';
  readonly runs: number;
  readonly steps: number;
  readonly requests: number;
  readonly struck: Readonly<Record<string, number>>;
  readonly seen: Readonly<Record<string, number>>;
  readonly rules: Readonly<Record<string, readonly string[]>>;
  /** Of this process: what it takes on a machine of its own. */
  readonly cpuMs: number;
}

export interface FailedRun {
  readonly type: 'failure';
  readonly plan: Plan;
  readonly complaints: readonly string[];
  readonly trace: readonly string[];
}

// Errors are ordinary here (every abort is one), and their stacks cost a tenth of the time.
Error.stackTraceLimit = 0;
installGlobals();
const shared = globalThis as unknown as {
  onTransition: (status: string, event: string, applies: boolean) => void;
  machineRules: Readonly<Record<string, readonly string[]>>;
};
const seen: Record<string, number> = {};
shared.onTransition = (status, event, applies) => {
  const key = `${status} ${event}${applies ? '' : ' refused'}`;
  seen[key] = (seen[key] ?? 0) + 1;
};

const order = JSON.parse(process.argv[2] ?? '{}') as BatchOrder;
const say = (line: BatchReport | FailedRun | { type: 'trace'; trace: readonly string[] }) =>
  writeSync(1, `${JSON.stringify(line)}\n`);

const startedCpu = process.cpuUsage();
const struck: Record<string, number> = {};
let runs = 0;
let steps = 0;
let requests = 0;
for (let seed = order.from; seed < order.from + order.runs; seed += order.step) {
  const protocol = order.protocol ?? protocols[seed % protocols.length]?.name ?? '';
  const plan = order.plan ?? planOf(seed, protocol);
  const outcome = await simulate(plan);
  runs += 1;
  steps += outcome.steps;
  requests += outcome.requests;
  for (const fault of outcome.struck) struck[fault] = (struck[fault] ?? 0) + 1;
  if (order.trace) say({ type: 'trace', trace: outcome.trace });
  if (outcome.complaints.length > 0) say(await shortened(outcome));
}
say({
  type: 'batch',
  runs,
  steps,
  requests,
  struck,
  seen,
  rules: shared.machineRules,
  cpuMs: process.cpuUsage(startedCpu).user / 1000,
});
process.exit(0);

/** Leaves out one fault after the other as long as it still fails. */
async function shortened(failed: Outcome): Promise<FailedRun> {
  let last = failed;
  for (let at = failed.plan.faults.length - 1; at >= 0; at -= 1) {
    const faults = last.plan.faults.filter((_, index) => index !== at);
    const outcome = await simulate({ ...last.plan, faults });
    if (outcome.complaints.length > 0) last = outcome;
  }
  return { type: 'failure', plan: last.plan, complaints: last.complaints, trace: last.trace };
}
