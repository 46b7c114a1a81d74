// What the server's tests share: a server on a free port with a folder of its own, and a client that can misbehave.

import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { type ClientRequest, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DemoOptions, type DemoServer, startDemoServer } from './demo-server.js';
import type { RequestRecord, UploadRecord } from './request-records.js';

export interface Got {
  readonly status: number;
  readonly text: string;
  readonly bytes: Buffer;
  readonly headers: IncomingHttpHeaders;
}

export interface Kit {
  readonly port: number;
  readonly dataDir: string;
  readonly server: DemoServer;
  readonly records: RequestRecord[];
  /** Ended POSTs so far. */
  uploads(): UploadRecord[];
  /** Another server on the same folder, after this one was closed. */
  restart(options?: Partial<DemoOptions>): Promise<Kit>;
  close(): Promise<void>;
}

export async function startKit(options: Partial<DemoOptions> = {}): Promise<Kit> {
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'backhaul-server-')));
  const records: RequestRecord[] = [];
  const onRequest = (record: RequestRecord) => void records.push(record);
  const appDir = join(dataDir, 'no-app');
  const server = await startDemoServer({ host: '127.0.0.1', port: 0, appDir, dataDir, onRequest, ...options });
  return {
    port: server.port,
    dataDir,
    server,
    records,
    uploads: () => records.filter((record) => record.event === 'upload'),
    async restart(changed = {}) {
      await server.close();
      return startKit({ ...options, ...changed, dataDir });
    },
    async close() {
      await server.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

export interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

/** A request whose body is written by hand. */
export function open(port: number, path: string, { method = 'GET', headers = {} }: Asked) {
  const client = request({ port, path, method, headers, agent: false });
  const answer = new Promise<Got>((resolve, reject) => {
    client.on('error', reject);
    client.on('response', (response) => void collect(response).then(resolve, reject));
  });
  // Many tests look at the server alone.
  answer.catch(() => undefined);
  return { client, answer };
}

export async function ask(port: number, path: string, asked: Asked = {}): Promise<Got> {
  const length = asked.body === undefined ? {} : { 'content-length': String(asked.body.length) };
  const { client, answer } = open(port, path, { ...asked, headers: { ...length, ...asked.headers } });
  client.end(asked.body);
  return answer;
}

async function collect(response: IncomingMessage): Promise<Got> {
  const parts: Buffer[] = [];
  for await (const part of response) parts.push(part);
  const bytes = Buffer.concat(parts);
  return { status: response.statusCode ?? 0, text: bytes.toString(), bytes, headers: response.headers };
}

export const claim = (id: string, startByte: number | string, sizeBytes: number | string) => ({
  'x-file-id': id,
  'x-start-byte': String(startByte),
  'x-file-size': String(sizeBytes),
});

export const status = (port: number, id: string) => ask(port, '/api/status', { headers: { 'x-file-id': id } });

export const post = (port: number, id: string, startByte: number, sizeBytes: number, body: Uint8Array) =>
  ask(port, '/api/upload', { method: 'POST', headers: claim(id, startByte, sizeBytes), body });

/** A POST that announces all the rest and is written by hand. */
export const openPost = (port: number, id: string, startByte: number, sizeBytes: number) =>
  open(port, '/api/upload', {
    method: 'POST',
    headers: { ...claim(id, startByte, sizeBytes), 'content-length': String(sizeBytes - startByte) },
  });

export const write = (client: ClientRequest, bytes: Uint8Array) =>
  new Promise<void>((resolve) => {
    client.write(bytes, () => resolve());
  });

export const keyOf = (id: string) => createHash('sha256').update(id).digest('hex');
export const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
export const someBytes = (count: number) => randomBytes(count);

/** Polls until `look` gives something true. */
export async function until<T>(
  look: () => T | false | undefined | Promise<T | false | undefined>,
  what: string,
  limitMs = 15_000,
): Promise<T> {
  const endMs = Date.now() + limitMs;
  for (;;) {
    const seen = await look();
    if (seen) return seen;
    if (Date.now() > endMs) throw new Error(`Not within ${limitMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
