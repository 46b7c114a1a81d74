// npm run conformance -- [--protocol NAME] [--runs 1000] [--seed 1] [--row "answer lost"] [--no-table]
// The table for every subject, and seeded runs. Ends with 1 if anything is not as it must be.

import { parseArgs } from 'node:util';
import { printFailure, printSeeds, printTable } from './report.js';
import { runSeeds } from './seeds.js';
import { subjects } from './subjects/all.js';
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
const chosen = subjects.filter(({ name }) => values.protocol?.includes(name) ?? true);
const rows = values.row as RowName[] | undefined;
if (chosen.length === 0) throw new Error(`--protocol: one of ${subjects.map(({ name }) => name).join(', ')}`);
for (const row of rows ?? []) if (!rowNames.includes(row)) throw new Error(`--row: one of ${rowNames.join(', ')}`);

const cells: Cell[] = [];
if (!values['no-table']) {
  for (const subject of chosen) {
    const onCell = (cell: Cell) => {
      const command = `npm run conformance -- --protocol ${subject.name} --seed ${seed} --row '${cell.row}'`;
      for (const failure of cell.failures) fail(printFailure(failure, command));
    };
    cells.push(...(await runTable(subject, { seed, onCell, ...(rows && { rows }) })));
  }
  console.log(`${printTable(cells)}\n`);
}

for (const subject of runs > 0 ? chosen : []) {
  const onRun = (at: number, failure: Parameters<typeof printFailure>[0] | undefined) => {
    const command = `npm run conformance -- --protocol ${subject.name} --no-table --runs 1 --seed ${at}`;
    if (failure) fail(printFailure(failure, command));
  };
  const report = await runSeeds(subject, { runs, seed, onRun });
  if (report.missed.length > 0) process.exitCode = 1;
  console.log(printSeeds(report));
}

function fail(text: string): void {
  process.exitCode = 1;
  console.log(text);
}
