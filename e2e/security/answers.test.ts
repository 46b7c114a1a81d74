// A hostile server: answers without end, bombs, and redirects. Judged on real sockets.

import type { IncomingHttpHeaders, RequestListener } from 'node:http';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { type Io, s3 } from '../../sw/index.js';
import { requestOnce } from '../../sw/protocols/http.js';
import { serve } from '../harness/serve.js';

const http = {
  fetch,
  credentials: 'same-origin',
  signal: new AbortController().signal,
  headers: () => ({ Authorization: 'Bearer secret' }),
  limit: (signal: AbortSignal) =>
    new Promise<number>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
} as const;
const get = (url: string) => requestOnce(url, { method: 'GET' }, http);

const photo = { id: 'a', endpoint: 'photos', name: 'a', type: '', lastModifiedMs: 0, metadata: {} };

/** Streams until the other side has had enough. */
function endless(sent: { bytes: number; ended: boolean }, head: string | Buffer = ''): RequestListener {
  const block = Buffer.alloc(1 << 20, '7');
  return (_request, response) => {
    response.on('close', () => {
      sent.ended = true;
    });
    response.write(head);
    const more = () => {
      while (!sent.ended && response.write(block)) sent.bytes += block.length;
      sent.bytes += block.length;
    };
    response.on('drain', more);
    more();
  };
}

test('a status without end is read to a bound, and memory stays flat', async () => {
  for (let round = 0; round < 3; round += 1) {
    const sent = { bytes: 0, ended: false };
    const before = process.memoryUsage().rss;
    const { text } = await get(await serve(endless(sent)));
    expect(text.length).toBeLessThan(1_000_000);
    await expect.poll(() => sent.ended).toBe(true);
    // What the kernel's buffers take; a client that reads on would take gigabytes.
    expect(sent.bytes).toBeLessThan(100_000_000);
    expect(process.memoryUsage().rss - before).toBeLessThan(100_000_000);
  }
});

test('a small answer that unpacks to gigabytes is read to a bound', async () => {
  const bomb = gzipSync(Buffer.alloc(200_000_000));
  const url = await serve((_, response) => {
    response.writeHead(200, { 'Content-Encoding': 'gzip' }).end(bomb);
  });
  expect((await get(url)).text.length).toBeLessThan(1_000_000);
});

test('a signer whose answer has no end is read to a bound, and tried again', async () => {
  const sent = { bytes: 0, ended: false };
  const url = await serve(endless(sent, '{"url":"'));
  const io: Io = {
    request: () => Promise.reject(new Error('nothing was signed')),
    bytes: async () => new Blob(),
    sleep: () => new Promise(() => {}),
    nowMs: () => 0,
  };
  const probing = s3({ sign: () => fetch(url) }).create?.({ ...photo, sizeBytes: 20_000_000 }, io, { repeated: false });
  await expect(probing).rejects.toMatchObject({ verdict: 'unreachable' });
  await expect.poll(() => sent.ended).toBe(true);
  expect(sent.bytes).toBeLessThan(100_000_000);
});

test('a list of parts of 50 MB is read to a bound, and believed in nothing', async () => {
  const part = (n: number) => `<Part><PartNumber>${n}</PartNumber><ETag>x</ETag><Size>8388608</Size></Part>`;
  const sent = { bytes: 0 };
  const url = await serve(async (_, response) => {
    response.on('error', () => {});
    response.write('<ListPartsResult>');
    for (let n = 1; sent.bytes < 50_000_000 && !response.destroyed; n += 1000) {
      const block = Array.from({ length: 1000 }, (_, index) => part(n + index)).join('');
      sent.bytes += block.length;
      if (!response.write(block)) {
        await new Promise((resolve) => void response.once('drain', resolve).once('close', resolve));
      }
    }
    response.end('</ListPartsResult>');
  });
  const io: Io = {
    request: (target, options) => requestOnce(target, options, http),
    bytes: async () => new Blob(),
    sleep: () => new Promise(() => {}),
    nowMs: () => 0,
  };
  const upload = { ...photo, sizeBytes: 10_000 * 8_388_608 };
  const state = { uploadId: 'U', partBytes: 8_388_608 };
  const context = { unsettled: false, finalSent: false, heldBytes: 0 };
  const probing = s3({ sign: async () => ({ url }) }).probe(upload, state, io, context);
  await expect(probing).rejects.toMatchObject({ verdict: 'unreachable', code: 'unexpected-answer' });
  expect(sent.bytes).toBeLessThan(20_000_000);
});

test.each([301, 302, 303, 307, 308])(
  'a redirect (%i) is not followed: another origin gets neither token nor bytes',
  async (status) => {
    const seen: IncomingHttpHeaders[] = [];
    const evil = await serve(({ headers }, response) => {
      seen.push(headers);
      response.end('0');
    });
    const url = await serve((request, response) => {
      request.resume();
      response.writeHead(status, { Location: evil }).end();
    });
    for (const method of ['GET', 'POST', 'PATCH', 'PUT']) {
      const body = method === 'GET' ? undefined : new Blob(['bytes']);
      const outcome = await requestOnce(url, { method, body }, http).catch(() => ({ ok: false }));
      expect(outcome.ok).toBe(false);
    }
    expect(seen).toEqual([]);
  },
);
