// The README is true: its code compiles against the sources, and its table of codes is the closed list.

import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { errorCodes } from '../src/index.js';

const root = resolve(import.meta.dirname, '..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');

test('every error code has its row, and there is no row without a code', () => {
  const table = /<!-- codes:begin -->(.*)<!-- codes:end -->/s.exec(readme)?.[1] ?? '';
  const rows = [...table.matchAll(/^\| `([^`]+)` *\|/gm)].map(([, code]) => code);
  expect(rows).toEqual([...errorCodes]);
});

test('every block of JSON is JSON', () => {
  const blocks = [...readme.matchAll(/```json\n(.*?)```/gs)].map(([, text]) => text ?? '');
  expect(blocks.length).toBeGreaterThan(0);
  for (const block of blocks) expect(JSON.parse(block)).toBeTypeOf('object');
});

test('every block of TypeScript compiles', { timeout: 60_000 }, () => {
  const folder = join(root, 'node_modules/.cache/backhaul-readme');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const blocks = [...readme.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code ?? '');
  expect(blocks.length).toBeGreaterThan(3);
  for (const [index, code] of blocks.entries()) {
    const worker = code.includes('backhaul/sw');
    const given = worker
      ? 'declare function freshToken(): Promise<string>;'
      : 'declare const file: File; declare const files: File[];';
    writeFileSync(join(folder, `${worker ? 'worker' : 'page'}-${index}.ts`), `${given}\n${code}\nexport {};\n`);
  }
  // A block for the page imports the module of another block, which is compiled as a worker's.
  const host = `export declare const host: (scope: string) => import('backhaul').Host;\n`;
  writeFileSync(join(folder, 'uploads-in-page.d.ts'), host);
  for (const [kind, lib] of [
    ['page', ['ES2023', 'DOM', 'DOM.Iterable']],
    ['worker', ['ES2023', 'WebWorker']],
  ] as const) {
    const config = {
      extends: join(root, 'tsconfig.base.json'),
      compilerOptions: {
        noEmit: true,
        lib,
        paths: { backhaul: [join(root, 'src/index.ts')], 'backhaul/sw': [join(root, 'sw/index.ts')] },
      },
      include: [`${kind}-*.ts`, join(root, 'src/workbox-window.d.ts')],
    };
    writeFileSync(join(folder, `tsconfig.${kind}.json`), JSON.stringify(config));
    const { stdout, status } = spawnSync(
      join(root, 'node_modules/.bin/tsc'),
      ['-p', join(folder, `tsconfig.${kind}.json`)],
      { encoding: 'utf8' },
    );
    expect(stdout).toBe('');
    expect(status).toBe(0);
  }
});
