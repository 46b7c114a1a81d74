// 3,000 hostile requests through real sockets; `npm run fuzz` sends 100,000 to servers in processes of their own.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startKit } from '../../demo/server/test-kit.js';
import { attack, CANARY } from './attack.js';
import { fuzzed } from './hostile-request.js';

const resource = ['HEAD', 'PATCH', 'DELETE'];

test.each(fuzzed)(
  '%s: no hostile request crashes the server or leaves its folder',
  { timeout: 120_000 },
  async (protocol) => {
    const sandbox = await mkdtemp(join(tmpdir(), 'backhaul-fuzz-'));
    await writeFile(join(sandbox, 'canary.txt'), CANARY);
    const dataDir = join(sandbox, 'data');
    const kit = await startKit({ protocol, dataDir, appDir: resolve('demo/app/public') });
    onTestFinished(async () => {
      await kit.close();
      await rm(sandbox, { recursive: true, force: true });
    });
    const verbs = { 'byte-offset': ['GET'], chunks: ['GET', 'DELETE'], tus: resource, ietf: resource }[protocol];
    const { statuses, taken, faults } = await attack(
      { protocol, port: kit.port, dataDir },
      { seed: 1, requests: verbs === resource ? 1000 : 500 },
    );
    expect(faults).toEqual([]);
    // It is no fuzzer if nothing gets through, or nothing is refused.
    expect([...statuses.keys()].filter((status) => status >= 200 && status < 300)).not.toEqual([]);
    expect(statuses.get(400)).toBeGreaterThan(20);
    // Uploads that there are were asked for, grown and deleted.
    for (const verb of verbs) expect(taken.get(verb) ?? 0, verb).toBeGreaterThan(0);
  },
);
