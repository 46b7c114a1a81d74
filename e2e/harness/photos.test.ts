// Photos are only worth something if they are real, differ, and are the same tomorrow.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeEmptyFile, makeFile, makePhotos, sha256File } from './photos.js';

let dir = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'backhaul-photos-test-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const options = { count: 14, minBytes: 30_000, maxBytes: 90_000 };

it('makes photos that decode, inside the limits, no two alike', async () => {
  const photos = await makePhotos({ ...options, cacheDir: dir });
  expect(new Set(photos.map(({ sha256 }) => sha256)).size).toBe(14);
  for (const { path, name, sizeBytes, sha256 } of photos) {
    expect(path.endsWith(name)).toBe(true);
    expect(sizeBytes).toBeGreaterThanOrEqual(options.minBytes);
    expect(sizeBytes).toBeLessThanOrEqual(options.maxBytes);
    const bytes = await readFile(path);
    expect(bytes.length).toBe(sizeBytes);
    expect(await sha256File(path)).toBe(sha256);
    const { data, info } = await sharp(bytes, { failOn: 'warning' }).raw().toBuffer({ resolveWithObject: true });
    expect(data.length).toBe(info.width * info.height * 3);
  }
});

it('makes the same photos for the same seed, and others for another', async () => {
  const hashes = async (seed: number, cacheDir: string) =>
    (await makePhotos({ ...options, seed, cacheDir: join(dir, cacheDir) })).map(({ sha256 }) => sha256);
  const first = await hashes(1, 'a');
  expect(await hashes(1, 'a')).toEqual(first);
  expect(await hashes(1, 'b')).toEqual(first);
  expect(await hashes(2, 'a')).not.toEqual(first);
});

it('makes files of any size, the same for the same seed', async () => {
  const [one, two, other] = [
    await makeFile(join(dir, '1'), 3_000_001, 'x'),
    await makeFile(join(dir, '2'), 3_000_001, 'x'),
    await makeFile(join(dir, '3'), 3_000_001, 'y'),
  ];
  expect(one.sha256).toBe(await sha256File(one.path));
  expect(two.sha256).toBe(one.sha256);
  expect(other.sha256).not.toBe(one.sha256);
  expect(await sha256File((await makeEmptyFile(join(dir, '0'))).path)).toMatch(/^e3b0c442/);
});
