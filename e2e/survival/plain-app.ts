// Owns what --plain runs on: the tutorial's server as a script, and a page with the demo's contract but nothing else.
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { repositoryDir } from '../harness/server.js';

const html = `<!doctype html><html lang="en"><title>Backhaul and a plain server</title><link rel="icon" href="data:,">
<input id="file-input" type="file"><p id="status-line"></p><script type="module" src="/page.js"></script></html>`;

/** Builds both below `dir`; the options for `startServer`. */
export async function makePlainApp(
  dir: string,
): Promise<{ readonly script: string; readonly env: Readonly<Record<string, string>> }> {
  const app = join(dir, 'app');
  const script = join(dir, 'plain-server.mjs');
  await mkdir(app, { recursive: true });
  const here = join(repositoryDir, 'e2e/survival');
  const shared = {
    bundle: true,
    format: 'esm',
    target: 'es2022',
    logLevel: 'warning',
    absWorkingDir: repositoryDir,
  } as const;
  await Promise.all([
    writeFile(join(app, 'index.html'), html),
    copyFile(join(repositoryDir, 'dist/worker.js'), join(app, 'worker.js')),
    build({ ...shared, entryPoints: [join(here, 'plain-page.ts')], outfile: join(app, 'page.js') }),
    build({ ...shared, platform: 'node', entryPoints: [join(here, 'plain-server.ts')], outfile: script }),
  ]);
  return { script, env: { APP_DIR: app } };
}
