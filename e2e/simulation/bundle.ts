// Builds the simulator into one script in which the product's and the servers' platform is replaced: node:fs by a disk in
// memory, node:crypto's chance and fake-indexeddb's scheduling by the world's. The state machine is built with a witness
// of every event that it was given; nothing else of the product is touched.

import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Path of the script. */
export async function bundleSimulation(): Promise<string> {
  const outfile = here(`../../node_modules/.cache/backhaul-simulation/batch-${process.pid}.mjs`);
  await build({
    entryPoints: [here('batch.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    sourcemap: 'inline',
    logLevel: 'error',
    plugins: [seams],
  });
  return outfile;
}

const seams: Plugin = {
  name: 'seams',
  setup({ onResolve, onLoad }) {
    const isServer = ({ importer }: { importer: string }) => importer.includes('/demo/server/');
    onResolve({ filter: /^node:fs(\/promises)?$/ }, (args) =>
      isServer(args) ? { path: here('servers/node-fs.ts') } : undefined,
    );
    onResolve({ filter: /^node:crypto$/ }, (args) =>
      isServer(args) ? { path: here('servers/node-crypto.ts') } : undefined,
    );
    onResolve({ filter: /\/scheduling\.js$/ }, ({ importer }) =>
      importer.includes('fake-indexeddb') ? { path: here('platform/scheduling.ts') } : undefined,
    );
    // What it hears of itself is the browser's part, and outlives any agent.
    onLoad({ filter: /fake-indexeddb\/build\/esm\/(FDBTransaction|lib\/Database)\.js$/ }, async ({ path }) => ({
      contents: (await readFile(path, 'utf8')).replaceAll('.addEventListener(', '.listenInside('),
    }));
    onLoad({ filter: /\/sw\/core\/machine\.ts$/ }, async ({ path }) => {
      const source = await readFile(path, 'utf8');
      const renamed = source.replace('export function transition(', 'function decided(');
      if (renamed === source) throw new Error('sw/core/machine.ts has no transition().');
      return { contents: renamed + WITNESS, loader: 'ts' };
    });
  },
};

const WITNESS = `
export function transition(course: Course, event: CourseEvent): Course | undefined {
  const next = decided(course, event);
  (globalThis as any).onTransition?.(course.state.status, event.type, next !== undefined);
  return next;
}
(globalThis as any).machineRules = Object.fromEntries(Object.entries(rules).map(([type, [from]]) => [type, from]));
`;
