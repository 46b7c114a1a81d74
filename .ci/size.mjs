// Prints what an app's users download, minified and compressed with brotli, and fails above the budget.
import { brotliCompressSync } from 'node:zlib';
import { build } from 'esbuild';

const parts = [
  { name: 'page: Backhaul, with workbox-window', code: `export { Backhaul } from './src/index.ts'`, budgetBytes: 6000 },
  {
    name: 'worker: installBackhaul and byteOffset, with idb',
    code: `import { byteOffset, installBackhaul } from './sw/index.ts';
           installBackhaul({ endpoints: { photos: byteOffset({ statusUrl: '/status', uploadUrl: '/upload' }) } })`,
    budgetBytes: 12_000,
  },
];

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
  if (bytes > budgetBytes) process.exitCode = 1;
}
