// What the README says of each engine is what a run has seen there, row by row.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { repositoryDir } from '../harness/server.js';
import { differences } from './differences.js';
import { engineNames } from './engine.js';
import { offers } from './offers.js';
import { cellOf, merged, rowsIn, withRows } from './table.js';

const readme = readFileSync(join(repositoryDir, 'README.md'), 'utf8');
const empty = 'before\n<!-- engines:begin -->\n<!-- engines:end -->\nafter';

test('a table is read as it was written', () => {
  const rows = new Map([
    ['reload', { chromium: 'yes', firefox: 'yes', webkit: 'no: it has none' }],
    ['worker stopped', { chromium: 'yes', firefox: 'not tested: no means', webkit: '' }],
  ]);
  const written = withRows(empty, rows);
  expect(written).toMatch(/^before\n.*\| reload \| yes \| yes \| no: it has none \|\n.*\nafter$/s);
  expect(rowsIn(written)).toEqual(rows);
  expect(withRows(written, rowsIn(written))).toBe(written);
});

test('a run that saw only a part changes only that part', () => {
  const known = rowsIn(withRows(empty, new Map([['a', { chromium: 'yes', firefox: 'yes', webkit: 'yes' }]])));
  const seen = new Map([
    ['a', { firefox: 'no: gone' }],
    ['b', { firefox: 'yes' }],
  ]);
  expect([...merged(known, seen)]).toEqual([
    ['a', { chromium: 'yes', firefox: 'no: gone', webkit: 'yes' }],
    ['b', { firefox: 'yes' }],
  ]);
});

const other = { engine: 'webkit', test: 'a', reason: 'so' } as const;
test.each([
  ['passed', undefined, 'yes'],
  ['passed', { ...other, kind: 'but' }, 'yes, but so'],
  ['skipped', { ...other, kind: 'untested' }, 'not tested: so'],
  // The run was broken off, or the test failed.
  ['skipped', undefined, undefined],
  ['skipped', { ...other, kind: 'but' }, undefined],
  ['failed', undefined, undefined],
  ['timedOut', { ...other, kind: 'but' }, undefined],
  ['passed', { ...other, kind: 'untested' }, undefined],
] as const)('a test that %s with the difference %j says %s', (status, difference, cell) => {
  expect(cellOf(status, difference)).toBe(cell);
});

test('a README without a place for the table is refused', () => {
  expect(() => withRows('nothing', new Map())).toThrow('no place');
});

test('the README has a row for each spec of every engine and each offer, none beside, and no empty cell', {
  timeout: 60_000,
}, () => {
  const cli = join(repositoryDir, 'node_modules/playwright/cli.js');
  const args = [cli, 'test', '--list', '--project=webkit', '--reporter=json'];
  const { stdout } = spawnSync(process.execPath, args, { cwd: repositoryDir, encoding: 'utf8' });
  const titles = titlesIn(JSON.parse(stdout) as Suite);
  expect(titles.length).toBeGreaterThan(10);
  const rows = rowsIn(readme);
  expect([...rows.keys()].toSorted()).toEqual([...titles, ...offers.map(({ what }) => what)].toSorted());
  for (const cells of rows.values()) {
    for (const engine of engineNames) expect(cells[engine]).toMatch(/^(yes|yes, but .+|no: .+|not tested: .+)$/);
  }
  // A difference of a test that nobody has is none.
  for (const difference of differences) expect(titles).toContain(difference.test);
});

interface Suite {
  readonly suites?: readonly Suite[];
  readonly specs?: readonly { readonly title: string }[];
}

function titlesIn({ suites = [], specs = [] }: Suite): string[] {
  return [...specs.map(({ title }) => title), ...suites.flatMap(titlesIn)];
}
