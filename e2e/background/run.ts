// 500 MB by Background Fetch: npx tsx e2e/background/run.ts [--megabytes 500]. Exit code 1 if the file is not delivered once,
// or if more than one piece was sent again.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { whyNoCable } from '../harness/cable.js';
import { sendAndKill } from './scene.js';

const PIECE_BYTES = 16 * 2 ** 20;
const BITS_PER_SECOND = 80_000_000;

const { values } = parseArgs({ options: { megabytes: { type: 'string', default: '500' } } });
const sizeBytes = Number(values.megabytes) * 1_000_000;
if (!(sizeBytes > 0)) throw new Error(`--megabytes takes a number, not ${values.megabytes}.`);
const missing = await whyNoCable();
if (missing !== undefined) throw new Error(missing);

const dir = await mkdtemp(join(tmpdir(), 'backhaul-background-'));
try {
  const wireMs = (sizeBytes * 8000) / BITS_PER_SECOND;
  const outcome = await sendAndKill({
    dir,
    sizeBytes,
    pieceSize: PIECE_BYTES,
    bitsPerSecond: BITS_PER_SECOND,
    limitMs: 120_000 + 3 * wireMs,
  });
  const rows = [['file', `${sizeBytes} bytes in pieces of ${PIECE_BYTES}`], ...Object.entries(outcome)];
  console.log(['| | |', '| --- | --- |', ...rows.map(([name, value]) => `| ${name} | ${value} |`)].join('\n'));
  console.log(`Sent again: ${outcome.sentAgain} bytes (limit: one piece, ${PIECE_BYTES}).`);
  const good = outcome.deliveries === 1 && outcome.hashEqual && outcome.told.startsWith('handed-over/');
  if (!good || outcome.sentAgain > PIECE_BYTES) process.exitCode = 1;
} finally {
  await rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}
