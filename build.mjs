// Builds everything that is run or published: the library's four entries, and the demo with its server.
// Types come from `tsc --build`; this file knows only of bundles.
import { createHash } from 'node:crypto';
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { build } from 'esbuild';
import { dependencies, library, published, shared } from './.ci/library.mjs';
import { smallest } from './.ci/smallest.mjs';

await Promise.all(
  ['dist/index.js', 'dist/sw.js', 'dist/shared', 'dist/conformance.js', 'dist/worker.js', 'dist/demo'].map((path) =>
    rm(path, { recursive: true, force: true }),
  ),
);
await mkdir('dist/demo/app', { recursive: true });

// The demo's worker caches the app's shell under this name: the same files, the same name.
const define = { BUILD_ID: JSON.stringify(await hashOf('demo', 'src', 'sw', 'package-lock.json')) };

/** The demo's worker, and what stands in for it, once for each: the server gives out those that it speaks. */
const protocols = ['byte-offset', 'chunks', 'tus', 'ietf', 's3'];

const files = await library();
const plugins = [published(files)];

await Promise.all([
  write([...files].map(([path, code]) => ({ path, code }))),
  build({ ...shared, entryPoints: { index: 'src/index.ts' }, outdir: 'dist', external: dependencies }),
  // A classic script: `register('/worker.js')` works with and without `type: 'module'`.
  write(smallest({ ...shared, entryPoints: ['sw/worker.ts'], outfile: 'dist/worker.js', format: 'iife', plugins })),
  write(smallest({ ...shared, entryPoints: ['demo/app/main.ts'], outfile: 'dist/demo/app/main.js', define })),
  ...protocols.flatMap((protocol) => {
    const demo = { ...shared, define, plugins, alias: { photos: `./demo/sw/${protocol}.ts` } };
    return [
      write(
        smallest({
          ...demo,
          entryPoints: ['demo/sw/worker.ts'],
          outfile: `dist/demo/app/sw-${protocol}.js`,
          format: 'iife',
        }),
      ),
      write(
        smallest({ ...demo, entryPoints: ['demo/sw/in-page.ts'], outfile: `dist/demo/app/in-page-${protocol}.js` }),
      ),
    ];
  }),
  build({
    ...shared,
    entryPoints: { server: 'demo/server/main.ts' },
    outdir: 'dist/demo',
    chunkNames: 'server-[hash]',
    splitting: true,
    platform: 'node',
    packages: 'external',
  }),
  cp('demo/app/public', 'dist/demo/app', { recursive: true }),
]);

async function write(bundles) {
  await Promise.all(
    (await bundles).map(async ({ path, code }) => {
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, code);
    }),
  );
}

async function hashOf(...roots) {
  const hash = createHash('sha256');
  for (const root of roots) {
    const entries = root.includes('.') ? [] : await readdir(root, { recursive: true, withFileTypes: true });
    const files = root.includes('.')
      ? [root]
      : entries.filter((entry) => entry.isFile()).map((entry) => `${entry.parentPath}/${entry.name}`);
    for (const file of files.sort()) hash.update(file).update(await readFile(file));
  }
  return hash.digest('hex').slice(0, 12);
}
