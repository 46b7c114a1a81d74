// The chaos soak: npm run chaos -- [--minutes 30] [--seed 1] [--protocols tus,s3]. A real Chromium uploads a changing set of
// files through every protocol in turn, while workers, tabs, browsers, servers and connections are killed as the seed says.
// Report on stdout; exit code 1 if anything was lost, doubled, damaged, left behind or sent again. S3 needs Ceph, and where
// that cannot be had it is named as skipped.
import { parseArgs } from 'node:util';
import { openCluster } from '../survival/run-on-protocol.js';
import { type CampaignReport, campaign } from './campaign.js';
import { harmNames } from './harms.js';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    seed: { type: 'string', default: '1' },
    protocols: { type: 'string', default: 'byte-offset,chunks,tus,ietf,s3' },
  },
});
const [minutes, seed] = [Number(values.minutes), Number(values.seed)];
if (!(minutes > 0 && Number.isInteger(seed))) throw new Error('--minutes takes a number, --seed a whole one.');
const protocols = values.protocols.split(',');
const startedAtMs = Date.now();
const log = (line: string) => console.error(`${((Date.now() - startedAtMs) / 1000).toFixed(1)} s ${line}`);

let failed = false;
const reports: { readonly protocol: string; readonly report: CampaignReport }[] = [];
for (const protocol of protocols) {
  const opened = protocol === 's3' ? await openCluster() : undefined;
  if (opened && 'reason' in opened) {
    console.log(`SKIPPED: s3: ${opened.reason}`);
    continue;
  }
  try {
    const forMs = (minutes * 60_000) / protocols.length;
    reports.push({ protocol, report: await campaign({ protocol, seed, forMs, cluster: opened, log }) });
  } catch (cause) {
    // The others' figures are not lost with it.
    failed = true;
    console.log(`FAILED: ${protocol}:`, cause);
  } finally {
    await opened?.close();
  }
}

const count = (names: readonly string[]) => (names.length === 0 ? '0' : `**${names.length}**: ${names.join(', ')}`);
const figures = ({ againBytes, leftBytes, ...report }: CampaignReport) => [
  report.files,
  report.bytes,
  count(report.lost),
  count(report.doubled),
  count(report.foreign),
  againBytes ?? 'has parts',
  leftBytes,
  count(report.unsettled),
];
const head = [
  'files',
  'bytes',
  'lost',
  'doubled',
  'foreign',
  'acknowledged bytes sent again',
  'blobs left',
  'unsettled',
];
const row = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |`;
const times = (harm: (typeof harmNames)[number]) => reports.map(({ report }) => report.harms[harm] ?? 0);
console.log(
  [
    `Seed ${seed}, ${((Date.now() - startedAtMs) / 60_000).toFixed(1)} minutes.\n`,
    row(['protocol', ...head]),
    row(['---', ...head.map(() => '---')]),
    ...reports.map(({ protocol, report }) => row([protocol, ...figures(report)])),
    '',
    row(['harm', ...reports.map(({ protocol }) => protocol), 'together']),
    row(['---', ...reports.map(() => '---'), '---']),
    ...harmNames.map((harm) => row([harm, ...times(harm), times(harm).reduce((sum, each) => sum + each, 0)])),
  ].join('\n'),
);
const isSound = ({ lost, doubled, foreign, unsettled, againBytes = 0, leftBytes }: CampaignReport) =>
  lost.length + doubled.length + foreign.length + unsettled.length + againBytes + leftBytes === 0;
if (failed || reports.length === 0 || !reports.every(({ report }) => isSound(report))) process.exitCode = 1;
