// A fault that can no longer be planted proves nothing. Whether each is caught is for `npm run mutate` to say.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { repositoryDir } from '../harness/server.js';
import { faults } from './faults.js';

test.each(faults)('$file has one place for: $what', ({ file, find, replace }) => {
  const source = readFileSync(join(repositoryDir, file), 'utf8');
  expect(source.split(find)).toHaveLength(2);
  expect(replace).not.toBe(find);
});
