// The simulator's tus server says what @tus/server says: both get the same requests, in sequences by chance.

import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTusServer } from '../../../demo/server/tus-server.js';
import { Dice } from '../../conformance/dice.js';
import { createTusModel } from './tus-model.js';

const SEQUENCES = 40;
const PATH = '/api/tus';
const told = ['upload-offset', 'upload-length', 'location', 'tus-resumable'];

let folder = '';
const servers: Server[] = [];
const origins: string[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'backhaul-tus-model-'));
  const real = createTusServer({ dataDir: join(folder, 'real') });
  const model = createTusModel(join(folder, 'model'));
  for (const { handle } of [real, model]) {
    const listener: RequestListener = (request, response) => void handle(request, response);
    const server = createServer(listener);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    servers.push(server);
    origins.push(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  }
});

afterAll(async () => {
  for (const server of servers) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
  await rm(folder, { recursive: true, force: true });
});

interface Step {
  readonly method: string;
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body?: Uint8Array<ArrayBuffer>;
}

function stepOf(dice: Dice, id: string, sizeBytes: number): Step {
  const version: Record<string, string> = dice.chance(0.95) ? { 'Tus-Resumable': '1.0.0' } : {};
  const type = { 'Content-Type': 'application/offset+octet-stream' };
  const body = dice.bytes(dice.pick([0, 1, 10, 30, 50]));
  const metadata = `id ${Buffer.from(id).toString('base64')}`;
  const creation = { ...version, 'Upload-Length': String(sizeBytes), 'Upload-Metadata': metadata };
  const path = `${PATH}/${id}`;
  return dice.pick<() => Step>([
    () => ({ method: 'POST', path: PATH, headers: creation }),
    () => ({ method: 'POST', path: PATH, headers: { ...creation, ...type }, body }),
    () => ({ method: 'HEAD', path, headers: version }),
    () => ({ method: 'HEAD', path, headers: version }),
    () => ({
      method: 'PATCH',
      path,
      headers: { ...version, ...type, 'Upload-Offset': String(dice.pick([0, 10, 30, 31, 40, 50])) },
      body,
    }),
    () => ({ method: 'PATCH', path, headers: { ...version, ...type, 'Upload-Offset': '0' }, body }),
    () => ({ method: dice.chance(0.4) ? 'DELETE' : 'HEAD', path, headers: version }),
  ])();
}

async function said(origin: string, { method, path, headers, body }: Step) {
  const response = await fetch(origin + path, { method, headers, body: body ?? null });
  await response.arrayBuffer();
  const values = Object.fromEntries(told.map((name) => [name, response.headers.get(name)]));
  return { status: response.status, ...values, expires: response.headers.has('upload-expires') };
}

test(`the same answers to ${SEQUENCES} sequences of requests`, { timeout: 180_000 }, async () => {
  const statuses = new Set<number>();
  for (let seed = 1; seed <= SEQUENCES; seed += 1) {
    const dice = new Dice(seed, 'tus-model');
    const id = `sequence-${seed}`;
    const sizeBytes = dice.pick([0, 1, 30, 50, 60]);
    for (let at = 0; at < 8; at += 1) {
      const step = stepOf(dice, id, sizeBytes);
      const [real, model] = await Promise.all(origins.map((origin) => said(origin, step)));
      expect({ seed, at, step: step.method, ...model }).toEqual({ seed, at, step: step.method, ...real });
      statuses.add(real?.status ?? 0);
    }
  }
  // They have really met refusals.
  for (const status of [200, 201, 204, 404, 409, 412, 413]) expect(statuses).toContain(status);
});
