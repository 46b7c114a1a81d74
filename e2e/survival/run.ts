// The survival table: npx tsx e2e/survival/run.ts [--cases reload,reset] [--runs 3]. Progress on stderr, table on stdout,
// exit code 1 if a row does not hold. Takes about a minute a case.
import { parseArgs } from 'node:util';
import { casesNamed } from './cases.js';
import { failuresOf, type Outcome, table } from './report.js';
import { runCase } from './run-case.js';
import type { Verdict } from './verdict.js';

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '' },
    runs: { type: 'string', default: '3' },
  },
});
const runs = Number(values.runs);
if (!Number.isInteger(runs) || runs < 1) throw new Error(`--runs takes a whole number, not ${values.runs}.`);

const outcomes: Outcome[] = [];
for (const play of casesNamed(values.cases.split(',').filter(Boolean))) {
  const verdicts: (Verdict | string)[] = [];
  for (let seed = 1; seed <= runs; seed++) {
    const verdict = await runCase(play, { seed }).catch((error: unknown) =>
      error instanceof Error ? error.message : String(error),
    );
    verdicts.push(verdict);
    console.error(`${play.name} ${seed}/${runs}: ${told(verdict)}`);
  }
  outcomes.push({ play, runs: verdicts });
}
console.log(`Chromium, 20 MB at 20 Mbit/s, worst of ${runs}.\n\n${table(outcomes)}`);
if (outcomes.some((outcome) => failuresOf(outcome).length > 0)) process.exitCode = 1;

function told(verdict: Verdict | string): string {
  if (typeof verdict === 'string') return verdict;
  const { trace, ...facts } = verdict;
  return [JSON.stringify(facts), ...(facts.failure === undefined ? [] : trace)].join('\n  ');
}
