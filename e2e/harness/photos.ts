// Owns photos: real JPEGs at a camera's pixel and file sizes, made once and kept, the same for the same seed.
// Other files are files.ts's.
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { randomBlocks, type SourceFile } from './files.js';
import { repositoryDir } from './server.js';

export { makeEmptyFile, makeFile, type SourceFile, sha256File } from './files.js';

export interface PhotoOptions {
  readonly count: number;
  /** Default 2 MB. */
  readonly minBytes?: number;
  /** Default 8 MB. */
  readonly maxBytes?: number;
  /** Default: {@link difficultNames} first, then IMG_0001.jpg and so on. */
  readonly names?: readonly string[];
  readonly seed?: number;
  /** Default: node_modules/.cache/backhaul-e2e. */
  readonly cacheDir?: string;
}

/** Names that broke other uploaders: in headers, in URLs, in file systems, on screen. */
export const difficultNames: readonly string[] = [
  '照片 2026年11月.jpg',
  'صورة من العطلة.jpg',
  '👩‍👩‍👧‍👦 🏖️ summer.jpg',
  '100% done %20 %zz.jpg',
  `it's "quoted" & <b>.jpg`,
  '  two  spaces .jpg',
  '\u202Egpj.elpmaxe\u202C.jpg',
  'קיץ 2026 (עותק).jpg',
  'a+b=c;d,e#f?g.jpg',
  `${'very-long-'.repeat(24)}.jpg`,
  'naïve café ﬁ e\u0301.jpg',
  'no-extension',
];

interface Base {
  readonly width: number;
  readonly height: number;
  readonly pixels: Buffer;
  /** What the scene weighs at each of QUALITIES. */
  readonly weights: number[];
}

interface Size {
  readonly width: number;
  readonly height: number;
  /** How much noise the scene has; what a JPEG weighs is mostly noise. */
  readonly noise: number;
}

const SIZES: readonly (Size & { readonly upToBytes: number })[] = [
  { upToBytes: 100_000, width: 480, height: 320, noise: 30 },
  { upToBytes: 400_000, width: 900, height: 600, noise: 30 },
  { upToBytes: 1_500_000, width: 1500, height: 1000, noise: 50 },
  { upToBytes: 4_500_000, width: 3000, height: 2000, noise: 40 },
  { upToBytes: Infinity, width: 3000, height: 2000, noise: 80 },
];
/** Where the weight of a scene is measured; between them it is estimated. */
const QUALITIES = [5, 30, 60, 80, 90, 96] as const;
/** Changes when the recipe does, so that old caches are not taken for new. */
const RECIPE = 1;

/** Makes `count` photos on disk, or finds those of an earlier run. Every file's bytes differ. */
export async function makePhotos(options: PhotoOptions): Promise<SourceFile[]> {
  const { count, minBytes = 2_000_000, maxBytes = 8_000_000, seed = 1 } = options;
  const names = namesFor(count, options.names ?? difficultNames);
  const key = createHash('sha256')
    .update(JSON.stringify([RECIPE, count, minBytes, maxBytes, names, seed]))
    .digest('hex');
  const root = options.cacheDir ?? join(repositoryDir, 'node_modules/.cache/backhaul-e2e');
  const dir = join(root, `photos-${key.slice(0, 16)}`);
  const kept = await readManifest(dir);
  if (kept !== undefined) return kept;

  await mkdir(dir, { recursive: true });
  const bases = new Map<Size, Promise<Base>>();
  const photos: SourceFile[] = [];
  const make = async (index: number, name: string) => {
    const random = randomBlocks(`${seed}/${index}`);
    const sizeBytes = Math.round(minBytes + (random(4).readUInt32LE() / 2 ** 32) * (maxBytes - minBytes));
    const size = SIZES.find(({ upToBytes }) => sizeBytes <= upToBytes) ?? SIZES[0];
    if (size === undefined) throw new Error('There are sizes.');
    const base = bases.get(size) ?? paint(size, seed);
    bases.set(size, base);
    const bytes = fill(await photograph(await base, index, sizeBytes), sizeBytes, random);
    const path = join(dir, name);
    await writeFile(path, bytes);
    photos[index] = { path, name, sizeBytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
  };
  // As many at a time as libvips has threads; each holds some 20 MB of pixels.
  const waiting = [...names.entries()];
  const lane = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await make(...next);
  };
  await Promise.all([lane(), lane(), lane(), lane()]);
  const draft = join(dir, '.manifest.tmp');
  await writeFile(draft, JSON.stringify(photos));
  await rename(draft, join(dir, '.manifest.json'));
  return photos;
}

function namesFor(count: number, wanted: readonly string[]): string[] {
  const plain = (index: number) => `IMG_${String(index + 1).padStart(4, '0')}.jpg`;
  return Array.from({ length: count }, (_, index) => wanted[index] ?? plain(index));
}

async function readManifest(dir: string): Promise<SourceFile[] | undefined> {
  try {
    const photos = JSON.parse(await readFile(join(dir, '.manifest.json'), 'utf8')) as SourceFile[];
    for (const { path, sizeBytes } of photos) if ((await stat(path)).size !== sizeBytes) return undefined;
    return photos;
  } catch {
    return undefined;
  }
}

/** A scene: sky and ground as gradients, coloured things in it, and a sensor's noise over all. */
async function paint({ width, height, noise }: Size, seed: number): Promise<Base> {
  const pixels = randomBlocks(`${seed}/base/${width}/${noise}`)(width * height * 3);
  const things = Array.from({ length: 12 }, (_, n) => ({
    x: ((n * 0.381 + seed * 0.17) % 1) * width,
    y: ((n * 0.618) % 1) * height,
    r: (0.04 + 0.02 * (n % 5)) * width,
    tones: [53, 97, 31].map((step) => 50 + ((n * step) % 160)),
  }));
  for (let y = 0, at = 0; y < height; y++) {
    const here = things.filter((thing) => Math.abs(thing.y - y) < thing.r);
    const below = y / height;
    const sky = [150 - 60 * below, 185 - 75 * below, 225 - 160 * below];
    for (let x = 0; x < width; x++) {
      const tones = here.find((thing) => (thing.x - x) ** 2 + (thing.y - y) ** 2 < thing.r * thing.r)?.tones ?? sky;
      for (let channel = 0; channel < 3; channel++, at++) {
        const grain = (((pixels[at] ?? 0) - 128) * noise) / 128;
        pixels[at] = Math.max(0, Math.min(255, (tones[channel] ?? 0) + grain));
      }
    }
  }
  const base: Base = { width, height, pixels, weights: [] };
  for (const quality of QUALITIES) base.weights.push((await encode(base, 0, quality)).length);
  return base;
}

/** The best quality that still fits, found from the scene's weights; a photo darker than the scene weighs less. */
async function photograph(base: Base, index: number, maxBytes: number): Promise<Buffer> {
  for (let quality = estimate(base, maxBytes - 8); quality > 0; quality -= quality > 60 ? 2 : 5) {
    const bytes = await encode(base, index, quality);
    if (bytes.length + 8 <= maxBytes) return bytes;
  }
  throw new Error(`A photo of ${base.width}x${base.height} does not fit into ${maxBytes} bytes.`);
}

function estimate({ weights }: Base, maxBytes: number): number {
  const upper = weights.findIndex((weight) => weight > maxBytes);
  if (upper < 0) return QUALITIES[QUALITIES.length - 1] ?? 90;
  const [low = 1, high = 5] = [QUALITIES[upper - 1], QUALITIES[upper]];
  const [light = 0, heavy = maxBytes] = [weights[upper - 1], weights[upper]];
  return Math.max(1, Math.floor(low + ((high - low) * (maxBytes - light)) / (heavy - light)));
}

/** Tint and mirroring make each photo its own picture. */
function encode({ width, height, pixels }: Base, index: number, quality: number): Promise<Buffer> {
  const tint = [1, 2, 3].map((step) => 1 - 0.02 * ((index * step) % 10));
  const image = sharp(pixels, { raw: { width, height, channels: 3 } }).linear(tint, [0, 0, 0]);
  return (index % 2 === 1 ? image.flop() : image).jpeg({ quality }).toBuffer();
}

/** To the exact size, by application segments after SOI, where cameras keep previews and maker notes. */
function fill(jpeg: Buffer, sizeBytes: number, random: (bytes: number) => Buffer): Buffer {
  const MAX_PAYLOAD = 65_533;
  const parts: Buffer[] = [jpeg.subarray(0, 2)];
  for (let missing = sizeBytes - jpeg.length; missing > 0; ) {
    // A segment is 4 bytes and its payload; never leave a rest too small for one.
    const whole = Math.min(missing, MAX_PAYLOAD + 4);
    const payload = missing - whole > 0 && missing - whole < 4 ? whole - 8 : whole - 4;
    const head = Buffer.from([0xff, 0xe9, 0, 0]);
    head.writeUInt16BE(payload + 2, 2);
    parts.push(head, random(payload));
    missing -= payload + 4;
  }
  return Buffer.concat([...parts, jpeg.subarray(2)]);
}
