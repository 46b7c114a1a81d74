// What people read: the table, the seeded runs, and how to have a failure again.

import type { SeedReport } from './seeds.js';
import type { Cell } from './table.js';

/** Protocols across, rows down; what is not plain green has a footnote. */
export function printTable(cells: readonly Cell[]): string {
  const subjects = [...new Set(cells.map(({ subject }) => subject))];
  const rows = [...new Set(cells.map(({ row }) => row))];
  const notes: string[] = [];
  const textOf = (cell: Cell | undefined) => {
    if (cell === undefined) return '';
    const said =
      cell.outcome === 'ok'
        ? `ok ${cell.runs}`
        : cell.outcome === 'failed'
          ? `FAILED ${cell.failures.length}/${cell.runs}`
          : 'n/a';
    if (cell.note === undefined) return said;
    if (!notes.includes(cell.note)) notes.push(cell.note);
    return `${said} [${notes.indexOf(cell.note) + 1}]`;
  };
  const lines = rows.map((row) => [
    row,
    ...subjects.map((subject) => textOf(cells.find((cell) => cell.subject === subject && cell.row === row))),
  ]);
  const grid = [['', ...subjects], ...lines];
  const widths = grid[0]?.map((_, column) => Math.max(...grid.map((line) => line[column]?.length ?? 0))) ?? [];
  const text = grid.map((line) =>
    line
      .map((each, column) => each.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return [...text, '', ...notes.map((note, index) => `[${index + 1}] ${note}`)].join('\n').trimEnd();
}

export function printSeeds({
  subject,
  runs,
  seed,
  struck,
  requests,
  repeated,
  failures,
  missed,
  tookMs,
}: SeedReport): string {
  const faults = [...struck].sort((a, b) => b[1] - a[1]).map(([name, count]) => `${name} ${count}`);
  const verdict = failures.length > 0 || missed.length > 0 ? 'FAILED' : 'ok';
  return [
    `${subject}: ${verdict}, ${runs - failures.length} of ${runs} runs from seed ${seed}, ${requests} requests, ${(tookMs / 1000).toFixed(1)} s`,
    `  ${faults.join(', ')}`,
    ...(repeated > 0 ? [`  in ${repeated} runs a finished file was sent again (see its note)`] : []),
    ...(missed.length > 0 ? [`  never struck: ${missed.join(', ')}`] : []),
  ].join('\n');
}

/** Everything about one run that failed. */
export function printFailure(
  failure: { what: string; wrong: readonly string[]; trace: string },
  command: string,
): string {
  return [
    `${failure.what}`,
    ...failure.wrong.map((each) => `  - ${each}`),
    failure.trace,
    `again: ${command}`,
    '',
  ].join('\n');
}
