// The app's files, as browsers and attackers ask for them.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ask, claim, startKit, status } from './test-kit.js';

async function start() {
  const folder = await mkdtemp(join(tmpdir(), 'backhaul-app-'));
  const appDir = join(folder, 'app');
  await mkdir(appDir);
  await writeFile(join(appDir, 'index.html'), '<!doctype html>');
  await writeFile(join(appDir, '.env'), 'secret');
  await writeFile(join(folder, 'outside.txt'), 'secret');
  const kit = await startKit({ appDir });
  onTestFinished(async () => {
    await kit.close();
    await rm(folder, { recursive: true, force: true });
  });
  return { ...kit, appDir, folder };
}

test.each(['bytes=9-1', 'bytes=0-0', 'bytes=-', 'bytes=99999-', 'bytes=a-b', 'bytes=1-2,0-0'])(
  'no range of an app file ends the server: %s',
  async (range) => {
    const { port } = await start();
    expect(await ask(port, '/', { headers: { range } })).toMatchObject({ status: 200, text: '<!doctype html>' });
    expect((await ask(port, '/healthz')).status).toBe(200);
  },
);

test.each([
  '/../outside.txt',
  '/..%2foutside.txt',
  '/%2e%2e/outside.txt',
  '/..\\outside.txt',
  '/.env',
  '//..//outside.txt',
  '/%',
  '/%00',
])('a path reaches no file outside the app: %s', async (path) => {
  const { port } = await start();
  const { status, text } = await ask(port, path);
  expect(text).not.toContain('secret');
  expect(status).toBeGreaterThanOrEqual(400);
});

test('the app has a strict policy, and every answer the security headers', async () => {
  const { port } = await start();
  const policy = String((await ask(port, '/')).headers['content-security-policy']);
  expect(policy).toMatch(/^default-src 'none'; /);
  for (const rule of ["script-src 'self'", "base-uri 'none'", "frame-ancestors 'none'"]) {
    expect(policy.split('; ')).toContain(rule);
  }
  expect(policy).not.toMatch(/unsafe|\*|https?:/);
  for (const path of ['/', '/healthz', '/api/photos', '/api/status', '/nowhere']) {
    expect((await ask(port, path)).headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
    });
  }
});

test('a page of another site cannot store, change or delete', async () => {
  const { port } = await start();
  const from = (site: string) =>
    ask(port, '/api/upload', {
      method: 'POST',
      headers: { ...claim('a', 0, 1), 'sec-fetch-site': site, origin: 'https://evil.example' },
      body: new Uint8Array(1),
    });
  expect((await from('cross-site')).status).toBe(403);
  expect((await from('same-site')).status).toBe(403);
  expect((await status(port, 'a')).text).toBe('0');
  expect((await from('same-origin')).status).toBe(200);
});
