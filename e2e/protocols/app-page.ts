// The smallest app: a page with Backhaul as `window.backhaul`, and a worker of the test's own, on an origin that has no
// upload API and sends no Content-Security-Policy, so that the worker may talk to others.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { build } from 'esbuild';
import type { Page } from 'playwright';
import type {
  Backhaul,
  knownConditions,
  onUnauthorized,
  policy,
  provideHeaders,
  relayConditions,
  sendNow,
  setPolicy,
} from '../../src/index.js';
import { repositoryDir } from '../harness/server.js';

declare global {
  interface Window {
    backhaul: Backhaul;
    onUnauthorized: typeof onUnauthorized;
    provideHeaders: typeof provideHeaders;
    relayConditions: typeof relayConditions;
    knownConditions: typeof knownConditions;
    policy: typeof policy;
    setPolicy: typeof setPolicy;
    sendNow: typeof sendNow;
  }
}

const page = `import { Backhaul, knownConditions, onUnauthorized, policy, provideHeaders, relayConditions, sendNow, setPolicy } from './src/index.ts';
Object.assign(window, { knownConditions, onUnauthorized, policy, provideHeaders, relayConditions, sendNow, setPolicy });
window.backhaul = await Backhaul.register('/worker.js');`;

export interface AppPage {
  readonly origin: string;
  /** Its worker, in TypeScript; imports are relative to the repository. Before the page is opened. */
  serveWorker(code: string): Promise<void>;
  close(): void;
}

/** `answers` is asked first, and returns whether it has answered. */
export async function serveAppPage(
  answers: (request: IncomingMessage, response: ServerResponse) => boolean = () => false,
): Promise<AppPage> {
  const scripts = new Map([['/page.js', await bundle(page)]]);
  const server = createServer((request, response) => {
    if (answers(request, response)) return;
    const script = scripts.get(request.url ?? '');
    const type = script === undefined ? 'text/html' : 'text/javascript';
    response.writeHead(200, { 'Content-Type': `${type}; charset=utf-8` });
    response.end(script ?? '<!doctype html><script type="module" src="/page.js"></script>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    serveWorker: async (code) => void scripts.set('/worker.js', await bundle(code)),
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Opens the app and waits until it has its worker. */
export async function openApp(tab: Page, { origin }: AppPage): Promise<void> {
  await tab.goto(origin);
  await tab.waitForFunction(() => window.backhaul !== undefined);
}

/** How many uploads this page shows in each state, a wait by its reason. */
export function shownCounts(tab: Page): Promise<Readonly<Record<string, number>>> {
  return tab.evaluate(() => {
    const counts: Record<string, number> = {};
    for (const upload of window.backhaul.getSnapshot().uploads) {
      const name = upload.status === 'waiting' ? upload.reason : upload.status;
      counts[name] = (counts[name] ?? 0) + 1;
    }
    return counts;
  });
}

/** Random files of these sizes, enqueued together; resolves with their SHA-256 once all are finished. */
export function deliverRandom(tab: Page, sizes: readonly number[]): Promise<string[]> {
  return tab.evaluate(async (wanted) => {
    const files = wanted.map((size) => {
      const bytes = new Uint8Array(size);
      for (let at = 0; at < size; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536));
      return new File([bytes], `文件 ${size}.jpg`, { type: 'image/jpeg' });
    });
    const digests = await Promise.all(
      files.map(async (file) => crypto.subtle.digest('SHA-256', await file.arrayBuffer())),
    );
    const uploads = await window.backhaul.enqueue(files, { endpoint: 'photos' });
    await Promise.all(uploads.map(({ finished }) => finished));
    return digests.map((digest) =>
      [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join(''),
    );
  }, sizes);
}

async function bundle(contents: string): Promise<string> {
  const stdin = { contents, resolveDir: repositoryDir, loader: 'ts' } as const;
  const { outputFiles } = await build({ stdin, bundle: true, write: false, format: 'esm', target: 'es2022' });
  return outputFiles[0]?.text ?? '';
}
