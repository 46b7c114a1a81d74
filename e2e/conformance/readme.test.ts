// The page about the kit is true: its code compiles against the sources.

import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');

test('every block of TypeScript compiles', { timeout: 60_000 }, () => {
  const folder = join(root, 'node_modules/.cache/backhaul-conformance-readme');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const page = readFileSync(join(import.meta.dirname, 'README.md'), 'utf8');
  const blocks = [...page.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code ?? '');
  expect(blocks.length).toBeGreaterThan(2);
  for (const [index, code] of blocks.entries()) writeFileSync(join(folder, `${index}.ts`), code);
  const config = {
    extends: join(root, 'tsconfig.base.json'),
    compilerOptions: {
      noEmit: true,
      lib: ['ESNext', 'WebWorker'],
      types: ['node'],
      typeRoots: [join(root, 'node_modules/@types')],
      paths: {
        'backhaul/conformance': [join(root, 'e2e/conformance/index.ts')],
        'backhaul/sw': [join(root, 'sw/index.ts')],
      },
    },
    include: ['*.ts'],
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
  const { stdout, status } = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', folder], { encoding: 'utf8' });
  expect(stdout).toBe('');
  expect(status).toBe(0);
});
