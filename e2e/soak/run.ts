// A long upload in a hidden tab of a browser that nobody debugs: npx tsx e2e/soak/run.ts [--minutes 11]
// [--engine chromium|firefox|webkit]. A debugger keeps a service worker alive, so only this run shows whether the library
// itself outlives an engine's limits, such as Chromium's of 30 s idle and 300 s for one event. Exit code 1 if the file is
// not delivered, or bytes were sent again.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type EngineName, engineNames, engineTitles } from '../engines/engine.js';
import { acknowledgedBytesSentAgain, deliveries, fileIds, maxConcurrentWriters } from '../harness/ledger.js';
import { startLink } from '../harness/link.js';
import { startServer } from '../harness/server.js';
import { soakBrowsers } from './browsers.js';
import { makeSite, TOLD } from './site.js';

const UPLINK_BITS_PER_SECOND = 2_000_000;
/** Longer than planned by so much, and the run is given up. */
const PATIENCE = 2;

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '11' }, engine: { type: 'string', default: 'chromium' } },
});
const engine = values.engine as EngineName;
if (!engineNames.includes(engine)) throw new Error(`--engine takes ${engineNames.join(', ')}, not ${engine}.`);
const plannedMs = Number(values.minutes) * 60_000;
if (!(plannedMs > 0)) throw new Error(`--minutes takes a number, not ${values.minutes}.`);
const sizeBytes = Math.round(((plannedMs / 1000) * UPLINK_BITS_PER_SECOND) / 8);

const root = await mkdtemp(join(tmpdir(), 'backhaul-soak-'));
const file = await makeSite(join(root, 'site'), sizeBytes);
const server = await startServer({ dataDir: join(root, 'data'), env: { APP_DIR: join(root, 'site') } });
const link = await startLink({ targetPort: server.port, uplinkBitsPerSecond: UPLINK_BITS_PER_SECOND });
const told = (what: string) => link.requests.filter(({ path }) => path === `${TOLD}${what}`);
const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;

const browser = await soakBrowsers[engine](`${link.origin}/`);
try {
  const giveUpAtMs = Date.now() + plannedMs * PATIENCE + 60_000;
  const untilTold = async (what: string) => {
    while (told(what).length === 0) {
      if (Date.now() > giveUpAtMs) return;
      await delay(100);
    }
  };
  await untilTold('enqueued');
  const startedAtMs = Date.now();
  await browser.cover();
  await untilTold('finished');
  const endedAtMs = Date.now();

  const [fileId = ''] = fileIds(server.ledger);
  const held = await server.heldFiles((found) => found.sizeBytes === sizeBytes);
  const again = acknowledgedBytesSentAgain(server.ledger, fileId);
  const delivered = told('finished').length === 1 && deliveries(server.ledger, fileId) === 1 && held.length === 1;
  const hashEqual = held[0]?.sha256 === file.sha256;
  const visibility = link.requests
    .filter(({ path }) => /\/(visible|hidden|frozen|resumed)$/.test(path))
    .map((request) => `${request.path.slice(TOLD.length)} at ${seconds(request.startedAtMs - startedAtMs)}`);
  const hidden = told('hidden').length > 0 && told('visible').every((request) => request.startedAtMs < startedAtMs);
  const posts = link.requests.filter(({ method }) => method === 'POST');
  const starts = told('worker-started').map((request) => seconds(request.startedAtMs - startedAtMs));
  const rows: readonly (readonly [string, string | number | boolean])[] = [
    ['engine', engineTitles[engine]],
    ['file', `${(sizeBytes / 1e6).toFixed(1)} MB at ${UPLINK_BITS_PER_SECOND / 1e6} Mbit/s`],
    ['delivered once', delivered],
    ['hash equal', hashEqual],
    ['duration', `${seconds(endedAtMs - startedAtMs)} (the wire alone needs ${seconds(plannedMs)})`],
    ['worker starts', `${starts.length}, at ${starts.join(', ')}`],
    ['POST requests', posts.length],
    ['status requests', link.requests.filter(({ path }) => path === '/api/status').length],
    ['body bytes on the wire', posts.reduce((sum, { bodyBytesForwarded }) => sum + bodyBytesForwarded, 0)],
    ['acknowledged bytes sent again', again],
    ['writers at once', maxConcurrentWriters(server.ledger, fileId)],
    ['page', `${visibility.join(', ')}${hidden ? '' : ' (NOT hidden: this run proves less)'}`],
  ];
  console.log(['| | |', '| --- | --- |', ...rows.map(([name, value]) => `| ${name} | ${value} |`)].join('\n'));
  if (!delivered || !hashEqual || again > 0) process.exitCode = 1;
} finally {
  await browser.kill();
  await link.close();
  await server.kill();
  await rm(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}
