// Bundles the test page and its workers into a folder that the reference server can serve as its app.
import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type BuildOptions, build } from 'esbuild';
import { repositoryDir } from '../harness/server.js';

const here = join(repositoryDir, 'e2e/pages');
const shared = { bundle: true, target: 'es2022', logLevel: 'warning', absWorkingDir: repositoryDir } as const;

/** `index.html`, `page.js`, and `worker.js`, which replaces an older one at once. */
export async function buildPages(outDir: string): Promise<void> {
  await mkdir(outDir, { recursive: true });
  await Promise.all([
    copyFile(join(here, 'index.html'), join(outDir, 'index.html')),
    build({ ...shared, format: 'esm', entryPoints: [join(here, 'page.ts')], outfile: join(outDir, 'page.js') }),
    writeWorker(join(outDir, 'worker.js'), { version: '1', takeOver: true }),
  ]);
}

export interface WorkerVersion {
  readonly version: string;
  readonly takeOver: boolean;
  /** Default `byte-offset`. */
  readonly protocol?: LabProtocol;
}

export type LabProtocol = 'byte-offset' | 'chunks' | 'tus';

/** The script of one version of the test worker. */
export async function workerScript(version: WorkerVersion): Promise<string> {
  const { outputFiles } = await build({ ...workerOptions(version), write: false });
  const [script] = outputFiles;
  if (script === undefined) throw new Error('esbuild wrote no worker.');
  return script.text;
}

/** At `outfile`: a worker's scope, and so its database, is the folder that it is in. */
export async function writeWorker(outfile: string, version: WorkerVersion): Promise<void> {
  await build({ ...workerOptions(version), outfile });
}

/** The worker that only stores. */
export async function writeBareWorker(outfile: string): Promise<void> {
  await build({ ...shared, format: 'iife', entryPoints: [join(here, 'workers/bare-store.ts')], outfile });
}

function workerOptions({ version, takeOver, protocol = 'byte-offset' }: WorkerVersion) {
  return {
    ...shared,
    format: 'iife',
    entryPoints: [join(here, 'workers/worker.ts')],
    define: {
      VERSION: JSON.stringify(version),
      TAKE_OVER: String(takeOver),
      PROTOCOL: JSON.stringify(protocol),
    },
  } satisfies BuildOptions;
}
