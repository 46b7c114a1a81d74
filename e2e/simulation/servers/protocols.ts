// The protocols, each with its adapter and the real logic of its reference server on the world's disk; and what the disk
// says that a server holds, for those who judge.

import { createChunkServer } from '../../../demo/server/chunk-server.js';
import { createIetfServer } from '../../../demo/server/ietf-server.js';
import { createUploadServer } from '../../../demo/server/upload-server.js';
import { byteOffset, chunkList, chunks, jsonHeader, resumableUpload, s3, tus } from '../../../sw/index.js';
import type { Adapter } from '../../../sw/protocols/adapter.js';
import type { MemoryRequest, MemoryResponse } from '../world/exchange.js';
import { GONE } from '../world/link.js';
import { TOKEN } from '../world/network.js';
import { world } from '../world/world.js';
import type { MemoryDisk } from './memory-disk.js';
import { Bucket, createS3Model } from './s3-model.js';
import { createTusModel } from './tus-model.js';

export const ORIGIN = 'https://server.test';
const DATA = '/data';

export interface Served {
  handle(request: never, response: never): boolean;
}

export interface Protocol {
  readonly name: string;
  adapter(pieceBytes: number): Adapter;
  /** A new process on the disk. */
  start(): Served;
  /** Contents of the finished files of that name. */
  finished(disk: MemoryDisk, name: string): readonly Uint8Array[];
  /** Bytes that it holds of files of that name, finished or not. */
  heldBytes(disk: MemoryDisk, name: string): number;
  /** Whether what it acknowledged survives a power cut, and not just a kill. */
  readonly syncs: boolean;
  /** Whether a cancel reaches the server. */
  readonly cancels: boolean;
}

export function serve(served: Served, request: MemoryRequest, response: MemoryResponse): void {
  // In memory, node:http's objects have only what the servers use of them.
  if (!served.handle(request as never, response as never)) response.writeHead(404).end();
}

const headers = () => ({ Authorization: TOKEN });

interface Meta {
  readonly sizeBytes: number;
  readonly metadata: Readonly<Record<string, string>>;
}

function metasOf(disk: MemoryDisk, name: string, end: string) {
  return [...disk.files].flatMap(([path, { bytes }]) => {
    if (!path.endsWith(end)) return [];
    const meta = JSON.parse(Buffer.from(bytes).toString() || '{}') as Meta;
    return meta.metadata?.['filename'] === name ? [{ meta, base: path.slice(0, -end.length) }] : [];
  });
}

function wholeFiles(disk: MemoryDisk, name: string): readonly Uint8Array[] {
  return metasOf(disk, name, '.json').flatMap(({ meta, base }) => {
    const data = disk.files.get(`${base}.data`);
    return data && data.bytes.length === meta.sizeBytes ? [data.bytes] : [];
  });
}

function mostHeld(disk: MemoryDisk, name: string): number {
  const sizes = metasOf(disk, name, '.json').map(({ base }) => disk.files.get(`${base}.data`)?.bytes.length ?? 0);
  return Math.max(0, ...sizes);
}

const byteOffsetProtocol: Protocol = {
  name: 'byte-offset',
  adapter: (pieceSize) =>
    byteOffset({
      statusUrl: `${ORIGIN}/api/status`,
      uploadUrl: `${ORIGIN}/api/upload`,
      metadataHeader: jsonHeader('X-File-Metadata'),
      pieceSize,
      settleMs: 0,
      headers,
    }),
  start: () => createUploadServer({ dataDir: DATA }),
  finished: wholeFiles,
  heldBytes: mostHeld,
  syncs: true,
  cancels: false,
};

const chunksProtocol: Protocol = {
  name: 'chunks',
  adapter: (chunkSize) =>
    chunks({
      chunk: { url: `${ORIGIN}/api/chunks` },
      ask: chunkList({ url: `${ORIGIN}/api/chunks` }),
      merge: { url: `${ORIGIN}/api/chunks/merge` },
      abort: { url: `${ORIGIN}/api/chunks` },
      means: ({ text }) => (text === GONE ? 'restart' : undefined),
      chunkSize,
      headers,
    }),
  start: () => createChunkServer({ dataDir: DATA, mergeAtOnceBytes: 0 }),
  finished: wholeFiles,
  heldBytes: (disk, name) => {
    const unfinished = metasOf(disk, name, '.meta').map(({ base, meta }) => {
      const log = Buffer.from(disk.files.get(`${base}.log`)?.bytes ?? []).toString();
      const indices = new Set([...log.matchAll(/^(\d+);$/gm)].map(([, index]) => Number(index)));
      const { chunkBytes } = meta as Meta & { chunkBytes: number };
      return [...indices].reduce(
        (sum, index) => sum + Math.min(meta.sizeBytes, (index + 1) * chunkBytes) - index * chunkBytes,
        0,
      );
    });
    return Math.max(mostHeld(disk, name), ...unfinished);
  },
  syncs: true,
  cancels: true,
};

const ietfProtocol = (name: string, draft: 12 | 15): Protocol => ({
  name,
  adapter: (pieceSize) => resumableUpload({ endpoint: `${ORIGIN}/api/resumable`, pieceSize, headers }),
  start: () => createIetfServer({ dataDir: DATA, draft }),
  finished: (disk, file) =>
    metasOf(disk, file, '.json').flatMap(({ base }) => {
      const data = disk.files.get(`${base}.data`);
      return data && disk.files.has(`${base}.complete`) ? [data.bytes] : [];
    }),
  heldBytes: mostHeld,
  syncs: true,
  cancels: true,
});

const tusProtocol: Protocol = {
  name: 'tus',
  adapter: (pieceSize) =>
    tus({
      endpoint: `${ORIGIN}/api/tus`,
      pieceSize,
      metadata: ({ id }) => ({ id }),
      oneRequestBytes: pieceSize,
      uploadUrl: ({ id }) => `${ORIGIN}/api/tus/${id}`,
      headers,
    }),
  start: () => createTusModel(DATA),
  finished: wholeFiles,
  heldBytes: mostHeld,
  syncs: true,
  cancels: true,
};

/** A bucket belongs to a world as its disk does. */
const buckets = new WeakMap<MemoryDisk, Bucket>();

function bucketOf(disk: MemoryDisk): Bucket {
  const bucket = buckets.get(disk) ?? new Bucket();
  buckets.set(disk, bucket);
  return bucket;
}

const keysOf = ({ names }: Bucket, name: string) => [...names].filter(([, each]) => each === name).map(([key]) => key);

const s3Protocol: Protocol = {
  name: 's3',
  adapter: () =>
    s3({
      // Signed by the app's backend, over the same network.
      sign: (operation) =>
        fetch(`${ORIGIN}/sign?${encodeURIComponent(JSON.stringify(operation))}`, { headers: headers() }),
      partSize: 5_242_880,
      wholeBytes: 1_000_000,
    }),
  start: () => createS3Model(ORIGIN, bucketOf(world().disk)),
  finished: (disk, name) => {
    const bucket = bucketOf(disk);
    return keysOf(bucket, name).flatMap((key) => bucket.objects.get(key) ?? []);
  },
  heldBytes: (disk, name) => {
    const bucket = bucketOf(disk);
    const sizes = keysOf(bucket, name).map((key) => {
      const parts = [...bucket.uploads.values()].filter((upload) => upload.key === key);
      const held = parts.map((upload) => [...upload.parts.values()].reduce((sum, { bytes }) => sum + bytes.length, 0));
      return Math.max(0, bucket.objects.get(key)?.length ?? 0, ...held);
    });
    return Math.max(0, ...sizes);
  },
  syncs: true,
  cancels: true,
};

export const protocols: readonly Protocol[] = [
  byteOffsetProtocol,
  chunksProtocol,
  ietfProtocol('ietf-15', 15),
  ietfProtocol('ietf-12', 12),
  tusProtocol,
  s3Protocol,
];
