import { readdir, readFile, stat } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startedKits } from './started-kits.js';
import {
  ask,
  claim,
  type Kit,
  keyOf,
  open,
  openPost,
  post,
  sha256,
  someBytes,
  status,
  until,
  write,
} from './test-kit.js';
import { type OpenDataFile, openDataFile } from './upload-file.js';

const { kits, start } = startedKits();

const held = (kit: Kit, id: string) => readFile(join(kit.dataDir, `${keyOf(id)}.data`));

describe('the contract', () => {
  it('answers 0 for an unknown file and makes nothing', async () => {
    const kit = await start();
    const got = await status(kit.port, 'unknown');
    expect([got.status, got.text, got.headers['content-type']]).toEqual([200, '0', 'text/plain; charset=utf-8']);
    expect(got.headers['cache-control']).toBe('no-store');
    expect(await readdir(kit.dataDir)).toEqual([]);
  });

  it('takes a file in pieces and remembers its size for ever', async () => {
    const kit = await start();
    const bytes = someBytes(300_000);
    const first = await post(kit.port, 'a', 0, 300_000, bytes.subarray(0, 100_000));
    const second = await post(kit.port, 'a', 100_000, 300_000, bytes.subarray(100_000));
    expect([first.status, first.text, second.status, second.text]).toEqual([200, '100000', 200, '300000']);
    expect((await status(kit.port, 'a')).text).toBe('300000');
    const again = await kit.restart();
    kits.push(again);
    expect((await status(again.port, 'a')).text).toBe('300000');
    expect(sha256(await held(again, 'a'))).toBe(sha256(bytes));
  });

  it('takes an empty file', async () => {
    const kit = await start();
    const got = await post(kit.port, 'empty', 0, 0, new Uint8Array());
    expect([got.status, got.text]).toEqual([200, '0']);
    const photos = JSON.parse((await ask(kit.port, '/api/photos')).text);
    expect(photos).toMatchObject([{ key: keyOf('empty'), sizeBytes: 0 }]);
  });

  it('refuses a wrong start byte with the true number, and keeps what it had', async () => {
    const kit = await start();
    const bytes = someBytes(1000);
    await post(kit.port, 'a', 0, 1000, bytes.subarray(0, 400));
    for (const wrong of [0, 399, 401]) {
      const got = await post(kit.port, 'a', wrong, 1000, bytes.subarray(wrong));
      expect([got.status, got.text]).toEqual([409, '400']);
    }
    expect(await held(kit, 'a')).toEqual(bytes.subarray(0, 400));
    expect((await post(kit.port, 'new', 5, 10, bytes.subarray(5, 10))).text).toBe('0');
    expect(await readdir(kit.dataDir)).toHaveLength(2);
  });

  it('refuses another size under the same id, without disturbing the writer', async () => {
    const kit = await start();
    const bytes = someBytes(1000);
    const { client, answer } = openPost(kit.port, 'a', 0, 1000);
    await write(client, bytes.subarray(0, 10));
    await until(() => kit.records.some(({ event }) => event === 'first-byte'), 'first byte');
    expect((await post(kit.port, 'a', 0, 999, bytes.subarray(1))).status).toBe(422);
    client.end(bytes.subarray(10));
    expect((await answer).text).toBe('1000');
  });

  it('tells status while a POST of the same file is running', async () => {
    const kit = await start();
    const bytes = someBytes(200_000);
    const { client, answer } = openPost(kit.port, 'a', 0, bytes.length);
    await write(client, bytes.subarray(0, 150_000));
    await until(async () => (await status(kit.port, 'a')).text === '150000', 'status 150000');
    client.end(bytes.subarray(150_000));
    expect((await answer).text).toBe('200000');
    expect(sha256(await held(kit, 'a'))).toBe(sha256(bytes));
  });

  it('knows only its methods and paths', async () => {
    const kit = await start();
    expect((await ask(kit.port, '/api/status', { method: 'POST' })).status).toBe(405);
    expect((await ask(kit.port, '/api/upload')).headers['allow']).toBe('POST');
    expect((await ask(kit.port, '/nothing')).status).toBe(404);
    expect(JSON.parse((await ask(kit.port, '/healthz')).text)).toMatchObject({ status: 'ok', uploads: 0 });
  });
});

describe('cut and crossing requests', () => {
  it('keeps exactly what arrived of a cut body', async () => {
    const kit = await start();
    const bytes = someBytes(5_000_000);
    const { client } = openPost(kit.port, 'a', 0, bytes.length);
    await write(client, bytes.subarray(0, 1_234_567));
    client.destroy();
    const cut = await until(() => kit.uploads()[0], 'the record');
    expect(cut).toMatchObject({
      outcome: 'cut',
      receivedBytes: 1_234_567,
      acceptedBytes: 1_234_567,
      heldBytes: 1_234_567,
    });
    expect(cut).not.toHaveProperty('answeredBytes');
    expect((await status(kit.port, 'a')).text).toBe('1234567');
    const got = await post(kit.port, 'a', 1_234_567, bytes.length, bytes.subarray(1_234_567));
    expect(got.text).toBe('5000000');
    expect(sha256(await held(kit, 'a'))).toBe(sha256(bytes));
  });

  it('lets a newer request end the older one, and mixes nothing', async () => {
    const kit = await start();
    const bytes = someBytes(400_000);
    const older = openPost(kit.port, 'a', 0, bytes.length);
    await write(older.client, bytes.subarray(0, 100_000));
    await until(async () => (await status(kit.port, 'a')).text === '100000', 'status 100000');
    const newer = await post(kit.port, 'a', 100_000, bytes.length, bytes.subarray(100_000));
    expect(newer.text).toBe('400000');
    // The older one is told, and what it still sends is not kept.
    older.client.end(someBytes(300_000));
    expect(await older.answer).toMatchObject({ status: 409, text: '100000' });
    expect(sha256(await held(kit, 'a'))).toBe(sha256(bytes));
    const replaced = await until(() => kit.uploads().find(({ outcome }) => outcome === 'replaced'), 'replaced');
    const won = kit.uploads().find(({ outcome }) => outcome === 'ok');
    expect(replaced?.writerUntilMs).toBeLessThanOrEqual(won?.writerFromMs ?? 0);
  });

  it('waits until the last write of the older one has landed', async () => {
    let land: () => void = () => undefined;
    const landed = new Promise<void>((resolve) => {
      land = resolve;
    });
    const openData: OpenDataFile = async (path) => {
      const file = await openDataFile(path);
      return {
        write: (...args) => landed.then(() => file.write(...args)),
        datasync: () => file.datasync(),
        truncate: (size) => file.truncate(size),
        close: () => file.close(),
      };
    };
    const kit = await start({ openData });
    const bytes = someBytes(1000);
    const older = openPost(kit.port, 'a', 0, bytes.length);
    await write(older.client, bytes.subarray(0, 400));
    await until(() => kit.records.some(({ event }) => event === 'first-byte'), 'first byte');
    const newer = post(kit.port, 'a', 400, bytes.length, bytes.subarray(400));
    const begun = await until(() => kit.records.filter(({ event }) => event === 'upload-start')[1], 'the newer one');
    await until(() => Date.now() > begun.atMs + 5, 'time in which it could go ahead');
    land();
    expect((await newer).text).toBe('1000');
    expect(await older.answer).toMatchObject({ status: 409, text: '400' });
    const records = await until(() => (kit.uploads().length === 2 ? kit.uploads() : undefined), 'both records');
    const [first, second] = records.sort((a, b) => a.requestId - b.requestId);
    expect(second?.writerFromMs).toBeGreaterThanOrEqual(first?.writerUntilMs ?? Number.NaN);
    expect(sha256(await held(kit, 'a'))).toBe(sha256(bytes));
  });

  it('has one writer among many, and the right content', async () => {
    const kit = await start();
    const bytes = someBytes(3_000_000);
    const upload = async () => {
      for (let tries = 0; tries < 200; tries += 1) {
        const from = Number((await status(kit.port, 'a')).text);
        if (from === bytes.length) return;
        await post(kit.port, 'a', from, bytes.length, bytes.subarray(from, from + 400_000)).catch(() => undefined);
      }
      throw new Error('never done');
    };
    await Promise.all([upload(), upload(), upload()]);
    expect(sha256(await held(kit, 'a'))).toBe(sha256(bytes));
    const spans = kit
      .uploads()
      .flatMap(({ acceptedBytes, startByte }) => (acceptedBytes ? [[startByte, acceptedBytes]] : []));
    expect(spans.reduce((sum, [, accepted = 0]) => sum + accepted, 0)).toBe(bytes.length);
  });

  it('answers before it has read a body that it does not want', async () => {
    const kit = await start();
    const { client, answer } = openPost(kit.port, 'a', 50_000_000, 100_000_000);
    client.end(Buffer.alloc(50_000_000));
    expect(await answer).toMatchObject({ status: 409, text: '0', headers: { connection: 'close' } });
    const record = await until(() => kit.uploads()[0], 'the record');
    expect(record).toMatchObject({ outcome: 'wrong-start', answeredBytes: 0, acceptedBytes: 0 });
    expect(record.receivedBytes).toBeLessThan(512 * 1024);
  });

  it('goes on reading a little after a refusal, so that the answer is not lost in a reset', async () => {
    const kit = await start();
    const socket = connect(kit.port, '127.0.0.1');
    let text = '';
    socket.on('data', (bytes) => {
      text += bytes;
    });
    const headers = Object.entries({ host: 'a', ...claim('a', 1, 200_001), 'content-length': '200000' });
    socket.write(
      `POST /api/upload HTTP/1.1\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`,
    );
    await until(() => text.startsWith('HTTP/1.1 409') && text.endsWith('\r\n\r\n0'), 'the whole answer');
    socket.end(Buffer.alloc(200_000));
    expect(await until(() => kit.uploads()[0], 'the record')).toMatchObject({
      receivedBytes: 200_000,
      acceptedBytes: 0,
    });
  });

  it('ends a request that stands still and keeps its bytes', async () => {
    const kit = await start({ requestIdleMs: 50 });
    const { client, answer } = openPost(kit.port, 'a', 0, 1000);
    await write(client, someBytes(10));
    await expect(answer).rejects.toThrow();
    expect(await until(() => kit.uploads()[0], 'the record')).toMatchObject({ outcome: 'idle', heldBytes: 10 });
    expect((await status(kit.port, 'a')).text).toBe('10');
  });

  it('ends a connection that never finishes its headers', async () => {
    const kit = await start({ headersTimeoutMs: 50 });
    const socket = connect(kit.port, '127.0.0.1');
    socket.write('POST /api/upload HTTP/1.1\r\nX-File-Id: a\r\n');
    let isClosed = false;
    socket.on('close', () => {
      isClosed = true;
    });
    socket.resume();
    await until(() => isClosed, 'closed by the server');
  });

  it('stops with 503, the bytes kept', async () => {
    const kit = await start();
    const { client, answer } = openPost(kit.port, 'a', 0, 1000);
    await write(client, someBytes(10));
    await until(async () => (await status(kit.port, 'a')).text === '10', 'status 10');
    const again = await kit.restart();
    kits.push(again);
    expect(await answer).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
    expect((await status(again.port, 'a')).text).toBe('10');
  });
});

describe('what is refused', () => {
  const hostile = ['../../x', '..%2f..%2fx', '/etc/passwd', 'a/b\\c', 'con', '.'.repeat(4096)];
  it.each(hostile)('never makes a path of the id %s', async (id) => {
    const kit = await start();
    expect((await post(kit.port, id, 0, 3, Buffer.from('abc'))).text).toBe('3');
    expect((await readdir(kit.dataDir)).sort()).toEqual([`${keyOf(id)}.data`, `${keyOf(id)}.json`]);
    expect((await status(kit.port, id)).text).toBe('3');
  });

  it('refuses ids that are missing, too long or not ASCII', async () => {
    const kit = await start();
    expect((await ask(kit.port, '/api/status')).status).toBe(400);
    expect((await status(kit.port, 'x'.repeat(4097))).status).toBe(400);
    expect((await status(kit.port, 'caf\xe9')).status).toBe(400);
    // NUL cannot be sent by an HTTP client; Node's parser refuses it.
    const socket = connect(kit.port, '127.0.0.1');
    let text = '';
    socket.on('data', (bytes) => {
      text += bytes;
    });
    socket.write('GET /api/status HTTP/1.1\r\nHost: a\r\nX-File-Id: a\0b\r\n\r\n');
    await until(() => text.startsWith('HTTP/1.1 400'), '400');
  });

  const numbers = ['', '-1', '1.5', '1e3', '0x10', 'NaN', '9007199254740993', '99999999999999999999', '1,2', '5 5'];
  it.each(numbers)('refuses the number "%s"', async (number) => {
    const kit = await start();
    for (const headers of [claim('a', number, 10), claim('a', 0, number)]) {
      const got = await ask(kit.port, '/api/upload', { method: 'POST', headers, body: Buffer.from('0123456789') });
      expect(got.status).toBe(400);
      expect(got.text).toMatch(/X-(Start-Byte|File-Size)/);
    }
    expect(await readdir(kit.dataDir)).toEqual([]);
  });

  it('refuses a start byte beyond the size, and headers that are missing', async () => {
    const kit = await start();
    expect((await post(kit.port, 'a', 11, 10, new Uint8Array())).status).toBe(400);
    const { 'x-file-size': _, ...rest } = claim('a', 0, 10);
    const got = await ask(kit.port, '/api/upload', { method: 'POST', headers: rest });
    expect([got.status, got.text]).toEqual([400, 'X-File-Size is missing.']);
    expect(kit.records.filter(({ event }) => event === 'bad-request')).toHaveLength(2);
  });

  it('refuses files that are too large, before anything is made', async () => {
    const kit = await start({ maxFileBytes: 1000 });
    expect((await post(kit.port, 'a', 0, 1001, new Uint8Array())).status).toBe(413);
    expect(await readdir(kit.dataDir)).toEqual([]);
    expect((await post(kit.port, 'a', 0, 1000, new Uint8Array(1000))).status).toBe(200);
  });

  it('never holds more than the size, announced or chunked', async () => {
    const kit = await start();
    expect((await post(kit.port, 'a', 0, 10, new Uint8Array(11))).status).toBe(413);
    expect(await readdir(kit.dataDir)).toEqual([]);
    const { client, answer } = open(kit.port, '/api/upload', {
      method: 'POST',
      headers: { ...claim('b', 0, 1000), 'transfer-encoding': 'chunked' },
    });
    await write(client, someBytes(600));
    await until(async () => (await status(kit.port, 'b')).text === '600', 'status 600');
    client.end(someBytes(600));
    expect((await answer).status).toBe(413);
    expect((await stat(join(kit.dataDir, `${keyOf('b')}.data`))).size).toBe(600);
  });

  const wrong = [
    '%',
    '%7B',
    '[]',
    'null',
    '7',
    '%7B%22a%22%3A1%7D',
    '%7B%22a%22%3A%7B%7D%7D',
    `%7B%22a%22%3A%22${'x'.repeat(8200)}%22%7D`,
  ];
  it.each(wrong)('refuses wrong metadata, case %#', async (metadata) => {
    const kit = await start();
    const headers = { ...claim('a', 0, 1), 'x-file-metadata': metadata };
    const got = await ask(kit.port, '/api/upload', { method: 'POST', headers, body: Buffer.from('a') });
    expect(got.status).toBe(400);
    expect(await readdir(kit.dataDir)).toEqual([]);
  });

  it('refuses more unfinished uploads than allowed, but takes those that it knows', async () => {
    const kit = await start({ maxUploads: 2 });
    await Promise.all(['a', 'b'].map((id) => post(kit.port, id, 0, 2, new Uint8Array(1))));
    const many = await Promise.all(['c', 'd'].map((id) => post(kit.port, id, 0, 2, new Uint8Array(1))));
    expect(many.map((got) => [got.status, got.headers['retry-after']])).toEqual([
      [429, '60'],
      [429, '60'],
    ]);
    expect((await post(kit.port, 'a', 1, 2, new Uint8Array(1))).text).toBe('2');
    expect((await post(kit.port, 'c', 0, 2, new Uint8Array(1))).text).toBe('1');
    const again = await kit.restart();
    kits.push(again);
    expect((await post(again.port, 'd', 0, 2, new Uint8Array(1))).status).toBe(429);
  });

  it('keeps owners apart and sends strangers to sign in', async () => {
    const authorize = ({ headers }: IncomingMessage) => headers.authorization;
    const kit = await start({ authorize });
    const as = (owner: string, path: string, more = {}) =>
      ask(kit.port, path, { headers: { 'x-file-id': 'a', authorization: owner, ...more } });
    expect((await status(kit.port, 'a')).status).toBe(401);
    expect((await post(kit.port, 'a', 0, 2, new Uint8Array(2))).status).toBe(401);
    const headers = { ...claim('a', 0, 2), authorization: 'ann' };
    await ask(kit.port, '/api/upload', { method: 'POST', headers, body: new Uint8Array(2) });
    expect((await as('ann', '/api/status')).text).toBe('2');
    expect((await as('bob', '/api/status')).text).toBe('0');
  });
});

describe('other origins', () => {
  const origin = 'https://app.example';
  const preflight = (kit: Kit, from: string) =>
    ask(kit.port, '/api/upload', {
      method: 'OPTIONS',
      headers: { origin: from, 'access-control-request-method': 'POST' },
    });

  it('answers preflights with explicit lists', async () => {
    const kit = await start({ allowedOrigins: [origin] });
    const { status: code, headers } = await preflight(kit, origin);
    expect(code).toBe(204);
    expect(headers).toMatchObject({
      'access-control-allow-origin': origin,
      'access-control-allow-methods': 'POST',
      'access-control-allow-headers':
        'X-File-Id, X-Start-Byte, X-File-Size, X-File-Metadata, Authorization, Content-Type',
      'access-control-max-age': '7200',
      vary: 'Origin',
    });
  });

  it('lets strangers read nothing', async () => {
    const kit = await start({ allowedOrigins: [origin] });
    const headers = Object.keys((await preflight(kit, 'https://evil.example')).headers);
    expect(headers.filter((name) => name.startsWith('access-control'))).toEqual([]);
    const closed = await start();
    expect((await preflight(closed, origin)).headers).not.toHaveProperty('access-control-allow-origin');
  });

  it('lets errors be read as well', async () => {
    const kit = await start({ allowedOrigins: [origin] });
    const got = await ask(kit.port, '/api/status', { headers: { origin } });
    expect(got.status).toBe(400);
    expect(got.headers).toMatchObject({
      'access-control-allow-origin': origin,
      'access-control-expose-headers': 'Retry-After',
      vary: 'Origin',
      'x-content-type-options': 'nosniff',
    });
  });
});

describe('abandoned uploads', () => {
  it('are swept, finished and running ones never', async () => {
    let nowMs = Date.now();
    const kit = await start({ now: () => nowMs, abandonAfterMs: 1000 });
    await post(kit.port, 'left', 0, 2, new Uint8Array(1));
    await post(kit.port, 'done', 0, 2, new Uint8Array(2));
    const { client, answer } = openPost(kit.port, 'running', 0, 2);
    await write(client, new Uint8Array(1));
    await until(async () => (await status(kit.port, 'running')).text === '1', 'running');
    expect(await kit.server.uploads.sweep?.()).toBe(0);
    nowMs += 1001;
    expect(await kit.server.uploads.sweep?.()).toBe(1);
    const texts = await Promise.all(['left', 'done', 'running'].map((id) => status(kit.port, id)));
    expect(texts.map(({ text }) => text)).toEqual(['0', '2', '1']);
    expect((await readdir(kit.dataDir)).sort()).not.toContain(`${keyOf('left')}.data`);
    client.end(new Uint8Array(1));
    expect((await answer).text).toBe('2');
    expect((await post(kit.port, 'left', 0, 2, new Uint8Array(2))).text).toBe('2');
  });
});
