// Background Fetch in a real Chromium: what the browser sends by itself outlives the page and the browser, and goes nowhere
// else. e2e/background/run.ts does the same with 500 MB.
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import sirv from 'sirv';
import { makeSite, sendAndKill } from './background/scene.js';
import { whyNoCable } from './harness/cable.js';
import { expect, test } from './harness/fixtures.js';

const missing = await whyNoCable();
const PIECE = 12 * 2 ** 20;

test('handed over to the browser, page closed, browser killed in the middle and started again on an empty page: delivered', async ({
  dataDir,
}) => {
  test.skip(missing !== undefined, missing);
  const outcome = await sendAndKill({
    dir: dataDir,
    sizeBytes: 40_000_000,
    pieceSize: PIECE,
    bitsPerSecond: 40_000_000,
    limitMs: 100_000,
  });
  console.log(JSON.stringify(outcome));
  expect(outcome).toMatchObject({
    deliveries: 1,
    hashEqual: true,
    told: 'handed-over/browser',
    writersAtOnce: 1,
    tabsAtEnd: ['about:blank'],
  });
  expect(outcome.heldAtKill).toBeLessThan(40_000_000);
  expect(outcome.sentAgain).toBeLessThanOrEqual(PIECE);
});

test('a redirect of what the browser sends by itself is not followed: another origin gets neither token nor bytes', async ({
  dataDir,
  launch,
}) => {
  await makeSite(dataDir, 2_000_000);
  const strangers: string[] = [];
  // It would take everything.
  const stranger = await listen((request) => {
    strangers.push(`${request.method} ${request.url}`);
    const { origin = '*' } = request.headers;
    const allowed = 'authorization, x-file-id, x-start-byte, x-file-size, x-piece';
    return { status: 200, headers: { 'access-control-allow-origin': origin, 'access-control-allow-headers': allowed } };
  });
  let pieces = 0;
  const serve = sirv(dataDir);
  const app = await listen((request) => {
    if (request.url === '/api/status') return { status: 200, text: '0' };
    if (request.url !== '/api/upload') return undefined;
    if (request.headers['x-piece']) pieces += 1;
    return { status: 307, headers: { location: `${stranger.origin}/api/upload` } };
  }, serve);
  const { page } = await launch();
  await page.goto(`${app.origin}/?pieces=1000000`);
  // Chromium sends them again whenever a network comes or goes on this machine.
  await expect.poll(() => pieces, { timeout: 60_000 }).toBeGreaterThanOrEqual(2);
  // Then the loop's turn comes, which follows no redirect either.
  await expect.poll(() => page.title(), { timeout: 60_000 }).toBe('waiting: unexpected-answer');
  expect(strangers).toEqual([]);
  await app.close();
  await stranger.close();
});

interface Said {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly text?: string;
}

/** `answer` of undefined: `otherwise` answers. */
async function listen(answer: (request: IncomingMessage) => Said | undefined, otherwise?: ReturnType<typeof sirv>) {
  const server: Server = createServer((request, response) => {
    const said = answer(request);
    if (said === undefined) return otherwise?.(request, response);
    const { status, headers, text } = said;
    request.resume().on('end', () => response.writeHead(status, headers).end(text));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://localhost:${(server.address() as AddressInfo).port}`,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
