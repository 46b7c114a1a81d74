// The suite itself, for every adapter that needs no more than Node: the whole table, and some seeds. S3 has its cluster,
// and `npm run conformance` a thousand seeds.

import { describe, expect, test } from 'vitest';
import { printFailure, printTable } from './report.js';
import { runSeeds } from './seeds.js';
import { subjects } from './subjects/all.js';
import { runTable } from './table.js';

describe.each(subjects.map((subject) => [subject.name, subject] as const))('%s', (_name, subject) => {
  test('passes every cell of the table', { timeout: 120_000 }, async () => {
    const cells = await runTable(subject);
    const failures = cells.flatMap(({ row, failures }) => failures.map((failure) => ({ ...failure, row })));
    expect(failures.map((failure) => printFailure(failure, failure.row)).join('\n')).toBe('');
    // What is neither run nor excused would be green for nothing.
    for (const { row, outcome, runs, note } of cells) expect(outcome === 'n/a' ? note : runs, row).toBeTruthy();
    expect(printTable(cells)).toContain(subject.name);
  });

  test('delivers whatever chance does to it', { timeout: 120_000 }, async () => {
    const { failures } = await runSeeds(subject, { runs: 25 });
    expect(failures.map((failure) => printFailure(failure, `seed ${failure.seed}`)).join('\n')).toBe('');
  });
});
