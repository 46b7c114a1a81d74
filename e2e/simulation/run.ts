// npm run simulate -- [--runs 1000] [--seed 1] [--protocol NAME] [--workers 2] [--plan '{...}'] [--trace]
// Seeded runs of the whole of Backhaul in simulated worlds. Ends with 1 if one of them broke an invariant, and prints its
// trace, its shortened plan, and the command that replays it; also if so many runs missed a state x event of the machine.

import { parseArgs } from 'node:util';
import { coverageOf, printCoverage, printFailure, printReport } from './report.js';
import { runBatches } from './run-batches.js';

const { values } = parseArgs({
  options: {
    runs: { type: 'string' },
    seed: { type: 'string', default: '1' },
    protocol: { type: 'string' },
    workers: { type: 'string', default: '2' },
    plan: { type: 'string' },
    trace: { type: 'boolean', default: false },
  },
});

/** The rarest pairs come once in some hundred runs. */
const RUNS_THAT_SEE_ALL = 10_000;
/** More than that nobody reads. */
const MOST_TRACES = 3;
let failed = 0;

const isOne = values.plan !== undefined || (values.runs === undefined && process.argv.includes('--seed'));
const report = await runBatches({
  from: Number(values.seed),
  runs: isOne ? 1 : Number(values.runs ?? 1000),
  workers: isOne ? 1 : Number(values.workers),
  trace: values.trace,
  ...(values.protocol && { protocol: values.protocol }),
  ...(values.plan && { plan: JSON.parse(values.plan) }),
  onFailure: (failure) => {
    failed += 1;
    console.log(
      failed <= MOST_TRACES ? printFailure(failure) : `and seed ${failure.plan.seed}, ${failure.plan.protocol}`,
    );
  },
  onTrace: (trace) => console.log(trace.join('\n')),
});
console.log(printReport(report));
console.log(printCoverage(report));
if (report.failures.length > 0) process.exitCode = 1;
const missed = coverageOf(report).missing.length;
if (report.runs >= RUNS_THAT_SEE_ALL && missed > 0) {
  console.log(`${missed} of the states x events were not seen in ${report.runs} runs.`);
  process.exitCode = 1;
}
