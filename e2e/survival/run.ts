// The survival table: npx tsx e2e/survival/run.ts [--cases reload,reset] [--runs 3] [--plain]. Progress on stderr, table
// on stdout, exit code 1 if a row does not hold. Takes about a minute a case. --plain: on the tutorial's kind of server,
// which can promise less; there only the bytes are judged.
import { parseArgs } from 'node:util';
import { casesNamed, onPlainServer } from './cases.js';
import { failuresOf, type Outcome, table } from './report.js';
import { runCase } from './run-case.js';
import type { Verdict } from './verdict.js';

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '' },
    runs: { type: 'string', default: '3' },
    plain: { type: 'boolean', default: false },
  },
});
const runs = Number(values.runs);
if (!Number.isInteger(runs) || runs < 1) throw new Error(`--runs takes a whole number, not ${values.runs}.`);

const outcomes: Outcome[] = [];
for (const named of casesNamed(values.cases.split(',').filter(Boolean))) {
  const play = values.plain ? onPlainServer(named) : named;
  const verdicts: (Verdict | string)[] = [];
  for (let seed = 1; seed <= runs; seed++) {
    const verdict = await runCase(play, { seed, plain: values.plain }).catch((error: unknown) =>
      error instanceof Error ? error.message : String(error),
    );
    verdicts.push(verdict);
    console.error(`${play.name} ${seed}/${runs}: ${told(verdict)}`);
  }
  outcomes.push({ play, runs: verdicts });
}
console.log(
  `Chromium, 20 MB at 20 Mbit/s, ${values.plain ? 'a plain' : 'the reference'} server, worst of ${runs}.\n\n${table(outcomes)}`,
);
if (outcomes.some((outcome) => failuresOf(outcome).length > 0)) process.exitCode = 1;

function told(verdict: Verdict | string): string {
  if (typeof verdict === 'string') return verdict;
  const { trace, ...facts } = verdict;
  return [JSON.stringify(facts), ...(facts.failure === undefined ? [] : trace)].join('\n  ');
}
