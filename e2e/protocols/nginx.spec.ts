// In Chromium, behind nginx as it comes (bodies of at most 1 MiB, buffered until they are whole): page, worker and server
// have its one origin, and a large file still arrives. Other protocols and settings: nginx.test.ts. Skipped, by name and
// reason, where nginx cannot be had.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createUploadServer } from '../../demo/server/upload-server.js';
import { expect, test } from '../harness/fixtures.js';
import { nginxOrReason } from '../harness/nginx.js';
import { deliverRandom, serveAppPage } from './app-page.js';

const MIB = 1_048_576;
const SIZE = 20_000_000;

test('20 MB arrive behind an nginx with nothing set', async ({ launch, dataDir }) => {
  // Installing takes seconds, unless another apt is at work.
  test.setTimeout(300_000);
  const uploads = createUploadServer({ dataDir });
  const app = await serveAppPage((request, response) => uploads.handle(request, response));
  const started = await nginxOrReason({ targetPort: Number(new URL(app.origin).port) });
  test.skip('reason' in started, 'reason' in started ? started.reason : '');
  if ('reason' in started) return;
  const { nginx } = started;
  try {
    await app.serveWorker(`import { byteOffset, installBackhaul } from './sw/index.ts';
      installBackhaul({ endpoints: { photos: byteOffset({ statusUrl: '/api/status', uploadUrl: '/api/upload', settleMs: 0 }) } });`);
    const { page: tab } = await launch();
    await tab.goto(nginx.origin);
    await tab.waitForFunction(() => window.backhaul !== undefined);
    const hashes = await deliverRandom(tab, [SIZE]);
    const held = (await uploads.finished()).map(async ({ path }) => sha256(await readFile(path)));
    expect(await Promise.all(held)).toEqual(hashes);

    const sent = (await nginx.requests()).filter(({ method }) => method === 'POST');
    const tooLarge = sent.filter(({ status }) => status === 413);
    // nginx did refuse, and what it refused never reached the server: each byte came once.
    expect(tooLarge.length).toBeGreaterThan(0);
    expect(tooLarge.every(({ bodyBytes, passedOn }) => bodyBytes > MIB && !passedOn)).toBe(true);
    const received = sent.filter(({ passedOn }) => passedOn).reduce((sum, { bodyBytes }) => sum + bodyBytes, 0);
    console.log(`${tooLarge.length} refused, ${sent.length - tooLarge.length} taken; ${received} bytes for ${SIZE}`);
    expect(received).toBe(SIZE);
  } finally {
    await nginx.stop();
    app.close();
    await uploads.close();
  }
});

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
