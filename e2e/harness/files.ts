// Owns plain files of any size: pseudo-random bytes that a seed determines, and the hash that tells them apart.
import { createCipheriv, createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';

/** A real file on disk, and what its bytes must still be at the other end. */
export interface SourceFile {
  readonly path: string;
  readonly name: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

const BLOCK_BYTES = 1 << 20;

/** Endless bytes that depend on `seed` alone: AES-CTR runs at gigabytes per second, and nothing compresses it. */
export function randomBlocks(seed: number | string): (bytes: number) => Buffer {
  const key = createHash('sha256').update(String(seed)).digest();
  const cipher = createCipheriv('aes-256-ctr', key, Buffer.alloc(16));
  const zeros = Buffer.alloc(BLOCK_BYTES);
  return (bytes) => {
    const blocks: Buffer[] = [];
    for (let left = bytes; left > 0; left -= BLOCK_BYTES)
      blocks.push(cipher.update(zeros.subarray(0, Math.min(left, BLOCK_BYTES))));
    return blocks.length === 1 && blocks[0] !== undefined ? blocks[0] : Buffer.concat(blocks);
  };
}

/** Writes `sizeBytes` of pseudo-random bytes; memory does not grow with the size. */
export async function makeFile(path: string, sizeBytes: number, seed: number | string = 1): Promise<SourceFile> {
  await mkdir(dirname(path), { recursive: true });
  const next = randomBlocks(seed);
  const hash = createHash('sha256');
  const file = await open(path, 'w');
  try {
    for (let left = sizeBytes; left > 0; left -= BLOCK_BYTES) {
      const block = next(Math.min(left, BLOCK_BYTES));
      hash.update(block);
      await file.writeFile(block);
    }
  } finally {
    await file.close();
  }
  return { path, name: basename(path), sizeBytes, sha256: hash.digest('hex') };
}

/** `count` files of one size and different bytes in `dir`: photo-0.jpg, photo-1.jpg ... */
export async function makeFiles(dir: string, count: number, sizeBytes: number): Promise<SourceFile[]> {
  const files: SourceFile[] = [];
  for (let index = 0; index < count; index += 1) {
    files.push(await makeFile(join(dir, `photo-${index}.jpg`), sizeBytes, index));
  }
  return files;
}

/** A file of 0 bytes. */
export async function makeEmptyFile(path: string): Promise<SourceFile> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, '');
  return { path, name: basename(path), sizeBytes: 0, sha256: createHash('sha256').digest('hex') };
}

/** SHA-256 of a file's bytes, hexadecimal. */
export async function sha256File(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: BLOCK_BYTES }), hash);
  return hash.digest('hex');
}
