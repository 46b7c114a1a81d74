// The survival table for every protocol: npx tsx e2e/survival/protocols.ts [--protocols tus,s3] [--runs 1]. Five ways to be
// stopped half-way, on the demo as `PROTOCOL=... npm start` brings it up. Table on stdout, exit code 1 if a cell does not
// hold; S3 needs Ceph, and where that cannot be had it is named as skipped.
import { parseArgs } from 'node:util';
import { casesNamed } from './cases.js';
import { openCluster, type ProtocolVerdict, runOnProtocol, type S3Cluster } from './run-on-protocol.js';

const CASES = ['reload', 'worker-stopped', 'browser-killed', 'server-killed', 'black-hole'];
const { values } = parseArgs({
  options: {
    protocols: { type: 'string', default: 'byte-offset,chunks,tus,ietf,s3' },
    cases: { type: 'string', default: CASES.join(',') },
    runs: { type: 'string', default: '1' },
  },
});
const runs = Number(values.runs);
const rows: string[] = [];
let failed = false;

for (const protocol of values.protocols.split(',')) {
  let cluster: S3Cluster | undefined;
  if (protocol === 's3') {
    const opened = await openCluster();
    if ('reason' in opened) {
      console.log(`SKIPPED: s3: ${opened.reason}`);
      continue;
    }
    cluster = opened;
  }
  for (const play of casesNamed(values.cases.split(','))) {
    const verdicts: ProtocolVerdict[] = [];
    for (let seed = 1; seed <= runs; seed += 1) {
      const verdict = await runOnProtocol(play, { protocol, seed, cluster });
      console.error(`${protocol} ${play.name} ${seed}/${runs}: ${JSON.stringify({ ...verdict, trace: undefined })}`);
      if (verdict.failure !== undefined) {
        failed = true;
        console.error(verdict.trace.join('\n'));
      }
      verdicts.push(verdict);
    }
    const failures = [...new Set(verdicts.flatMap(({ failure = [] }) => failure))];
    const most = (value: (verdict: ProtocolVerdict) => number) => Math.max(...verdicts.map(value));
    const waitedMs = most(({ waitedMs }) => waitedMs ?? Infinity);
    const cells = [
      protocol,
      play.title,
      failures.length === 0 ? 'yes' : `**${failures.join('; ')}**`,
      `${most(({ againBytes }) => againBytes)}`,
      `${(waitedMs / 1000).toFixed(2)} s (limit ${(most(({ limitMs }) => limitMs) / 1000).toFixed(2)} s)`,
    ];
    rows.push(`| ${cells.join(' | ')} |`);
  }
  await cluster?.close();
}
console.log(
  [
    `Chromium, 20 MB at 20 Mbit/s, worst of ${runs}.\n`,
    '| protocol | stopped half-way by | delivered once, hash equal | acknowledged bytes sent again | first new byte after |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
  ].join('\n'),
);
if (failed) process.exitCode = 1;
