// What a page imports must load where there is no page: frameworks that render on a server import it there, too.
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { expect, test } from 'vitest';

test('loads in Node itself, as it is published', async () => {
  // Inside the project, so that Node finds the dependencies.
  const folder = await mkdtemp('node_modules/.backhaul-index-');
  try {
    await build({
      entryPoints: ['src/index.ts'],
      outfile: join(folder, 'index.mjs'),
      bundle: true,
      packages: 'external',
      format: 'esm',
    });
    await writeFile(join(folder, 'app.mjs'), `console.log(Object.keys(await import('./index.mjs')).join());`);
    const { stdout } = await promisify(execFile)(process.execPath, [join(folder, 'app.mjs')]);
    expect(stdout.trim().split(',')).toContain('Backhaul');
  } finally {
    await rm(folder, { recursive: true });
  }
});
