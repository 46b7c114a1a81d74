// Behind nginx as it comes (bodies of at most 1 MiB, buffered until they are whole) every protocol delivers by smaller
// requests, which it learns from the 413 or the reset. Judged by what the server got; S3's bytes go past any proxy.
// Skipped, by name and reason, where nginx cannot be had.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { Protocol } from '../../demo/server/backends.js';
import { startDemoServer } from '../../demo/server/demo-server.js';
import { type Adapter, byteOffset, chunkList, chunks, resumableUpload, tus } from '../../sw/index.js';
import { Life } from '../engine/life.js';
import { itemOf, startWorker, until } from '../engine/worker.js';
import { startLink } from '../harness/link.js';
import { nginxOrReason } from '../harness/nginx.js';
import { repositoryDir } from '../harness/server.js';
import { sha256 } from './stage.js';

const MIB = 1_048_576;
const SIZES = [0, 100_000, MIB, MIB + 1, 20_000_000];
/** Installing takes seconds, unless another apt is at work. */
const LIMIT_MS = 300_000;

const chunksOf = (origin: string, chunkSize?: number) => {
  const url = `${origin}/api/chunks`;
  return chunks({
    chunk: { url },
    ask: chunkList({ url }),
    merge: { url: `${url}/merge` },
    ...(chunkSize && { chunkSize }),
  });
};

/** What stands before the server: nginx as it comes, one that closes the connection and says nothing, and the README's. */
const fronts = {
  'refuses with 413': () => undefined,
  'refuses by a reset': (port: number) => `error_page 413 = @closed;
    location @closed { return 444; }
    location / { proxy_pass http://127.0.0.1:${port}; }`,
  'set as the README says': (port: number) => {
    const readme = readFileSync(join(repositoryDir, 'README.md'), 'utf8');
    const block = /```nginx\n(.*?)```/s.exec(readme)?.[1] ?? '';
    expect(block).toContain('http://127.0.0.1:4321;');
    return block.replace('http://127.0.0.1:4321;', `http://127.0.0.1:${port};`);
  },
};

interface Subject {
  readonly name: string;
  readonly protocol: Protocol;
  /** It begins with requests that are too large. */
  readonly learns: boolean;
  readonly adapterOf: (origin: string) => Adapter;
}

const subjects: readonly Subject[] = [
  {
    name: 'byte offset',
    protocol: 'byte-offset',
    learns: true,
    adapterOf: (origin) =>
      byteOffset({ statusUrl: `${origin}/api/status`, uploadUrl: `${origin}/api/upload`, settleMs: 0 }),
  },
  { name: 'chunks', protocol: 'chunks', learns: false, adapterOf: (origin) => chunksOf(origin) },
  { name: 'chunks of 5 MB', protocol: 'chunks', learns: true, adapterOf: (origin) => chunksOf(origin, 5_000_000) },
  {
    name: 'tus',
    protocol: 'tus',
    learns: true,
    adapterOf: (origin) =>
      tus({
        endpoint: `${origin}/api/tus`,
        metadata: ({ id }) => ({ id }),
        uploadUrl: ({ id }) => `${origin}/api/tus/${id}`,
      }),
  },
  {
    name: 'the draft of the IETF',
    protocol: 'ietf',
    learns: true,
    adapterOf: (origin) => resumableUpload({ endpoint: `${origin}/api/resumable` }),
  },
];

const cases = subjects.flatMap((subject) =>
  Object.entries(fronts).map(([front, locations]) => ({ ...subject, front, locations })),
);

test.for(cases)('$name, nginx $front', { timeout: LIMIT_MS }, async (given, t) => {
  const { protocol, adapterOf, front, locations } = given;
  const learns = given.learns && front !== 'set as the README says';
  const dataDir = await mkdtemp(join(tmpdir(), 'backhaul-nginx-'));
  const server = await startDemoServer({
    host: '127.0.0.1',
    port: 0,
    appDir: join(dataDir, 'none'),
    dataDir,
    protocol,
  });
  const link = await startLink({ targetPort: server.port });
  const life = new Life();
  onTestFinished(async () => {
    life.end();
    await link.close();
    await server.close();
    await rm(dataDir, { recursive: true, force: true });
  });
  const started = await nginxOrReason({ targetPort: link.port, locations: locations(link.port) });
  if ('reason' in started) return t.skip(started.reason);
  const { nginx } = started;
  onTestFinished(() => nginx.stop());

  const databaseName = `nginx-${process.pid}-${t.task.name}`;
  const worker = startWorker({ databaseName, endpoints: { photos: adapterOf(nginx.origin) }, life });
  const files = SIZES.map((size) => new Uint8Array(randomBytes(size)));
  const items = files.map((bytes, index) => itemOf(`${index}.jpg`, bytes));
  await worker.send({ type: 'enqueue', endpoint: 'photos', metadata: {}, priority: 'normal', items });
  await until('delivery', async () => (await worker.list()).every(({ status }) => status === 'completed'), 60_000);

  const held = async () => {
    const photos = (await (await fetch(`${link.origin}/api/photos`)).json()) as readonly { readonly key: string }[];
    const bodies = photos.map(async ({ key }) => (await fetch(`${link.origin}/api/photos/${key}`)).arrayBuffer());
    return (await Promise.all(bodies)).map((body) => sha256(new Uint8Array(body)));
  };
  expect((await held()).toSorted()).toEqual(files.map(sha256).toSorted());

  const tooLarge = (await nginx.requests()).filter(({ status }) => status === 413 || status === 444);
  expect(tooLarge.every(({ bodyBytes, passedOn }) => bodyBytes > MIB && !passedOn)).toBe(true);
  expect(tooLarge.length > 0).toBe(learns);
  const received = link.requests.reduce((sum, { bodyBytesForwarded }) => sum + bodyBytesForwarded, 0);
  const sent = SIZES.reduce((sum, size) => sum + size);
  console.log(`${t.task.name}: ${tooLarge.length} refused; the server received ${received} bytes for ${sent}`);
  // Each byte once: what was refused never reached the server. A chunk has a form of some hundred bytes around it.
  const around = protocol === 'chunks' ? link.requests.length * 1500 : 0;
  expect(received).toBeGreaterThanOrEqual(sent);
  expect(received).toBeLessThanOrEqual(sent + around);
});
