// `npm run fuzz -- --requests 100000 --seed 1`: hostile requests against the reference servers, each in a process of its
// own, whose memory is printed. The same seed sends the same requests.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { processTreeMemory } from '../harness/processes.js';
import { startServer } from '../harness/server.js';
import { attack, CANARY } from './attack.js';
import { type Fuzzed, fuzzed } from './hostile-request.js';

const { values } = parseArgs({
  options: { requests: { type: 'string', default: '100000' }, seed: { type: 'string', default: '1' } },
});
const [requests, seed] = [Number(values.requests), Number(values.seed)];
/** Of the last quarter over the second: Node's heap breathes by so much. A guess. */
const GROWTH_BYTES = 32_000_000;

const median = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;
const megabytes = (bytes: number) => `${Math.round(bytes / 1e6)} MB`;

async function run(protocol: Fuzzed, count: number): Promise<void> {
  const sandbox = await mkdtemp(join(tmpdir(), 'backhaul-fuzz-'));
  const dataDir = join(sandbox, 'data');
  await writeFile(join(sandbox, 'canary.txt'), CANARY);
  await mkdir(dataDir);
  const server = await startServer({ dataDir, env: { PROTOCOL: protocol, LOG: '' } });
  const pid = server.pid ?? 0;
  const memory: number[] = [];
  try {
    const { statuses, taken, faults } = await attack(
      { protocol, port: server.port, dataDir },
      {
        seed,
        requests: count,
        everyNth: Math.ceil(count / 40),
        onProgress: async () => void memory.push((await processTreeMemory(pid)).bytes),
      },
    );
    if (server.pid !== pid) faults.push('the process ended');
    const quarter = memory.length / 4;
    const [early, late] = [median(memory.slice(quarter, 2 * quarter)), median(memory.slice(3 * quarter))];
    if (late - early > GROWTH_BYTES) faults.push(`memory grew from ${megabytes(early)} to ${megabytes(late)}`);
    const answers = [...statuses].sort(([a], [b]) => a - b).map(([status, times]) => `${status || 'none'}: ${times}`);
    console.log(
      `${protocol}: ${count} requests, seed ${seed}; memory ${memory
        .filter((_, at) => at % 5 === 4)
        .map(megabytes)
        .join(', ')}`,
    );
    console.log(`  answers ${answers.join(', ')}`);
    console.log(
      `  taken ${[...taken]
        .sort()
        .map(([method, times]) => `${method}: ${times}`)
        .join(', ')}`,
    );
    console.log(
      faults.length === 0
        ? '  no crash, nothing outside the folder, memory flat'
        : `  FAULTS\n  ${faults.join('\n  ')}`,
    );
    if (faults.length > 0) process.exitCode = 1;
  } finally {
    await server.kill();
    await rm(sandbox, { recursive: true, force: true });
  }
}

for (const protocol of fuzzed) await run(protocol, Math.ceil(requests / fuzzed.length));
