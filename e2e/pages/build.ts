// Bundles the test page and its workers into a folder that the reference server can serve as its app.
import { copyFile, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type BuildOptions, build, type Plugin } from 'esbuild';
import { repositoryDir } from '../harness/server.js';

const here = join(repositoryDir, 'e2e/pages');
const shared = { bundle: true, target: 'es2022', logLevel: 'warning', absWorkingDir: repositoryDir } as const;

/** `index.html`, `page.js`, `host.js`, and `worker.js`, which replaces an older one at once. */
export async function buildPages(outDir: string): Promise<void> {
  await mkdir(outDir, { recursive: true });
  await Promise.all([
    copyFile(join(here, 'index.html'), join(outDir, 'index.html')),
    build({ ...pageOptions, outfile: join(outDir, 'page.js') }),
    build({ ...pageOptions, entryPoints: [join(here, 'host.ts')], outfile: join(outDir, 'host.js') }),
    writeWorker(join(outDir, 'worker.js'), { version: '1', takeOver: true }),
  ]);
}

const pageOptions = { ...shared, format: 'esm', entryPoints: [join(here, 'page.ts')] } satisfies BuildOptions;

/** The script of a page that speaks another version of the wire. */
export function pageScript(wire: number): Promise<string> {
  return textOf({ ...pageOptions, plugins: [speaking(wire)] });
}

export interface WorkerVersion {
  readonly version: string;
  readonly takeOver: boolean;
  /** Default `byte-offset`. */
  readonly protocol?: LabProtocol;
  /** Default: that of the sources. */
  readonly wire?: number;
}

export type LabProtocol = 'byte-offset' | 'chunks' | 'tus' | 's3';

/** The script of one version of the test worker. */
export function workerScript(version: WorkerVersion): Promise<string> {
  return textOf(workerOptions(version));
}

async function textOf(options: BuildOptions): Promise<string> {
  const { outputFiles } = await build({ ...options, write: false });
  const [script] = outputFiles;
  if (script === undefined) throw new Error('esbuild wrote no script.');
  return script.text;
}

function speaking(wire: number): Plugin {
  return {
    name: 'another wire version',
    setup({ onLoad }) {
      onLoad({ filter: /src\/contracts\/messages\.ts$/ }, async ({ path }) => {
        const source = await readFile(path, 'utf8');
        const contents = source.replace(/(WIRE_VERSION =) \d+/, `$1 ${wire}`);
        if (contents === source) throw new Error(`${path} has no other WIRE_VERSION to replace.`);
        return { contents, loader: 'ts' };
      });
    },
  };
}

/** At `outfile`: a worker's scope, and so its database, is the folder that it is in. */
export async function writeWorker(outfile: string, version: WorkerVersion): Promise<void> {
  await build({ ...workerOptions(version), outfile });
}

/** The worker that only stores. */
export async function writeBareWorker(outfile: string): Promise<void> {
  await build({ ...shared, format: 'iife', entryPoints: [join(here, 'workers/bare-store.ts')], outfile });
}

function workerOptions({ version, takeOver, protocol = 'byte-offset', wire }: WorkerVersion) {
  return {
    ...shared,
    format: 'iife',
    entryPoints: [join(here, 'workers/worker.ts')],
    plugins: wire === undefined ? [] : [speaking(wire)],
    define: {
      VERSION: JSON.stringify(version),
      TAKE_OVER: String(takeOver),
      PROTOCOL: JSON.stringify(protocol),
    },
  } satisfies BuildOptions;
}
