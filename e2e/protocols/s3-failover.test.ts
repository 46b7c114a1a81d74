// Past one machine: bytes go straight to a cluster of three storage daemons and two gateways, requests are signed by two
// processes that hold no state. One of each is killed in the middle of an upload. Invariants 6 and 7. Skipped, by name
// and reason, where Ceph cannot run.

import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { ListMultipartUploadsCommand } from '@aws-sdk/client-s3';
import { expect, onTestFinished, test } from 'vitest';
import type { S3BucketOptions } from '../../demo/server/s3-bucket.js';
import { folderOf, keyOf } from '../../demo/server/s3-operations.js';
import { s3 } from '../../sw/index.js';
import { itemOf, startWorker, until } from '../engine/worker.js';
import { cephOrReason } from '../harness/ceph.js';
import { S3Proxy } from './s3-proxy.js';
import { fileOf, PART, sha256Of } from './s3-stage.js';

const PARTS = 16;
/** Installing takes a minute, starting a quarter of one on an idle machine, and finding a dead daemon some seconds. */
const LIMIT_MS = 600_000;

interface SignerProcess {
  readonly url: string;
  /** How many operations it has signed. */
  readonly signed: () => number;
  readonly kill: () => void;
}

async function startSigner(options: S3BucketOptions): Promise<SignerProcess> {
  const file = new URL('s3-signer-process.ts', import.meta.url).pathname;
  const child: ChildProcess = spawn(process.execPath, ['--import', 'tsx', file, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  if (child.stdout === null) throw new Error('no output');
  const lines = createInterface({ input: child.stdout });
  let signed = 0;
  const port = await new Promise<number>((resolve, reject) => {
    lines.on('line', (line) => {
      const said: { readonly port?: number } = JSON.parse(line);
      if (said.port === undefined) signed += 1;
      else resolve(said.port);
    });
    child.on('exit', () => reject(new Error('the signer ended')));
  });
  return { url: `http://127.0.0.1:${port}/s3/sign`, signed: () => signed, kill: () => child.kill('SIGKILL') };
}

test('a gateway, a storage daemon and a signer are killed; the upload completes', { timeout: LIMIT_MS }, async (t) => {
  const started = await cephOrReason({ osds: 3, gateways: 2 });
  if ('reason' in started) return t.skip(started.reason);
  const { ceph } = started;
  onTestFinished(() => ceph.stop());
  const bucket = await ceph.bucket();
  const proxies = await Promise.all(ceph.gateways.map((gateway) => S3Proxy.start(gateway)));
  onTestFinished(async () => void (await Promise.all(proxies.map((proxy) => proxy.stop()))));
  const { accessKeyId, secretAccessKey } = ceph;
  const endpoints = proxies.map(({ origin }) => origin);
  const options = { endpoints, bucket, accessKeyId, secretAccessKey };
  const signers = await Promise.all([startSigner(options), startSigner(options)]);

  const parts = () => proxies.flatMap((proxy) => proxy.of('part'));
  const acknowledged = () => parts().filter(({ status }) => status === 200);
  const killed: string[] = [];
  const losses: readonly (readonly [after: number, what: string, kill: () => unknown])[] = [
    [3, 'gateway', () => ceph.kill('gateway', 0)],
    [6, 'storage daemon', () => ceph.kill('osd', 1)],
    [9, 'signer', () => signers[0]?.kill()],
  ];
  const [first, second] = proxies;
  if (first === undefined || second === undefined) throw new Error('two gateways');
  for (const proxy of [first, second]) {
    proxy.onBytes = ({ type, bodyBytes }) => {
      const [after, what, kill] = losses[killed.length] ?? [];
      // In the middle of a body that goes through the gateway which is to die.
      const isDue = type === 'part' && bodyBytes > PART / 4 && bodyBytes < PART / 2;
      if (!isDue || after === undefined || what === undefined || acknowledged().length < after) return;
      if (what === 'gateway' && proxy !== first) return;
      killed.push(what);
      kill?.();
    };
  }

  let turn = 0;
  const worker = startWorker({
    databaseName: `s3-failover-${process.pid}`,
    endpoints: {
      photos: s3({
        partSize: PART,
        // What a load balancer does: in turn, and the other one if that fails.
        sign: async (operation) => {
          const ask = ({ url }: SignerProcess) => fetch(url, { method: 'POST', body: JSON.stringify(operation) });
          turn += 1;
          const [one, other] = turn % 2 === 0 ? signers : [signers[1], signers[0]];
          return ask(one).catch(() => ask(other));
        },
      }),
    },
  });
  onTestFinished(() => worker.life.end());
  const file = fileOf(PARTS * PART + 1);
  const items = [itemOf(file.name, file.bytes)];
  await worker.send({ type: 'enqueue', endpoint: 'photos', metadata: {}, priority: 'normal', items });
  const { id } = await until(
    'delivery',
    async () => (await worker.list()).find(({ status }) => status === 'completed'),
    180_000,
  );

  expect(killed).toEqual(['gateway', 'storage daemon', 'signer']);
  expect(await sha256Of(ceph, bucket, keyOf(folderOf(''), id), 1)).toBe(file.sha256);
  const left = await ceph.client(1).send(new ListMultipartUploadsCommand({ Bucket: bucket }));
  expect(left.Uploads ?? []).toEqual([]);
  expect(parts().filter(({ isAgain }) => isAgain)).toEqual([]);
  expect(acknowledged()).toHaveLength(PARTS + 1);
  // Both gateways and both signers had their share.
  expect(proxies.map((proxy) => proxy.of('part').some(({ status }) => status === 200))).toEqual([true, true]);
  expect(Math.min(...signers.map(({ signed }) => signed()))).toBeGreaterThan(0);
  // What was cut in the middle: that much is sent twice, and no more.
  const again = parts().length - PARTS - 1;
  expect(again).toBeGreaterThan(0);
  console.log(`failover: ${PARTS + 1} parts, ${again} sent again (none of them acknowledged), ${turn} signatures`);
});
