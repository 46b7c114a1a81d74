// Owns one run of one case on the demo with any protocol: judged by the gallery's bytes and by what passed the link, since
// no two protocols keep the same books.
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type OpenBrowser, openBrowser } from '../harness/browser.js';
import { type Ceph, cephOrReason } from '../harness/ceph.js';
import { makeFile } from '../harness/files.js';
import { freePort } from '../harness/free-port.js';
import { type LinkRequest, startLink } from '../harness/link.js';
import { startServer } from '../harness/server.js';
import type { SurvivalCase } from './cases.js';
import { type Fault, outage, unannounced } from './fault.js';
import { Stage } from './stage.js';

export interface ProtocolVerdict {
  readonly againBytes: number;
  /** From the moment at which it could go on to the next byte on the link. */
  readonly waitedMs: number | undefined;
  readonly limitMs: number;
  readonly trace: readonly string[];
  readonly failure?: string;
}

/** Where the bytes of S3 go. */
export interface S3Cluster {
  readonly ceph: Ceph;
  close(): Promise<void>;
}

const SIZE_BYTES = 20_000_000;
const UPLINK = 20_000_000;
const DELIVERY_LIMIT_MS = 90_000;
/** Requests with less than this are questions and merges. */
const PART_BYTES = 65_536;

export async function openCluster(): Promise<S3Cluster | { readonly reason: string }> {
  const opened = await cephOrReason();
  if ('reason' in opened) return opened;
  return { ceph: opened.ceph, close: () => opened.ceph.stop() };
}

interface Given {
  readonly protocol: string;
  readonly seed: number;
  readonly cluster: S3Cluster | undefined;
}

export async function runOnProtocol(given: SurvivalCase, { protocol, seed, cluster }: Given): Promise<ProtocolVerdict> {
  const root = await mkdtemp(join(tmpdir(), 'backhaul-survival-'));
  const file = await makeFile(join(root, `IMG_${seed}.jpg`), SIZE_BYTES, seed);
  const port = await freePort();
  const [gateway = ''] = cluster?.ceph.gateways ?? [];
  // To the app's server; for S3, where the bytes go past it, to the gateway.
  const targetPort = cluster ? Number(new URL(gateway).port) : port;
  const link = await startLink({ targetPort, uplinkBitsPerSecond: UPLINK });
  const appOrigin = cluster ? `http://127.0.0.1:${port}` : link.origin;
  const s3 = cluster && {
    S3_ENDPOINTS: link.origin,
    S3_BUCKET: await cluster.ceph.bucket([appOrigin]),
    S3_ACCESS_KEY_ID: cluster.ceph.accessKeyId,
    S3_SECRET_ACCESS_KEY: cluster.ceph.secretAccessKey,
  };
  const server = await startServer({ dataDir: join(root, 'data'), port, env: { PROTOCOL: protocol, ...s3 } });
  const browsers: OpenBrowser[] = [];
  const launch = async () => {
    const browser = await openBrowser({ profileDir: join(root, 'profile') });
    browsers.push(browser);
    return browser;
  };
  const stage = new Stage({ server, link, file, launch, appOrigin });
  try {
    await stage.openBrowser();
    await stage.openApp();
    const sprung = Promise.resolve(given.trap?.(stage));
    await stage.sendUntil(SIZE_BYTES / 2);
    const play = cluster && given.name === 'server-killed' ? gatewayKilled(given, cluster.ceph) : given;
    const fault = await play.inject(stage, sprung);
    const limitMs = play.limitMs?.(fault) ?? Infinity;
    const failure = await stage.untilDelivered(DELIVERY_LIMIT_MS).then(
      () => undefined,
      (error: unknown) => String(error),
    );
    const resumedAtMs = nextByte(stage, play, fault);
    const facts = {
      againBytes: sentAgain(link.requests),
      waitedMs: resumedAtMs && resumedAtMs - fault.couldGoOnAtMs,
      limitMs,
      trace: link.requests.map((request) => line(request, fault.startedAtMs)),
    };
    const wrong = failure ?? (await wrongWith(`http://127.0.0.1:${port}/api/photos`, file.sha256)) ?? late(facts);
    return wrong === undefined ? facts : { ...facts, failure: wrong };
  } finally {
    stage.close();
    for (const browser of browsers) await browser.close();
    await link.close();
    await server.kill();
    await rm(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

/**
 * Of a request that began after the harm, unless the one before may go on. What a dead connection still takes is none. It
 * may have begun before the page said that it is ready, and be under way then: what was answered after that moment.
 */
function nextByte({ arrivals, link }: Stage, play: SurvivalCase, fault: Fault): number | undefined {
  const { startedAtMs, couldGoOnAtMs } = fault;
  const anew = link.requests.find(
    ({ bodyBytes, startedAtMs: atMs, firstByteAtMs = 0, answeredAtMs = 0 }) =>
      bodyBytes > 0 && atMs >= startedAtMs && Math.max(firstByteAtMs, answeredAtMs) >= couldGoOnAtMs,
  );
  const any = play.mayGoOn && arrivals.find(({ atMs }) => atMs > couldGoOnAtMs)?.atMs;
  return any || (anew && Math.max(couldGoOnAtMs, anew.firstByteAtMs ?? 0));
}

function gatewayKilled(play: SurvivalCase, ceph: Ceph): SurvivalCase {
  return {
    ...play,
    inject: () =>
      outage(async () => {
        await ceph.kill('gateway', 0);
        await ceph.revive('gateway', 0);
      }),
    limitMs: unannounced,
  };
}

/** What the gallery shows must be this file, once. */
async function wrongWith(gallery: string, sha256: string): Promise<string | undefined> {
  const photos = (await (await fetch(gallery)).json()) as readonly { readonly key: string }[];
  const [photo, ...more] = photos;
  if (photo === undefined) return 'not delivered';
  if (more.length > 0) return `delivered ${photos.length} times`;
  const bytes = Buffer.from(await (await fetch(`${gallery}/${photo.key}`)).arrayBuffer());
  return createHash('sha256').update(bytes).digest('hex') === sha256 ? undefined : 'other bytes';
}

function late({ waitedMs, limitMs, againBytes }: Omit<ProtocolVerdict, 'failure'>): string | undefined {
  if (againBytes > 0) return 'acknowledged bytes sent again';
  return waitedMs === undefined || waitedMs > limitMs ? 'time limit missed' : undefined;
}

/**
 * Invariant 7. Offsets: bytes that were sent again below what an answer, which passed the link whole, had confirmed. Parts
 * are told apart by their length in all but the last: each that was confirmed more than once counts.
 */
function sentAgain(requests: readonly LinkRequest[]): number {
  const bodies = requests.filter(({ bodyBytes }) => bodyBytes >= PART_BYTES);
  const offsetOf = ({ headers, startByte }: LinkRequest) => startByte ?? numberIn(headers['upload-offset']);
  const confirmed = (each: LinkRequest) => each.outcome === 'answered' && (each.status ?? 500) < 300;
  if (bodies.every((each) => offsetOf(each) !== undefined)) {
    return bodies.reduce((sum, body) => {
      const before = bodies.filter((each) => confirmed(each) && (each.endedAtMs ?? Infinity) <= body.startedAtMs);
      const known = Math.max(0, ...before.map((each) => (offsetOf(each) ?? 0) + each.bodyBytes));
      const start = offsetOf(body) ?? 0;
      return sum + Math.max(0, Math.min(start + body.bodyBytesForwarded, known) - start);
    }, 0);
  }
  const whole = bodies.filter(confirmed).reduce((sum, { bodyBytes }) => sum + bodyBytes, 0);
  // The form around a chunk is a few hundred bytes; a part has a thousand times as many.
  return whole - SIZE_BYTES < PART_BYTES ? 0 : whole - SIZE_BYTES;
}

function numberIn(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}

function line(request: LinkRequest, sinceMs: number): string {
  const { method, path, bodyBytes, bodyBytesForwarded, outcome, status = '', startedAtMs, endedAtMs } = request;
  const at = (ms: number | undefined) => (ms === undefined ? '?' : ((ms - sinceMs) / 1000).toFixed(2));
  return `  ${at(startedAtMs)}-${at(endedAtMs)} ${method} ${path.slice(0, 80)} ${bodyBytesForwarded}/${bodyBytes} ${outcome} ${status}`;
}
