// A file that the browser itself sends (Background Fetch), in a Chromium without a debugger, at the end of a real cable. The
// page is closed, the browser killed in the middle and started again on an empty page. What the server received judges.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { build } from 'esbuild';
import { layCable } from '../harness/cable.js';
import { makeFile, type SourceFile } from '../harness/files.js';
import { deliveries, fileIds, maxConcurrentWriters } from '../harness/ledger.js';
import { startLink } from '../harness/link.js';
import { openRawBrowser } from '../harness/raw-browser.js';
import { type ReferenceServer, repositoryDir, startServer } from '../harness/server.js';

export interface Scene {
  /** Temporary. */
  readonly dir: string;
  readonly sizeBytes: number;
  readonly pieceSize: number;
  readonly bitsPerSecond: number;
  readonly limitMs: number;
}

export interface Outcome {
  readonly deliveries: number;
  readonly hashEqual: boolean;
  /** What the page told of the hand-over: whether it worked, and where it stands. */
  readonly told: string;
  /** How much the server held when the browser was killed. */
  readonly heldAtKill: number;
  /** Body bytes on the wire beyond the size of the file: what was sent again, also of what nobody ever read. */
  readonly sentAgain: number;
  readonly requests: number;
  readonly writersAtOnce: number;
  readonly tabsAtEnd: readonly string[];
  readonly ms: number;
}

const TOLD = '/told/';
const html =
  '<!doctype html><html lang="en"><title>Backhaul</title><link rel="icon" href="data:,"><script type="module" src="/page.js"></script></html>';

/** Page, worker and the file itself. */
export async function makeSite(dir: string, sizeBytes: number): Promise<SourceFile> {
  await mkdir(dir, { recursive: true });
  const entryPoints = { page: 'e2e/background/page.ts', worker: 'e2e/pages/workers/background.ts' };
  const target = { bundle: true, format: 'esm', target: 'es2022', absWorkingDir: repositoryDir } as const;
  await Promise.all([writeFile(join(dir, 'index.html'), html), build({ ...target, entryPoints, outdir: dir })]);
  return makeFile(join(dir, 'source.bin'), sizeBytes, 'background');
}

async function bytesOnDisk(server: ReferenceServer): Promise<number> {
  let most = 0;
  // A look at the sizes alone: nothing is hashed.
  await server.heldFiles(({ sizeBytes }) => {
    most = Math.max(most, sizeBytes);
    return false;
  });
  return most;
}

/** Plays it once. */
export async function sendAndKill({ dir, sizeBytes, pieceSize, bitsPerSecond, limitMs }: Scene): Promise<Outcome> {
  const file = await makeSite(join(dir, 'site'), sizeBytes);
  const server = await startServer({ dataDir: join(dir, 'data'), env: { APP_DIR: join(dir, 'site') } });
  const cable = await layCable();
  const wire = await startLink({ targetPort: server.port, host: cable.address, uplinkBitsPerSecond: bitsPerSecond });
  const open = (url: string) =>
    openRawBrowser(url, {
      profileDir: join(dir, 'profile'),
      farEnd: cable.farEnd,
      args: [`--unsafely-treat-insecure-origin-as-secure=${wire.origin}`],
    });
  const giveUpAtMs = Date.now() + limitMs;
  const until = async (what: string, look: () => boolean | Promise<boolean>) => {
    while (!(await look())) {
      if (Date.now() > giveUpAtMs) throw new Error(`Not within ${limitMs} ms: ${what}; the page told ${told()}`);
      await delay(50);
    }
  };
  const held = () => server.heldFiles((found) => found.sizeBytes === sizeBytes);
  const told = () => wire.requests.find(({ path }) => path.startsWith(TOLD))?.path.slice(TOLD.length);
  let browser = await open(`${wire.origin}/?pieces=${pieceSize}`);
  try {
    const startedAtMs = Date.now();
    await until('a word of the page', () => told() !== undefined);
    const [app] = await browser.tabs();
    await browser.openTab('about:blank');
    await browser.closeTab(app?.id ?? '');
    // In a piece, not between two: the kill takes a moment, in which some of it still arrives.
    const requestBytes = pieceSize / 2;
    const killAtBytes = (Math.floor(sizeBytes / 2 / requestBytes) + 0.25) * requestBytes;
    await until('half of the file', async () => (await bytesOnDisk(server)) > killAtBytes);
    await browser.kill();
    const heldAtKill = await bytesOnDisk(server);
    browser = await open('about:blank');
    await until('the whole file', async () => (await held()).length > 0);
    const [whole] = await held();
    const [fileId = ''] = fileIds(server.ledger);
    const posts = wire.requests.filter(({ method }) => method === 'POST');
    return {
      deliveries: deliveries(server.ledger, fileId),
      hashEqual: whole?.sha256 === file.sha256,
      told: told() ?? '',
      heldAtKill,
      sentAgain: posts.reduce((sum, { bodyBytesForwarded }) => sum + bodyBytesForwarded, 0) - sizeBytes,
      requests: posts.length,
      writersAtOnce: maxConcurrentWriters(server.ledger, fileId),
      tabsAtEnd: (await browser.tabs()).map(({ url }) => url),
      ms: Date.now() - startedAtMs,
    };
  } finally {
    await browser.kill();
    await wire.close();
    await cable.remove();
    await server.kill();
  }
}
