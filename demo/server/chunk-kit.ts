// What the tests of the chunk server share: a server on a free port with a folder of its own, the gallery beside it, and a
// client that can misbehave.

import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ChunkRecord, ChunkServerOptions } from './chunk-options.js';
import { type ChunkServer, createChunkServer } from './chunk-server.js';
import { fileShelf } from './file-shelf.js';
import { createGallery } from './gallery.js';
import { ask, type Got } from './test-kit.js';

export interface ChunkKit {
  readonly port: number;
  readonly dataDir: string;
  readonly server: ChunkServer;
  readonly records: ChunkRecord[];
  readonly urls: { readonly chunk: string; readonly merge: string };
  /** What the folder holds of unfinished uploads. */
  leftovers(): Promise<readonly string[]>;
  /** Another server on the same folder, after this one was closed; on the same port if asked. */
  restart(options?: Partial<ChunkServerOptions> & { readonly port?: number }): Promise<ChunkKit>;
  close(): Promise<void>;
}

type KitOptions = Partial<ChunkServerOptions> & { readonly port?: number };

export async function startChunkKit(options: KitOptions = {}): Promise<ChunkKit> {
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'backhaul-chunks-')));
  const records: ChunkRecord[] = [];
  const server = createChunkServer({ onRequest: (record) => void records.push(record), ...options, dataDir });
  await server.ready;
  const gallery = createGallery(
    '/api/photos',
    fileShelf(() => server.finished()),
  );
  const http = createServer((request, response) => {
    if (!server.handle(request, response) && !gallery(request, response)) response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => http.listen(options.port ?? 0, '127.0.0.1', resolve));
  const { port } = http.address() as AddressInfo;
  const stop = async () => {
    const closed = new Promise((resolve) => http.close(resolve));
    await server.close();
    http.closeAllConnections();
    await closed;
  };
  const origin = `http://127.0.0.1:${port}`;
  return {
    port,
    dataDir,
    server,
    records,
    urls: { chunk: `${origin}/api/chunks`, merge: `${origin}/api/chunks/merge` },
    leftovers: async () => (await readdir(join(dataDir, 'chunks'))).filter((name) => name !== 'contents.log'),
    async restart(changed = {}) {
      await stop();
      return startChunkKit({ ...options, ...changed, dataDir });
    },
    async close() {
      await stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

export type SaidFields = Readonly<Record<string, string | number>>;

/** A form as browsers make it. */
export function form(fields: SaidFields, bytes: Uint8Array, boundary = randomUUID()) {
  const parts = Object.entries(fields).map(
    ([name, value]) => `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  );
  const file = `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="a"\r\nContent-Type: application/octet-stream\r\n\r\n`;
  const body = Buffer.concat([Buffer.from(parts.join('') + file), bytes, Buffer.from(`\r\n--${boundary}--\r\n`)]);
  return { headers: { 'content-type': `multipart/form-data; boundary=${boundary}` }, body };
}

export const postChunk = (kit: ChunkKit, fields: SaidFields, bytes: Uint8Array): Promise<Got> =>
  ask(kit.port, '/api/chunks', { method: 'POST', ...form(fields, bytes) });

const queryOf = (fields: SaidFields) =>
  new URLSearchParams(
    Object.entries(fields).map(([name, value]): [string, string] => [name, String(value)]),
  ).toString();

export const list = (kit: ChunkKit, fields: SaidFields): Promise<Got> =>
  ask(kit.port, `/api/chunks?${queryOf(fields)}`);

export const merge = (kit: ChunkKit, fields: SaidFields): Promise<Got> =>
  ask(kit.port, '/api/chunks/merge', { method: 'POST', body: Buffer.from(queryOf(fields)) });

export const abort = (kit: ChunkKit, id: string): Promise<Got> =>
  ask(kit.port, `/api/chunks?${queryOf({ id })}`, { method: 'DELETE' });
