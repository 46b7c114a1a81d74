// The audit that publishing runs, with the real npm, against registries that know of nothing, of something, or do not answer.

import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { serve } from '../harness/serve.js';

const root = resolve(import.meta.dirname, '../..');

async function audit(listener: RequestListener): Promise<{ readonly code: number | null; readonly said: string }> {
  const cache = await mkdtemp(join(tmpdir(), 'backhaul-audit-'));
  onTestFinished(() => rm(cache, { recursive: true, force: true }));
  const npm = { registry: await serve(listener), cache, fetch_retries: '0', update_notifier: 'false', logs_max: '0' };
  const settings = Object.fromEntries(Object.entries(npm).map(([name, value]) => [`npm_config_${name}`, value]));
  const child = spawn(process.execPath, ['.ci/audit.mjs'], { cwd: root, env: { ...process.env, ...settings } });
  const code = new Promise<number | null>((done) => child.once('exit', done));
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { code: await code, said: out + err };
}

/** A registry that answers a question about known weaknesses with `advisories`. */
const registry =
  (advisories: object): RequestListener =>
  (request, response) => {
    request.resume();
    const isQuestion = request.method === 'POST' && request.url?.endsWith('/advisories/bulk');
    response.setHeader('content-type', 'application/json');
    if (isQuestion) response.end(JSON.stringify(advisories));
    // Of a package with a weakness npm asks which version has none.
    else response.end(JSON.stringify({ name: 'idb', 'dist-tags': {}, versions: {} }));
  };

test('nothing known passes, and says of how many packages', { timeout: 60_000 }, async () => {
  const { code, said } = await audit(registry({}));
  expect([code, said]).toEqual([0, expect.stringMatching(/no known weakness in \d{3,} packages/)]);
});

test('a known weakness of a package fails the audit', { timeout: 60_000 }, async () => {
  const weakness = {
    id: 1,
    title: 'Loses bytes',
    url: 'https://example.com/1',
    severity: 'high',
    vulnerable_versions: '*',
  };
  const { code, said } = await audit(registry({ idb: [weakness] }));
  expect(code).toBe(1);
  expect(said).toMatch(/high: idb .*Loses bytes/);
});

test.each<[string, RequestListener]>([
  ['refuses the question', (_, response) => response.writeHead(405).end()],
  ['answers a web page', (_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>Sign in')],
  ['does not answer', (request) => request.socket.destroy()],
])('a registry that %s is said not to have been asked', { timeout: 60_000 }, async (_, listener) => {
  const { code, said } = await audit(listener);
  expect([code, said]).toEqual([2, expect.stringMatching(/^NOT ASKED/)]);
});

test('nothing is published that was not checked and audited', async () => {
  const { scripts } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  expect(scripts.prepublishOnly).toBe('npm run check && npm run audit');
  expect(scripts.audit).toBe('node .ci/audit.mjs');
});
