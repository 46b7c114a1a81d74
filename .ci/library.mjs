// What is published for workers: `backhaul/sw` and `backhaul/conformance`, in one build. Our own workers (worker.js, the
// demo's) and the size check take the library from here, as an app does, so that tests and figures are of what is published.
import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { build } from 'esbuild';
import { minify } from 'terser';

export const dependencies = ['idb', 'workbox-window'];
export const shared = { bundle: true, format: 'esm', target: 'es2022', logLevel: 'warning', sourcemap: false };

const entry = resolve('dist/sw.js');
const names = JSON.parse(readFileSync('.ci/internal-names.json', 'utf8'));

/** Its files by their absolute paths; nothing is written. */
export async function library() {
  const { outputFiles } = await build({
    ...shared,
    // Together: an adapter's ProtocolFailure must be the very class that the kit's engine knows.
    entryPoints: { sw: 'sw/index.ts', conformance: 'e2e/conformance/index.ts' },
    outdir: 'dist',
    splitting: true,
    chunkNames: 'shared/[hash]',
    external: [...dependencies, 'fake-indexeddb', 'node:*'],
    // An app's bundler cannot know that nobody else uses these (internal-names.mjs does).
    mangleProps: new RegExp(`^(?:${names.join('|')})$`),
    write: false,
  });
  return new Map(await Promise.all(outputFiles.map(async ({ path, text }) => [path, await shortened(text)])));
}

/** What an app's minifier may not do to code that it does not know. It stays readable; the rest is left to the app. */
async function shortened(text) {
  const { code } = await minify(text, {
    ecma: 2022,
    module: true,
    mangle: false,
    compress: { unsafe: true, unsafe_arrows: true, pure_getters: true },
    format: { beautify: true, preserve_annotations: true },
  });
  return `${code}\n`;
}

/** For esbuild: whoever imports the worker's sources gets `files`, the published library. */
export function published(files) {
  return {
    name: 'published',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /\/sw\/index\.[jt]s$|^\.\/index\.js$/ }, ({ path, resolveDir }) =>
        join(resolveDir, path).replace(/\.[jt]s$/, '') === resolve('sw/index')
          ? { path: entry, namespace: 'published' }
          : null,
      );
      onResolve({ filter: /^\./, namespace: 'published' }, ({ path, importer }) => ({
        path: join(dirname(importer), path),
        namespace: 'published',
      }));
      onLoad({ filter: /./, namespace: 'published' }, ({ path }) => ({ contents: files.get(path), resolveDir: '.' }));
    },
  };
}
