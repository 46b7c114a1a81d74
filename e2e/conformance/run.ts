// npm run conformance -- [--protocol NAME] [--runs 1000] [--seed 1] [--row "answer lost"] [--no-table]
// The table for every subject, and seeded runs. Ends with 1 if anything is not as it must be.

import { parseArgs } from 'node:util';
import { printFailure, printSeeds, printTable } from './report.js';
import { runSeeds, type SeedOptions } from './seeds.js';
import type { Subject } from './subject.js';
import { subjectNamed, subjectNames } from './subjects/all.js';
import { type Cell, type RowName, rowNames, runTable } from './table.js';

const { values } = parseArgs({
  options: {
    protocol: { type: 'string', multiple: true },
    runs: { type: 'string', default: '100' },
    seed: { type: 'string', default: '1' },
    row: { type: 'string', multiple: true },
    'no-table': { type: 'boolean', default: false },
  },
});

const seed = Number(values.seed);
const runs = values.row ? 0 : Number(values.runs);
const rows = values.row as RowName[] | undefined;
for (const row of rows ?? []) if (!rowNames.includes(row)) throw new Error(`--row: one of ${rowNames.join(', ')}`);

const cells: Cell[] = [];
const reports: string[] = [];
for (const name of values.protocol ?? subjectNames) {
  const found = await subjectNamed(name);
  if ('reason' in found) {
    // Never in silence; and what was asked for by name must be there.
    reports.push(`${name}: SKIPPED, ${found.reason}`);
    if (values.protocol) process.exitCode = 1;
    continue;
  }
  try {
    await check(found.subject);
  } finally {
    await found.stop();
  }
}
if (cells.length > 0) console.log(`${printTable(cells)}\n`);
console.log(reports.join('\n'));

async function check(subject: Subject): Promise<void> {
  const again = `npm run conformance -- --protocol ${subject.name}`;
  if (!values['no-table']) {
    const onCell = (cell: Cell) => {
      process.stderr.write(`${subject.name}, ${cell.row}: ${cell.outcome}\n`);
      for (const failure of cell.failures) fail(printFailure(failure, `${again} --seed ${seed} --row '${cell.row}'`));
    };
    cells.push(...(await runTable(subject, { seed, onCell, ...(rows && { rows }) })));
  }
  if (runs === 0) return;
  const onRun: SeedOptions['onRun'] = (at, failure) => {
    if (failure) fail(printFailure(failure, `${again} --no-table --runs 1 --seed ${at}`));
  };
  const report = await runSeeds(subject, { runs, seed, onRun });
  if (report.missed.length > 0) process.exitCode = 1;
  reports.push(printSeeds(report));
}

function fail(text: string): void {
  process.exitCode = 1;
  console.log(text);
}
