// A disk that is really full: a file system of 8 MB in memory. Each protocol says 507, loses no byte that it has
// acknowledged, and goes on once there is room.

import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, rm, rmdir, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { clients, type FileProtocol } from './protocol-clients.js';
import { ask, someBytes, startKit } from './test-kit.js';

const protocols = Object.keys(clients) as FileProtocol[];
const DISK_BYTES = 8 * 1024 * 1024;

/** A small disk of the test's own; or why there is none. */
async function smallDisk(): Promise<{ readonly folder: string } | { readonly reason: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'backhaul-small-disk-'));
  onTestFinished(() => rmdir(folder));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', folder], { stdio: 'pipe' });
  } catch (error) {
    return { reason: `no small disk can be mounted here: ${String(error).split('\n').at(1) ?? error}` };
  }
  // Finished in the reverse order: unmounted, then removed.
  onTestFinished(() => void execFileSync('umount', ['--lazy', folder]));
  return { folder };
}

test.for(protocols)('a disk that is full is told by 507, and loses nothing: %s', async (protocol, { skip }) => {
  const disk = await smallDisk();
  if ('reason' in disk) return skip(disk.reason);
  const dataDir = join(disk.folder, 'data');
  const kit = await startKit({ dataDir, protocol });
  onTestFinished(() => kit.server.close());
  const photos = async () => JSON.parse((await ask(kit.port, '/api/photos')).text) as { key: string }[];
  const [before, begun, refused] = [someBytes(100_000), someBytes(2_000_000), someBytes(2_000_000)].map(
    (bytes, index) => {
      return { bytes: Buffer.from(bytes), client: clients[protocol](`upload-${index}`, Buffer.from(bytes)) };
    },
  ) as [Sent, Sent, Sent];
  await before.client.begin(kit.port);
  await before.client.goOn(kit.port);
  expect((await begun.client.begin(kit.port)).status).toBeLessThan(300);

  // Somebody else's bytes; a few pages are left, so that a write ends in the middle.
  const filler = join(disk.folder, 'filler');
  const { bavail, bsize } = await statfs(disk.folder);
  await writeFile(filler, new Uint8Array(bavail * bsize - 20 * bsize));
  const full = (await begun.client.goOn(kit.port)).at(protocol === 'chunks' ? 2 : -1);
  expect(full).toMatch(/^507 .*full/);
  // What is left now is less than a page or two.
  await writeFile(join(disk.folder, 'crumbs'), new Uint8Array(20 * bsize)).catch(() => {});
  const names = (await readdir(dataDir, { recursive: true })).sort();
  expect((await refused.client.begin(kit.port)).status).toBe(507);
  // Nothing half made takes up what little there is.
  expect((await readdir(dataDir, { recursive: true })).sort()).toEqual(names);
  expect((await ask(kit.port, '/healthz')).status).toBe(200);

  await rm(filler);
  await rm(join(disk.folder, 'crumbs'));
  const answers = await begun.client.goOn(kit.port);
  // The first half was acknowledged: it is not asked for again.
  const heldBytes = protocol === 'chunks' ? undefined : Number(/\d{6,}/.exec(answers[0] ?? '')?.[0]);
  if (heldBytes !== undefined) expect(heldBytes).toBeGreaterThanOrEqual(1_000_000);
  else expect(answers[0]).toContain('"chunks":[0]');
  expect((await refused.client.begin(kit.port)).status).toBeLessThan(300);
  await refused.client.goOn(kit.port);
  const whole = await Promise.all((await photos()).map(({ key }) => ask(kit.port, `/api/photos/${key}`)));
  for (const { bytes } of [before, begun, refused]) {
    expect(whole.filter((got) => Buffer.compare(got.bytes, bytes) === 0)).toHaveLength(1);
  }
});

interface Sent {
  readonly bytes: Buffer;
  readonly client: ReturnType<(typeof clients)[FileProtocol]>;
}
