// Backhaul on a link of 100 Mbit/s and 50 ms round trip, from `enqueue` until the last file is confirmed, against the
// plainest page: one POST of one large file, and as many POSTs side by side of small ones as Backhaul has requests (3).
// `npx tsx e2e/bench/link.ts [rounds] [protocols, by comma]`. Fails below the limits. S3 needs Ceph, and is named as skipped
// where that cannot be had; its bucket is at the end of a link of its own, since its bytes go past the app's server.
import { join } from 'node:path';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { type Ceph, cephOrReason } from '../harness/ceph.js';
import { makeFile } from '../harness/files.js';
import { type Link, startLink } from '../harness/link.js';
import { startServer } from '../harness/server.js';
import { type LabProtocol, writeWorker } from '../pages/build.js';
import { type Bench, bench, median, printTable } from './kit.js';

const ROUNDS = Number(process.argv[2] ?? 3);
const PROTOCOLS = process.argv[3]?.split(',');
const LINK = { uplinkBitsPerSecond: 100_000_000, latencyMs: 50 };
const LARGE = { name: '1 x 100 MB', count: 1, bytes: 100_000_000, atOnce: 1 };
const SMALL = { name: '200 x 100 KB', count: 200, bytes: 100_000, atOnce: 3 };
interface Load {
  readonly name: string;
  readonly protocol: LabProtocol;
  readonly count: number;
  readonly bytes: number;
  readonly atOnce: number;
  readonly limit: number;
}
const ALL: readonly Load[] = [
  { ...LARGE, protocol: 'byte-offset', limit: 0.95 },
  { ...SMALL, protocol: 'byte-offset', limit: 0.9 },
  // In parts, side by side.
  { ...LARGE, protocol: 'chunks', limit: 0.95 },
  { ...LARGE, protocol: 's3', limit: 0.95 },
  { ...SMALL, protocol: 'tus', limit: 0.85 },
];
const WANTED = ALL.filter(({ protocol }) => PROTOCOLS?.includes(protocol) ?? true);
const opened = WANTED.some(({ protocol }) => protocol === 's3') ? await cephOrReason() : undefined;
if (opened && 'reason' in opened) console.log(`SKIPPED: s3: ${opened.reason}`);
const ceph = opened && 'ceph' in opened ? opened.ceph : undefined;
const LOADS = WANTED.filter(({ protocol }) => protocol !== 's3' || ceph);

const scope = (load: Load, round: number) => `/l${LOADS.indexOf(load)}-${round}/`;

async function prepare(appDir: string): Promise<void> {
  for (const load of LOADS) {
    for (let round = 0; round < ROUNDS; round += 1)
      await writeWorker(join(appDir, scope(load, round), 'worker.js'), {
        version: '1',
        takeOver: true,
        protocol: load.protocol,
      });
  }
}

type Ports = Readonly<Record<LabProtocol, number | undefined>>;

/** The same app with another upload server, from the next connection on: both sides begin with new ones. */
function behind(link: Link, port: number | undefined): void {
  if (port === undefined) throw new Error('No such server.');
  link.setTarget(port);
  link.reset();
}

async function measure(load: Load, round: number, link: Link, ports: Ports, { dir, browser }: Bench) {
  const { page } = browser;
  const id = `${LOADS.indexOf(load)}-${round}`;
  const paths: string[] = [];
  for (let index = 0; index < load.count; index += 1)
    paths.push((await makeFile(join(dir, 'files', `${id}-${index}.bin`), load.bytes, `${id}/${index}`)).path);

  behind(link, ports[load.protocol]);
  await page.goto(`${link.origin}/?worker=${scope(load, round)}worker.js`);
  await page.locator('html[data-ready]').waitFor();
  await page.locator('#file-input').setInputFiles(paths);
  const raw = () => {
    behind(link, ports['byte-offset']);
    return page.evaluate(([prefix, atOnce]) => window.lab.measureXhr(window.lab.chosen(), prefix, atOnce), [
      `raw-${id}`,
      load.atOnce,
    ] as const);
  };
  // Both first in turn: the first one reads from a colder disk.
  const before = round % 2 === 0 ? await raw() : undefined;
  behind(link, ports[load.protocol]);
  const ownMs = await page.evaluate(async () => {
    const { lab } = window;
    const startedAt = performance.now();
    const uploads = (await lab.backhaul?.enqueue(lab.chosen(), { endpoint: 'photos' })) ?? [];
    await Promise.all(uploads.map(({ finished }) => finished));
    return performance.now() - startedAt;
  });
  const rawMs = before ?? (await raw());
  await page.evaluate(() => window.lab.registration?.unregister());
  return { ownMs, rawMs };
}

/** A bucket for pages of this origin, and how a server signs for it. */
async function bucketFor(origin: string, cluster: Ceph) {
  const [gateway = ''] = cluster.gateways;
  const link = await startLink({ targetPort: Number(new URL(gateway).port), ...LINK });
  const bucket = await cluster.bucket([origin]);
  // The first write to a new cluster takes it seconds, whoever writes.
  const first = new PutObjectCommand({ Bucket: bucket, Key: 'first', Body: Buffer.alloc(8_388_608) });
  await cluster.client().send(first);
  const env = {
    S3_ENDPOINTS: link.origin,
    // The link is the phone's: the server stands beside its bucket.
    S3_NEAR_ENDPOINTS: gateway,
    S3_BUCKET: bucket,
    S3_ACCESS_KEY_ID: cluster.accessKeyId,
    S3_SECRET_ACCESS_KEY: cluster.secretAccessKey,
  };
  return { link, env };
}

await bench(async (context) => {
  const { dir, appDir, server } = context;
  const start = (protocol: LabProtocol, env: Readonly<Record<string, string>> = {}) =>
    startServer({ dataDir: join(dir, protocol), env: { APP_DIR: appDir, LOG: '', PROTOCOL: protocol, ...env } });
  const link = await startLink({ targetPort: server.port, ...LINK });
  const bucket = ceph && (await bucketFor(link.origin, ceph));
  const others = [await start('chunks'), await start('tus'), ...(bucket ? [await start('s3', bucket.env)] : [])];
  const [chunks, tus, s3] = others.map(({ port }) => port);
  const ports: Ports = { 'byte-offset': server.port, chunks, tus, s3 };
  const rows: string[][] = [['protocol', 'files', 'backhaul', 'raw POSTs', 'ratio', 'limit']];
  try {
    for (const load of LOADS) {
      const rounds: Awaited<ReturnType<typeof measure>>[] = [];
      for (let round = 0; round < ROUNDS; round += 1) rounds.push(await measure(load, round, link, ports, context));
      const ratio = median(rounds.map(({ ownMs, rawMs }) => rawMs / ownMs));
      const ms = (values: readonly number[]) => `${median(values).toFixed(0)} ms`;
      rows.push([
        load.protocol,
        load.name,
        ms(rounds.map(({ ownMs }) => ownMs)),
        ms(rounds.map(({ rawMs }) => rawMs)),
        ratio.toFixed(2),
        load.limit.toFixed(2),
      ]);
      if (ratio < load.limit) process.exitCode = 1;
    }
  } finally {
    await link.close();
    await bucket?.link.close();
    for (const other of others) await other.kill();
    await ceph?.stop();
  }
  printTable(rows);
  console.log(`100 Mbit/s, 50 ms round trip; medians of ${ROUNDS}; ratio: Backhaul's speed by that of raw POSTs`);
}, prepare);
