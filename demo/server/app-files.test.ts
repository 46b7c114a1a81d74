// The app's files, as browsers and attackers ask for them.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ask, startKit } from './test-kit.js';

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
