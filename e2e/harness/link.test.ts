// What the link promises, on real sockets: a small HTTP server behind it, plain clients before it.
import { Agent, createServer, request as httpRequest } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { carriesLastByte, type Link, type LinkOptions, startLink } from './link.js';

interface Received {
  readonly method: string;
  readonly path: string;
  bytes: number;
  ended: boolean;
  closed: boolean;
}

/** Says where the upload is before its bytes have been read, as servers of the IETF's protocol do. */
const INTERIM = 'HTTP/1.1 104 Upload Resumption Supported\r\nLocation: /a\r\n\r\n';

const open: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function lab(options: Partial<LinkOptions> = {}): Promise<{ link: Link; received: Received[] }> {
  const received: Received[] = [];
  const server = createServer((req, res) => {
    const entry = { method: req.method ?? '', path: req.url ?? '', bytes: 0, ended: false, closed: false };
    received.push(entry);
    if (entry.path === '/interim') req.socket.write(INTERIM);
    req.on('data', (data: Buffer) => {
      entry.bytes += data.length;
    });
    req.on('end', () => {
      entry.ended = true;
      if (entry.path === '/interim-along') {
        req.socket.cork();
        req.socket.write(INTERIM);
        process.nextTick(() => req.socket.uncork());
      }
      res.end(`got ${entry.bytes}`);
    });
    req.on('error', () => undefined);
    res.on('close', () => {
      entry.closed = true;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const link = await startLink({ targetPort: (server.address() as AddressInfo).port, ...options });
  open.push(
    () => new Promise((resolve) => server.closeAllConnections() ?? server.close(resolve)),
    () => link.close(),
  );
  return { link, received };
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

/** One keep-alive connection unless `agent` is false. Rejects with the socket's error. */
function ask(
  link: Link,
  method: string,
  path: string,
  { body, headers = {}, agent }: { body?: Buffer; headers?: Record<string, string>; agent?: Agent | false } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'Content-Length': String(body.length) };
    const options = { port: link.port, host: '127.0.0.1', method, path, headers: { ...length, ...headers } };
    const req = httpRequest({ ...options, ...(agent === undefined ? {} : { agent }) }, (res) => {
      let text = '';
      res.on('data', (data: Buffer) => {
        text += data.toString();
      });
      res.on('end', () => resolve({ status: res.statusCode ?? 0, text }));
      res.on('error', reject);
    });
    req.on('error', reject);
    req.end(body);
  });
}

function keepAlive(): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  open.push(() => agent.destroy());
  return agent;
}

const code = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no error',
    (error: NodeJS.ErrnoException) => error.code,
  );
const silence = (promise: Promise<unknown>, ms = 300) =>
  Promise.race([
    promise.then(
      () => 'answered',
      (error: Error) => error.message,
    ),
    delay(ms, 'silent'),
  ]);

describe('passing on', () => {
  it('carries several requests of one connection and keeps a ledger of each', async () => {
    const { link, received } = await lab();
    const agent = keepAlive();
    const headers = { 'X-File-Id': 'a-1', 'X-Start-Byte': '7', 'X-File-Size': '300007' };
    expect(await ask(link, 'GET', '/api/status', { agent, headers: { 'X-File-Id': 'a-1' } })).toMatchObject({
      text: 'got 0',
    });
    const body = Buffer.alloc(300_000, 'GET /fake HTTP/1.1\r\n\r\n');
    expect(await ask(link, 'POST', '/api/upload', { agent, headers, body })).toMatchObject({ text: 'got 300000' });
    expect(await ask(link, 'POST', '/api/upload', { agent, body: Buffer.alloc(0) })).toMatchObject({ text: 'got 0' });
    expect(link.acceptedConnections).toBe(1);
    expect(link.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'GET /api/status',
      'POST /api/upload',
      'POST /api/upload',
    ]);
    const [status, upload] = link.requests;
    expect(status).toMatchObject({ fileId: 'a-1', bodyBytes: 0, outcome: 'answered', status: 200 });
    expect(status?.firstByteAtMs).toBeUndefined();
    expect(upload).toMatchObject({
      startByte: 7,
      sizeBytes: 300_007,
      bodyBytesForwarded: 300_000,
      outcome: 'answered',
    });
    expect(upload?.firstByteAtMs).toBeGreaterThanOrEqual(upload?.startedAtMs ?? Infinity);
    expect(upload?.endedAtMs).toBeGreaterThanOrEqual(upload?.firstByteAtMs ?? Infinity);
    expect(link.uplinkBytes).toBeGreaterThan(300_000);
    expect(received).toHaveLength(3);
  });

  it.each(['/interim', '/interim-along'])(
    'passes an interim answer on, and waits for the final one: %s',
    async (path) => {
      const { link } = await lab();
      expect(await ask(link, 'POST', path, { body: Buffer.alloc(300_000) })).toMatchObject({ text: 'got 300000' });
      expect(link.requests).toMatchObject([{ status: 200, outcome: 'answered', bodyBytesForwarded: 300_000 }]);
      const dropped = link.dropNextAnswerTo('POST', path);
      expect(await code(ask(link, 'POST', path, { body: Buffer.alloc(300_000) }))).toBe('ECONNRESET');
      expect(await dropped).toMatchObject({ status: 200, outcome: 'dropped', bodyBytesForwarded: 300_000 });
    },
  );

  it('keeps its port when the server behind it changes', async () => {
    const { link } = await lab();
    const other = await lab();
    link.setTarget((await lab()).link.port);
    await ask(link, 'GET', '/first', { agent: false });
    link.setTarget(other.link.port);
    await ask(link, 'GET', '/second', { agent: false });
    expect(other.received.map(({ path }) => path)).toEqual(['/second']);
  });

  it('adds the round trip to connection and answer', async () => {
    const { link } = await lab({ latencyMs: 100 });
    const agent = keepAlive();
    const startMs = performance.now();
    await ask(link, 'GET', '/', { agent });
    const firstMs = performance.now() - startMs;
    await ask(link, 'GET', '/', { agent });
    expect(firstMs).toBeGreaterThanOrEqual(195);
    expect(performance.now() - startMs - firstMs).toBeGreaterThanOrEqual(95);
  });
});

describe('shaping', () => {
  it('holds 20 Mbit/s over two seconds, shared by two connections', async () => {
    const { link, received } = await lab({ uplinkBitsPerSecond: 20_000_000 });
    const body = Buffer.alloc(20_000_000);
    const uploads = [1, 2].map((n) => code(ask(link, 'POST', `/${n}`, { body, agent: false })));
    await expect.poll(() => received.filter(({ bytes }) => bytes > 0).length).toBe(2);
    const total = () => received.reduce((sum, { bytes }) => sum + bytes, 0);
    const [startMs, startBytes] = [performance.now(), total()];
    await delay(2000);
    const bitsPerSecond = ((total() - startBytes) * 8000) / (performance.now() - startMs);
    expect(bitsPerSecond).toBeGreaterThan(20_000_000 * 0.85);
    expect(bitsPerSecond).toBeLessThan(20_000_000 * 1.15);
    const [one, two] = received;
    expect((one?.bytes ?? 0) / (two?.bytes ?? 1)).toBeCloseTo(1, 0);
    link.reset();
    await Promise.all(uploads);
  });
});

describe('faults', () => {
  it('reset: RST for both sides in the middle of a body', async () => {
    const { link, received } = await lab({ uplinkBitsPerSecond: 8_000_000 });
    const upload = code(ask(link, 'POST', '/', { body: Buffer.alloc(5_000_000), agent: false }));
    await expect.poll(() => received[0]?.bytes ?? 0).toBeGreaterThan(100_000);
    link.reset();
    expect(await upload).toBe('ECONNRESET');
    await expect.poll(() => received[0]?.closed).toBe(true);
    expect(received[0]?.ended).toBe(false);
    expect(link.requests[0]).toMatchObject({ outcome: 'lost' });
    expect(link.openConnections).toBe(0);
  });

  it('refuse and accept: nobody listens, then somebody does on the same port', async () => {
    const { link } = await lab();
    await link.refuse();
    expect(await code(ask(link, 'GET', '/', { agent: false }))).toBe('ECONNREFUSED');
    await link.accept();
    expect((await ask(link, 'GET', '/', { agent: false })).status).toBe(200);
  });

  it('blackHole: old connections are silent for ever, new ones work', async () => {
    const { link, received } = await lab({ uplinkBitsPerSecond: 8_000_000 });
    const old = ask(link, 'POST', '/old', { body: Buffer.alloc(2_000_000), agent: false });
    await expect.poll(() => received[0]?.bytes ?? 0).toBeGreaterThan(0);
    link.blackHole();
    // What had been handed over still arrives from the kernel's buffers.
    const held = link.requests[0]?.bodyBytesForwarded;
    await expect.poll(() => received[0]?.bytes).toBe(held);
    expect(await silence(old)).toBe('silent');
    expect((await ask(link, 'GET', '/new', { agent: false })).status).toBe(200);
    link.reset();
    expect(await silence(old)).toBe('silent');
    expect(received[0]).toMatchObject({ bytes: held, closed: false });
    const lost = code(old);
    await link.close();
    expect(await lost).toBe('ECONNRESET');
  });

  it('blackHole: the server does not learn that the browser gave up', async () => {
    const { link, received } = await lab({ uplinkBitsPerSecond: 8_000_000 });
    const socket: Socket = connect(link.port, '127.0.0.1');
    socket.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n${'x'.repeat(500)}`);
    await expect.poll(() => received[0]?.bytes).toBe(500);
    link.blackHole();
    socket.destroy();
    await delay(200);
    expect(received[0]?.closed).toBe(false);
  });

  it('blackHoleAll and heal: new connections are silent too, then everything goes on', async () => {
    const { link, received } = await lab();
    link.blackHoleAll();
    const waiting = ask(link, 'POST', '/', { body: Buffer.alloc(1000), agent: false });
    expect(await silence(waiting)).toBe('silent');
    expect(received).toHaveLength(0);
    link.heal();
    expect((await waiting).text).toBe('got 1000');
  });

  it('cut: exactly so many bytes reach the server, then everything is reset, once', async () => {
    const { link, received } = await lab();
    link.cut(700_000);
    expect(await code(ask(link, 'POST', '/', { body: Buffer.alloc(1_000_000), agent: false }))).toMatch(
      /ECONNRESET|EPIPE/,
    );
    await expect.poll(() => received[0]?.closed).toBe(true);
    expect(link.uplinkBytes).toBe(700_000);
    expect(received[0]?.bytes).toBe(link.requests[0]?.bodyBytesForwarded);
    expect((await ask(link, 'POST', '/', { body: Buffer.alloc(1_000_000), agent: false })).text).toBe('got 1000000');
  });

  it('dropNextAnswerTo: the server has all of it, the browser hears nothing but a reset', async () => {
    const { link, received } = await lab();
    const agent = keepAlive();
    const headers = (startByte: number) => ({
      'X-File-Id': 'f',
      'X-Start-Byte': String(startByte),
      'X-File-Size': '200000',
    });
    const dropped = link.dropNextAnswerTo('POST', '/api/upload', carriesLastByte);
    const body = Buffer.alloc(100_000);
    expect((await ask(link, 'POST', '/api/upload', { agent, body, headers: headers(0) })).status).toBe(200);
    expect((await ask(link, 'GET', '/api/status', { agent })).status).toBe(200);
    expect(await code(ask(link, 'POST', '/api/upload', { agent, body, headers: headers(100_000) }))).toBe('ECONNRESET');
    expect(await dropped).toMatchObject({
      startByte: 100_000,
      bodyBytesForwarded: 100_000,
      status: 200,
      outcome: 'dropped',
    });
    expect(received.at(-1)).toMatchObject({ bytes: 100_000, ended: true });
    expect((await ask(link, 'POST', '/api/upload', { agent, body, headers: headers(100_000) })).status).toBe(200);
  });

  it('rewriteNextStatus and replaceNextAnswer: the server is asked, the browser hears something else, once', async () => {
    const { link, received } = await lab();
    const agent = keepAlive();
    const rewritten = link.rewriteNextStatus(4711);
    expect((await ask(link, 'POST', '/api/upload', { agent, body: Buffer.alloc(10) })).text).toBe('got 10');
    expect(await ask(link, 'GET', '/api/status', { agent })).toEqual({ status: 200, text: '4711' });
    expect(await rewritten).toMatchObject({ outcome: 'replaced', path: '/api/status' });
    expect((await ask(link, 'GET', '/api/status', { agent })).text).toBe('got 0');
    const html = { status: 502, headers: { 'Content-Type': 'text/html' }, body: '<h1>ä</h1>' };
    void link.replaceNextAnswer({ method: 'GET', path: '/api' }, html);
    expect(await ask(link, 'GET', '/api/status', { agent })).toEqual({ status: 502, text: '<h1>ä</h1>' });
    expect(received).toHaveLength(4);
  });

  it('a server that is down is a reset connection, until it is back', async () => {
    const { link } = await lab();
    const { link: server } = await lab();
    link.setTarget(server.port);
    await server.refuse();
    expect(await code(ask(link, 'GET', '/', { agent: false }))).toBe('ECONNRESET');
    await server.accept();
    expect((await ask(link, 'GET', '/', { agent: false })).status).toBe(200);
  });
});
