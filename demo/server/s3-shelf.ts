// The gallery's shelf in a bucket: one user's folder. Names and dates are in each object's metadata, so a page of the
// list costs a question an object; what never changes is kept.

import { Readable } from 'node:stream';
import { GetObjectCommand, HeadObjectCommand, paginateListObjectsV2, type S3Client } from '@aws-sdk/client-s3';
import type { Photo, Shelf } from './gallery.js';
import type { S3Bucket } from './s3-bucket.js';
import { folderOf, unpackFacts } from './s3-operations.js';

/** Questions at once about the objects of one page. A guess. */
const lanes = 8;
/** Objects whose metadata are kept. A guess: about 300 bytes each. */
const maxKept = 10_000;

interface Listed {
  readonly key: string;
  readonly etag: string;
  readonly finishedAtMs: number;
}

/**
 * Objects are listed by S3 in the order of their keys, and sorted here: that is for a demonstration's thousands. An
 * app with more keeps its own list.
 */
export function s3Shelf(bucket: S3Bucket, user = ''): Shelf {
  const folder = folderOf(user);
  const kept = new Map<string, Photo>();

  async function client(): Promise<S3Client> {
    const living = await bucket.gateway();
    if (living === undefined) throw new Error('The storage does not answer.');
    return living.near;
  }

  async function newestFirst(): Promise<readonly Listed[]> {
    const all: Listed[] = [];
    const pages = paginateListObjectsV2({ client: await client() }, { Bucket: bucket.name, Prefix: folder });
    for await (const { Contents = [] } of pages) {
      for (const { Key = '', ETag = '', LastModified } of Contents) {
        all.push({ key: Key.slice(folder.length), etag: ETag, finishedAtMs: LastModified?.getTime() ?? 0 });
      }
    }
    return all.sort((a, b) => b.finishedAtMs - a.finishedAtMs || (a.key < b.key ? -1 : 1));
  }

  async function find(key: string): Promise<Photo | undefined> {
    // What is not a name that we gave is nobody's business.
    if (!/^[0-9a-f]{64}$/.test(key)) return undefined;
    const asked = new HeadObjectCommand({ Bucket: bucket.name, Key: folder + key });
    const answer = await (await client()).send(asked).catch((error: { name?: string }) => {
      if (error.name === 'NotFound') return undefined;
      throw error;
    });
    if (answer === undefined) return undefined;
    const { ContentType: type = '', ContentLength: sizeBytes = 0, LastModified, Metadata } = answer;
    const { name, lastModifiedMs } = unpackFacts(Metadata?.['file']);
    const dated = lastModifiedMs === undefined ? {} : { lastModifiedMs };
    return { key, name, type, sizeBytes, ...dated, finishedAtMs: LastModified?.getTime() ?? 0 };
  }

  async function photoOf({ key, etag }: Listed): Promise<Photo | undefined> {
    const version = `${key} ${etag}`;
    const known = kept.get(version) ?? (await find(key));
    if (known === undefined) return undefined;
    if (kept.size >= maxKept) kept.clear();
    kept.set(version, known);
    return known;
  }

  return {
    async list(limit, after) {
      const all = await newestFirst();
      const start = after === undefined ? 0 : all.findIndex(({ key }) => key === after) + 1;
      if (after !== undefined && start === 0) return [];
      const page = all.slice(start, start + limit);
      const photos: (Photo | undefined)[] = page.map(() => undefined);
      const left = page.entries();
      const lane = async () => {
        for (const [index, listed] of left) photos[index] = await photoOf(listed);
      };
      await Promise.all(Array.from({ length: lanes }, lane));
      return photos.filter((photo) => photo !== undefined);
    },
    find,
    async read(key, start, end) {
      const Range = `bytes=${start}-${end - 1}`;
      const asked = new GetObjectCommand({ Bucket: bucket.name, Key: folder + key, Range });
      const { Body } = await (await client()).send(asked);
      if (!(Body instanceof Readable)) throw new Error('S3 sent no bytes.');
      return Body;
    },
  };
}
