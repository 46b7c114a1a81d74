// Owns one protocol's share of the soak: a server, a link, a browser on its profile; files are handed over and harm is done
// as the dice say, then there is peace until all is delivered, then the judgement.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Dice } from '../conformance/dice.js';
import { makeFile, type SourceFile } from '../harness/files.js';
import { freePort } from '../harness/free-port.js';
import { startLink } from '../harness/link.js';
import { startServer } from '../harness/server.js';
import type { S3Cluster } from '../survival/run-on-protocol.js';
import { type Harm, harmNames, harms } from './harms.js';
import { acknowledgedSentAgain, type Comparison, compare, galleryOf, type Span } from './judge.js';
import { Tab } from './tab.js';

export interface CampaignOptions {
  readonly protocol: string;
  readonly seed: number;
  /** How long there is harm. */
  readonly forMs: number;
  readonly cluster: S3Cluster | undefined;
  readonly log: (line: string) => void;
}

export interface CampaignReport extends Comparison {
  readonly files: number;
  readonly bytes: number;
  readonly harms: Readonly<Partial<Record<Harm, number>>>;
  /** Undefined where the protocol has parts instead of an offset. */
  readonly againBytes: number | undefined;
  /** Rows of `bytes` that are left in IndexedDB. */
  readonly leftBytes: number;
  /** Uploads that are not completed. */
  readonly unsettled: readonly string[];
}

const offsetProtocols = ['byte-offset', 'tus', 'ietf'];
/** More than that wait, and nothing is added. */
const MOST_PENDING = 25;
/** How long peace may last: without end for a run that hangs, far too long for any other. */
const PEACE_LIMIT_MS = 15 * 60_000;

export async function campaign({ protocol, seed, forMs, cluster, log }: CampaignOptions): Promise<CampaignReport> {
  const dice = new Dice(seed, 'chaos', protocol);
  const root = await mkdtemp(join(tmpdir(), 'backhaul-chaos-'));
  const port = await freePort();
  const appOwn = `http://127.0.0.1:${port}`;
  const link = await startLink({ targetPort: cluster ? portOf(cluster) : port, uplinkBitsPerSecond: 20_000_000 });
  const origin = cluster ? appOwn : link.origin;
  const s3 = cluster && {
    S3_ENDPOINTS: link.origin,
    S3_BUCKET: await cluster.ceph.bucket([appOwn]),
    S3_ACCESS_KEY_ID: cluster.ceph.accessKeyId,
    S3_SECRET_ACCESS_KEY: cluster.ceph.secretAccessKey,
  };
  const server = await startServer({ dataDir: join(root, 'data'), port, env: { PROTOCOL: protocol, ...s3 } });
  const tab = new Tab(join(root, 'profile'), origin);
  const sources: SourceFile[] = [];
  const done: Partial<Record<Harm, number>> = {};
  const harmed: Span[] = [];

  const add = async () => {
    const fresh: SourceFile[] = [];
    for (let left = dice.between(1, 6); left > 0; left -= 1) {
      const name = `IMG_${sources.length + fresh.length}.jpg`;
      fresh.push(await makeFile(join(root, 'files', name), sizeOf(dice), `${seed}/${protocol}/${name}`));
    }
    sources.push(...fresh);
    await tab.pick(fresh.map(({ path }) => path));
  };

  try {
    await tab.launch();
    const endAtMs = Date.now() + forMs;
    await add();
    while (Date.now() < endAtMs) {
      await delay(dice.between(200, 4000));
      const pending = (await tab.known()).filter(({ status }) => status !== 'completed').length;
      if (pending < MOST_PENDING && dice.chance(0.6)) await add();
      // In the middle of being stored, or of being sent.
      await delay(dice.between(0, 300));
      const harm = dice.pick(harmNames);
      const fromMs = Date.now();
      await harms[harm]({ dice, link, server, tab });
      harmed.push([fromMs, Date.now()]);
      done[harm] = (done[harm] ?? 0) + 1;
      log(`${protocol}: ${harm}; ${sources.length} files, ${pending} pending`);
    }
    log(`${protocol}: peace`);
    link.setUplink(undefined);
    const unsettled = await untilSettled(tab, sources, log);
    const held = await galleryOf(appOwn);
    const { bytes: leftBytes = Number.NaN } = await tab.stored();
    return {
      ...compare(sources, held),
      files: sources.length,
      bytes: sources.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
      harms: done,
      againBytes: offsetProtocols.includes(protocol) ? acknowledgedSentAgain(link.requests, harmed) : undefined,
      leftBytes,
      unsettled,
    };
  } finally {
    await tab.close();
    await link.close();
    await server.kill();
    await rm(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

/**
 * A file whose page was killed before it was accepted is nobody's promise: it is handed over again, as a user would. One
 * that was accepted is then the same upload, not a second one. Answers with those that are not completed in the end.
 */
async function untilSettled(tab: Tab, sources: readonly SourceFile[], log: (line: string) => void) {
  const limitMs = Date.now() + PEACE_LIMIT_MS;
  await tab.open();
  const known = new Set((await tab.known()).map(({ name }) => name));
  log(`${sources.length - known.size} files were never accepted; all are handed over once more`);
  for (let at = 0; at < sources.length; at += 50) await tab.pick(sources.slice(at, at + 50).map(({ path }) => path));
  for (;;) {
    const uploads = await tab.known();
    const open = uploads.filter(({ status }) => status !== 'completed');
    const missing = sources.filter(({ name }) => !uploads.some((upload) => upload.name === name));
    if (open.length + missing.length === 0) return [];
    const left = [
      ...open.map(({ name, status }) => `${name} ${status}`),
      ...missing.map(({ name }) => `${name} missing`),
    ];
    if (Date.now() > limitMs) return left;
    await delay(250);
  }
}

/** Mostly small ones, as photos come; now and then one that takes a while. */
function sizeOf(dice: Dice): number {
  if (dice.chance(0.6)) return dice.between(1, 400_000);
  return dice.chance(0.9) ? dice.between(400_000, 4_000_000) : dice.between(4_000_000, 20_000_000);
}

function portOf({ ceph }: S3Cluster): number {
  return Number(new URL(ceph.gateways[0] ?? '').port);
}
