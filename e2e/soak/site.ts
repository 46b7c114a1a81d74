// Owns the folder that the soak's page is served from: page, worker and the file itself. What page and worker tell of
// themselves are requests under /soak/, which the link notes; nobody needs to answer them.
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { makeFile, type SourceFile } from '../harness/files.js';
import { repositoryDir } from '../harness/server.js';

/** Prefix of what is only told. */
export const TOLD = '/soak/';

const html =
  '<!doctype html><html lang="en"><title>Backhaul soak</title><link rel="icon" href="data:,"><script type="module" src="/page.js"></script></html>';
/** The published ready-made worker, which reads its configuration from its own address; see sw/worker.ts. */
const counted = `fetch('${TOLD}worker-started').catch(() => undefined);\nimportScripts('/backhaul-worker.js');\n`;

export async function makeSite(dir: string, sizeBytes: number): Promise<SourceFile> {
  await mkdir(dir, { recursive: true });
  await Promise.all([
    writeFile(join(dir, 'index.html'), html),
    writeFile(join(dir, 'worker.js'), counted),
    copyFile(join(repositoryDir, 'dist/worker.js'), join(dir, 'backhaul-worker.js')),
    build({
      bundle: true,
      format: 'esm',
      target: 'es2022',
      logLevel: 'warning',
      absWorkingDir: repositoryDir,
      entryPoints: [join(repositoryDir, 'e2e/soak/page.ts')],
      outfile: join(dir, 'page.js'),
    }),
  ]);
  return makeFile(join(dir, 'source.bin'), sizeBytes, 'soak');
}
