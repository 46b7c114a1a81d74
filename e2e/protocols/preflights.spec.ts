// Every protocol in a page of another origin, in Chromium: it delivers, and its preflights are counted at the server. A
// browser remembers the answer to a preflight for one URL, query included. So what has one URL for all files costs nothing
// more for the second one, and what gives each file a URL of its own costs one a file, however many requests go there.
// S3 has the same in s3.spec.ts, since it needs Ceph.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Protocol } from '../../demo/server/backends.js';
import { startDemoServer } from '../../demo/server/demo-server.js';
import { expect, test } from '../harness/fixtures.js';
import { startLink } from '../harness/link.js';
import { deliverRandom, serveAppPage } from './app-page.js';

/** One file alone in a fresh browser, then several at once. 20 MB are more than one request in each protocol. */
const FIRST = [3_000_000];
const MORE = [0, 1000, 2_000_000, 20_000_000];

interface Subject {
  readonly protocol: Protocol;
  readonly adapter: (origin: string) => string;
  /** For the first file of all, then for each of `MORE`, whatever number of requests they take. */
  readonly first: readonly string[];
  readonly more: readonly string[];
}

const UPLOAD_URL = 'an upload of its own';

const subjects: readonly Subject[] = [
  {
    protocol: 'byte-offset',
    adapter: (origin) =>
      `byteOffset({ statusUrl: '${origin}/api/status', uploadUrl: '${origin}/api/upload', settleMs: 0 })`,
    first: ['/api/upload'],
    // Before a large file the server is asked.
    more: ['/api/status'],
  },
  {
    // A form without headers of its own is what every web page may send.
    protocol: 'chunks',
    adapter: (origin) => `chunks({
      chunk: { url: '${origin}/api/chunks' },
      ask: chunkList({ url: '${origin}/api/chunks' }),
      merge: { url: '${origin}/api/chunks/merge' },
    })`,
    first: [],
    more: [],
  },
  {
    // As `npm start` has it: what is small travels in the request that makes it, to the URL that all have in common.
    protocol: 'tus',
    adapter: (origin) => `tus({
      endpoint: '${origin}/api/tus',
      metadata: ({ id }) => ({ id }),
      uploadUrl: ({ id }) => '${origin}/api/tus/' + id,
    })`,
    first: ['/api/tus', UPLOAD_URL],
    more: [UPLOAD_URL, UPLOAD_URL],
  },
  {
    protocol: 'ietf',
    adapter: (origin) => `resumableUpload({ endpoint: '${origin}/api/resumable' })`,
    first: ['/api/resumable', UPLOAD_URL],
    more: [UPLOAD_URL, UPLOAD_URL, UPLOAD_URL, UPLOAD_URL],
  },
];

for (const { protocol, adapter, first, more } of subjects) {
  test(`${protocol} from a page of another origin`, async ({ launch, dataDir }) => {
    const app = await serveAppPage();
    const where = { host: '127.0.0.1', port: 0, appDir: join(dataDir, 'none'), dataDir };
    const server = await startDemoServer({ ...where, protocol, allowedOrigins: [app.origin] });
    const link = await startLink({ targetPort: server.port });
    try {
      await app.serveWorker(`import { byteOffset, chunkList, chunks, installBackhaul, resumableUpload, tus } from './sw/index.ts';
        installBackhaul({ endpoints: { photos: ${adapter(link.origin)} } });`);
      const { page: tab } = await launch();
      await tab.goto(app.origin);
      await tab.waitForFunction(() => window.backhaul !== undefined);

      const preflights = () =>
        link.requests
          .filter(({ method }) => method === 'OPTIONS')
          .map(({ path }) => (/^\/api\/(tus|resumable)\/./.test(path) ? UPLOAD_URL : path));
      const hashes = await deliverRandom(tab, FIRST);
      const forFirst = preflights();
      hashes.push(...(await deliverRandom(tab, MORE)));
      const forMore = preflights().slice(forFirst.length);

      const photos = (await (await fetch(`${link.origin}/api/photos`)).json()) as readonly { readonly key: string }[];
      const bodies = photos.map(async ({ key }) => (await fetch(`${link.origin}/api/photos/${key}`)).arrayBuffer());
      const held = (await Promise.all(bodies)).map((body) =>
        createHash('sha256').update(Buffer.from(body)).digest('hex'),
      );
      expect(held.toSorted()).toEqual(hashes.toSorted());

      const requests = link.requests.filter(
        ({ path, method }) => method !== 'OPTIONS' && !path.startsWith('/api/photos'),
      );
      console.log(
        `${protocol}: ${forFirst.length} preflights for the first file, ${forMore.length} for ${MORE.length} more; ` +
          `${requests.length} requests`,
      );
      expect(forFirst).toEqual(first);
      expect(forMore).toEqual(more);
      // Each URL was asked about once, though more requests went there than that.
      expect(requests.length).toBeGreaterThan(first.length + more.length);
    } finally {
      await link.close();
      await server.close();
      app.close();
    }
  });
}
