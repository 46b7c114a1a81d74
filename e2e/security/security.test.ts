// SECURITY.md is true as far as it can be checked: every "cannot" names a test that there is.

import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const items = readFileSync(join(root, 'SECURITY.md'), 'utf8')
  .split('\n')
  .filter((line) => /^\s*[-*] /.test(line));

test('SECURITY.md has no "cannot" without a test', () => {
  expect(items.length).toBeGreaterThan(20);
  for (const item of items) expect(item).toMatch(/^- cannot .+ — ".+", `[\w./-]+\.(test|spec)\.ts`$/);
});

test.each(items)('there is a test for: %s', (item) => {
  const [, name = '', file = ''] = /— "(.+)", `(.+)`$/.exec(item) ?? [];
  const source = readFileSync(join(root, file), 'utf8');
  // As a name in quotes right behind the opening bracket of a test, or of a table's.
  const called = source.split(`'${name}'`)[0] ?? source;
  expect(source.includes(`'${name}'`), `${file} has no test '${name}'`).toBe(true);
  expect(called).toMatch(/\(\s*$/);
  expect(called).not.toMatch(/\.(skip|todo)\([^()]*$/);
});
