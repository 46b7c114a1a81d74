// What the benches share: a server with the test page, one browser, temporary folders, and the words of their tables.
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type OpenBrowser, openBrowser } from '../harness/browser.js';
import { type ReferenceServer, repositoryDir, startServer } from '../harness/server.js';
import { buildPages } from '../pages/build.js';

export interface Bench {
  /** Temporary; removed at the end. */
  readonly dir: string;
  readonly appDir: string;
  readonly server: ReferenceServer;
  readonly origin: string;
  readonly browser: OpenBrowser;
}

/** Runs `measure` between start and end of everything; `prepare` may add to the app before the server reads its folder. */
export async function bench(
  measure: (bench: Bench) => Promise<void>,
  prepare: (appDir: string) => Promise<void> = async () => {},
): Promise<void> {
  const root = join(repositoryDir, 'node_modules/.cache/backhaul-e2e');
  await mkdir(root, { recursive: true });
  const dir = await mkdtemp(join(root, 'bench-'));
  const appDir = join(dir, 'app');
  let server: ReferenceServer | undefined;
  let browser: OpenBrowser | undefined;
  try {
    await buildPages(appDir);
    await prepare(appDir);
    server = await startServer({ dataDir: join(dir, 'data'), env: { APP_DIR: appDir, LOG: '' } });
    browser = await openBrowser({ profileDir: join(dir, 'profile') });
    await measure({ dir, appDir, server, origin: `http://127.0.0.1:${server.port}`, browser });
  } finally {
    await browser?.close();
    await server?.kill();
    await rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low = 0, high = low] = sorted.length % 2 === 1 ? [sorted[middle]] : [sorted[middle - 1], sorted[middle]];
  return (low + high) / 2;
}

/** Columns as wide as their widest cell. */
export function printTable(rows: readonly (readonly (string | number)[])[]): void {
  const cells = rows.map((row) => row.map((cell) => (typeof cell === 'number' ? cell.toFixed(0) : cell)));
  const widths = (cells[0] ?? []).map((_, column) => Math.max(...cells.map((row) => (row[column] ?? '').length)));
  for (const row of cells) console.log(row.map((cell, column) => cell.padStart(widths[column] ?? 0)).join('  '));
}
