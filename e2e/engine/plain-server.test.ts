// The real engine against the plainest server of this protocol, with all that goes wrong between them. Judged by what
// the server received. Invariants 2, 3, 6, 7, 11.

import { describe, expect, test } from 'vitest';
import { byteOffset } from '../../sw/index.js';
import type { Asked, Fault } from './plain-server.js';
import { deliveries, fileOf, setStage } from './stage.js';

const ANSWER = (status: number, body = '', headers: Record<string, string> = {}): Fault => ({
  type: 'answer',
  status,
  body,
  headers,
});
const HTML = ANSWER(200, '<!doctype html><h1>Welcome to Hotel WLAN</h1>', { 'Content-Type': 'text/html' });
const MINUTE = 60_000;
const HOUR = 3_600_000;

/** After so many requests the server falls silent: an endless loop then ends as a number that is too large. */
const PATIENCE = 1500;

describe('a file arrives whole, once', () => {
  test.each([0, 1, 65_536, 524_288, 700_000])('of %i bytes', async (size) => {
    const { server, add, delivery } = await setStage();
    const file = fileOf('a.bin', size);
    await add([file]);
    await delivery(file);
    expect(deliveries(server, file)).toBe(1);
    expect(server.uploads().reduce((sum, { bodyBytes }) => sum + bodyBytes, 0)).toBe(size);
  });

  test('in pieces', async () => {
    const { server, add, delivery } = await setStage({ pieceSize: 100_000 });
    const file = fileOf('a.bin', 450_000);
    await add([file]);
    await delivery(file);
    expect(server.uploads().map(({ startByte }) => startByte)).toEqual([0, 100_000, 200_000, 300_000, 400_000]);
    expect(deliveries(server, file)).toBe(1);
  });

  test.each([0, 1, 99_999, 100_000, 150_000])('when each first body is cut after %i bytes', async (afterBytes) => {
    const { server, add, delivery } = await setStage({ pieceSize: 200_000 });
    const file = fileOf('a.bin', 500_000);
    const cut = new Set<number>();
    server.fault = ({ kind, startByte }) => {
      if (kind !== 'upload' || cut.has(startByte) || cut.size > 6) return undefined;
      cut.add(startByte);
      return { type: 'cut', afterBytes };
    };
    await add([file]);
    await delivery(file);
    expect(deliveries(server, file)).toBe(1);
    // Invariant 7: what the server said it holds is not sent again.
    const kept = server.uploads().reduce((sum, { bodyBytes }) => sum + bodyBytes, 0);
    expect(kept).toBe(500_000);
  });

  test.each([1, 2, 3, 4])('when the answer to piece %i of 4 is lost', async (lost) => {
    const { server, add, delivery } = await setStage({ pieceSize: 100_000 });
    const file = fileOf('a.bin', 400_000);
    server.fault = ({ kind, nth }) => (kind === 'upload' && nth === lost - 1 ? { type: 'mute' } : undefined);
    await add([file]);
    await delivery(file);
    // The last answer is the one that such a server cannot repeat.
    expect(deliveries(server, file)).toBe(lost === 4 ? 2 : 1);
  });

  test('when the server wrote less than it was sent and says so by "Wrong start byte"', async () => {
    const { server, add, delivery, named } = await setStage({ pieceSize: 100_000 });
    const file = fileOf('a.bin', 400_000);
    server.fault = ({ kind, nth }) => {
      if (kind !== 'upload' || nth !== 2) return undefined;
      server.truncate(file.id, 150_000);
      return undefined;
    };
    await add([file]);
    await delivery(file);
    expect(server.uploads().map(({ startByte, status }) => [startByte, status])).toEqual([
      [0, 200],
      [100_000, 200],
      [200_000, 400],
      [150_000, 200],
      [250_000, 200],
      [350_000, 200],
    ]);
    expect(deliveries(server, file)).toBe(1);
    expect((await named('a.bin')).acknowledgedBytes).toBe(400_000);
  });

  test('when the server loses its memory in the middle, as often as the budget allows', async () => {
    const { server, add, delivery } = await setStage({ pieceSize: 100_000 });
    const file = fileOf('a.bin', 400_000);
    server.fault = ({ kind, nth }) => {
      if (kind === 'upload' && [2, 5, 8].includes(nth)) server.forget();
      return undefined;
    };
    await add([file]);
    await delivery(file);
    expect(deliveries(server, file)).toBe(1);
  });

  test('a server that always loses its memory fails the upload, with a code', async () => {
    const { server, time, add, named } = await setStage({ pieceSize: 100_000 });
    const file = fileOf('a.bin', 400_000);
    server.fault = ({ kind, startByte }) => {
      if (kind === 'upload' && startByte === 200_000) server.forget();
      return undefined;
    };
    await add([file]);
    await time.until('failure', async () => (await named('a.bin')).status === 'failed');
    expect(await named('a.bin')).toMatchObject({ status: 'failed', error: { code: 'server-lost-bytes' } });
    expect(server.uploads().length).toBeLessThan(20);
  });
});

describe('the last answer is lost, and the server has forgotten the file', () => {
  test("'restart' delivers again, but not for ever", async () => {
    const { server, time, add, named } = await setStage({ pieceSize: 100_000 });
    const file = fileOf('a.bin', 200_000);
    server.fault = ({ kind, startByte }) => (kind === 'upload' && startByte === 100_000 ? { type: 'mute' } : undefined);
    await add([file]);
    await time.until('failure', async () => (await named('a.bin')).status === 'failed');
    expect(await named('a.bin')).toMatchObject({ error: { code: 'server-lost-bytes' } });
    expect(deliveries(server, file)).toBe(4);
  });

  test("'done' does not send again", async () => {
    const { server, add, delivery } = await setStage({ pieceSize: 100_000, zeroAfterLastPiece: 'done' });
    const file = fileOf('a.bin', 200_000);
    server.fault = ({ kind, startByte }) => (kind === 'upload' && startByte === 100_000 ? { type: 'mute' } : undefined);
    await add([file]);
    await delivery(file);
    expect(deliveries(server, file)).toBe(1);
  });

  test("'done' never takes a refused connection for a delivery", async () => {
    const { server, time, add, delivery, named } = await setStage({ zeroAfterLastPiece: 'done' });
    const file = fileOf('a.bin', 20_000);
    await server.stop();
    await add([file]);
    await time.until('a wait', async () => (await named('a.bin')).status === 'waiting');
    await server.start();
    await delivery(file);
    expect(deliveries(server, file)).toBe(1);
  });

  test("'done' never takes a body that the server did not keep for a delivery", async () => {
    const { server, add, delivery } = await setStage({ zeroAfterLastPiece: 'done' });
    const file = fileOf('a.bin', 20_000);
    server.fault = ({ kind, nth }) => (kind === 'upload' && nth === 0 ? { type: 'reset' } : undefined);
    await add([file]);
    await delivery(file);
    expect(deliveries(server, file)).toBe(1);
  });
});

describe('the network', () => {
  test.each([1, 60, 3600])(
    'refused connections for %i s: delivered within a quarter of that and a second',
    async (seconds) => {
      const { server, time, add, delivery, statuses } = await setStage();
      const files = [fileOf('a.bin', 1000), fileOf('b.bin', 1000), fileOf('c.bin', 1000), fileOf('d.bin', 1000)];
      await server.stop();
      const downAtMs = time.now();
      await add(files);
      await time.pass(seconds * 1000);
      expect(Object.values(await statuses())).not.toContain('failed');
      await server.start();
      await delivery(...files);
      expect(time.now() - downAtMs).toBeLessThanOrEqual(seconds * 1250 + 1000 + 1000);
      for (const file of files) expect(deliveries(server, file)).toBe(1);
    },
  );

  test('a page that says `online` makes it go on at once', async () => {
    const { server, time, worker, add, delivery } = await setStage();
    const file = fileOf('a.bin', 1000);
    await server.stop();
    await add([file]);
    await time.pass(HOUR);
    await server.start();
    const backAtMs = time.now();
    await worker.send({ type: 'wake', reason: 'online' });
    await delivery(file);
    expect(time.now() - backAtMs).toBeLessThan(1000);
  });

  test('a request that is never answered is given up and asked about', async () => {
    const { server, time, add, delivery } = await setStage();
    const file = fileOf('a.bin', 100_000);
    server.fault = ({ kind, nth }) => (kind === 'upload' && nth === 0 ? { type: 'hang' } : undefined);
    const startedAtMs = time.now();
    await add([file]);
    await delivery(file);
    expect(time.now() - startedAtMs).toBeLessThan(30_000);
    expect(deliveries(server, file)).toBe(1);
  });

  test('a question that is never answered is asked again', async () => {
    const { server, add, delivery } = await setStage({ pieceSize: 50_000 });
    const file = fileOf('a.bin', 100_000);
    server.fault = ({ kind, nth }) =>
      kind === 'status' && nth === 0
        ? { type: 'hang' }
        : kind === 'upload' && nth === 0
          ? { type: 'reset' }
          : undefined;
    await add([file]);
    await delivery(file);
    expect(deliveries(server, file)).toBe(1);
  });

  test('the page of a captive portal is a wait with a code, and then the file is delivered', async () => {
    const { server, time, add, delivery, named } = await setStage();
    const file = fileOf('a.bin', 1000);
    server.fault = () => HTML;
    await add([file]);
    await time.pass(10 * MINUTE);
    expect(await named('a.bin')).toMatchObject({ status: 'waiting', error: { code: 'unexpected-answer' } });
    server.fault = () => undefined;
    await delivery(file);
    expect(deliveries(server, file)).toBe(1);
  });

  test('a captive portal is left at once when the user comes back to the page', async () => {
    const { server, time, worker, add, delivery } = await setStage();
    const file = fileOf('a.bin', 1000);
    server.fault = () => HTML;
    await add([file]);
    await time.pass(HOUR);
    server.fault = () => undefined;
    const backAtMs = time.now();
    await worker.send({ type: 'wake', reason: 'visible' });
    await delivery(file);
    expect(time.now() - backAtMs).toBeLessThan(1000);
  });
});

describe('refusals', () => {
  test('401 parks the upload with its offset; other endpoints go on; a look at the page is a new try', async () => {
    const { server, time, worker, add, delivery, named } = await setStage(
      { pieceSize: 100_000, headers: () => ({ 'X-Who': 'photos' }) },
      {
        endpoints: ({ urls }) => ({ other: byteOffset({ ...urls, settleMs: 0 }) }),
      },
    );
    const [parked, free] = [fileOf('parked.bin', 300_000), fileOf('free.bin', 300_000)];
    let signedIn = false;
    server.fault = ({ kind, nth, headers }) =>
      headers['x-who'] === 'photos' && kind === 'upload' && nth >= 1 && !signedIn ? ANSWER(401) : undefined;
    await add([parked]);
    await add([free], { endpoint: 'other' });
    await delivery(free);
    await time.pass(HOUR);
    expect(await named('parked.bin')).toMatchObject({
      status: 'waiting',
      reason: 'auth',
      acknowledgedBytes: 100_000,
      error: { code: 'unauthorized', httpStatus: 401 },
    });
    expect(server.uploads(parked.id)).toHaveLength(2);
    signedIn = true;
    await worker.send({ type: 'wake', reason: 'visible' });
    await delivery(parked);
    expect(deliveries(server, parked)).toBe(1);
    expect(server.uploads(parked.id).map(({ startByte }) => startByte)).toEqual([0, 100_000, 100_000, 200_000]);
  });

  test('403 goes on after resume()', async () => {
    const { server, time, worker, add, delivery, named } = await setStage();
    const file = fileOf('a.bin', 1000);
    server.fault = () => ANSWER(403);
    await add([file]);
    await time.until('parked', async () => (await named('a.bin')).status === 'waiting');
    server.fault = () => undefined;
    const { id } = await named('a.bin');
    expect(await worker.send({ type: 'control', control: 'resume', ids: [id] })).toEqual({ refused: [] });
    await delivery(file);
  });

  test('while one asks for a sign-in, a thousand others do not ask as well', async () => {
    const { server, time, add } = await setStage();
    server.fault = () => ANSWER(401);
    await add(Array.from({ length: 30 }, (_, index) => fileOf(`${index}.bin`, 100)));
    await time.pass(HOUR);
    expect(server.seen.length).toBeLessThanOrEqual(3);
  });

  test('413 above a megabyte: smaller pieces, delivered', async () => {
    const { server, add, delivery } = await setStage();
    server.limitBytes = 1_048_576;
    const file = fileOf('a.bin', 12_000_000);
    await add([file]);
    await delivery(file);
    expect(deliveries(server, file)).toBe(1);
    expect(server.uploads().filter(({ status }) => status === 413).length).toBeLessThan(4);
  });

  test('a reset above a megabyte, again and again: smaller pieces, and it is not forgotten', async () => {
    const { server, add, delivery } = await setStage();
    server.fault = ({ headers }) =>
      Number(headers['content-length'] ?? 0) > 1_048_576 ? { type: 'reset' } : undefined;
    const files = [fileOf('a.bin', 20_000_000), fileOf('b.bin', 1_100_000), fileOf('c.bin', 3_000_000)];
    for (const file of files) {
      await add([file]);
      await delivery(file);
      expect(deliveries(server, file)).toBe(1);
    }
    const pieces = server.uploads();
    // Four until it is suspected, one of 8 MB; then the ceiling holds for 32 pieces and more.
    expect(pieces.filter(({ status }) => status === undefined)).toHaveLength(5);
    expect(pieces.length).toBeLessThan(5 + 28);
  });

  test('a connection that breaks after some bytes, again and again: pieces stay as they are', async () => {
    const { server, time, add, delivery, named } = await setStage();
    const [first, file] = [fileOf('a.bin', 5_000_000), fileOf('b.bin', 12_000_000)];
    await add([first]);
    await delivery(first);
    // Earlier failures of its own leave it no budget.
    server.fault = () => ({ type: 'reset' });
    await add([file]);
    await time.until('waiting', async () => (await named('b.bin')).status === 'waiting');
    server.fault = ({ kind }) => (kind === 'upload' ? { type: 'cut', afterBytes: 700_000 } : undefined);
    await delivery(file);
    expect(deliveries(server, file)).toBe(1);
    const pieces = server.uploads(file.id).filter(({ bodyBytes }) => bodyBytes > 0);
    for (const { headers, startByte } of pieces) expect(Number(headers['content-length'])).toBe(12_000_000 - startByte);
  });

  test('413 for the smallest piece is final, and says what to do', async () => {
    const { server, time, add, named } = await setStage();
    server.limitBytes = 1000;
    await add([fileOf('a.bin', 2_000_000)]);
    await time.until('failure', async () => (await named('a.bin')).status === 'failed');
    expect(await named('a.bin')).toMatchObject({ error: { code: 'too-large', httpStatus: 413 } });
    expect(server.uploads().length).toBeLessThan(6);
  });

  test.each(['seconds', 'date'])('503 with Retry-After in %s is obeyed', async (form) => {
    const { server, time, add, delivery, named } = await setStage();
    const files = [fileOf('a.bin', 1000), fileOf('b.bin', 1000), fileOf('c.bin', 1000), fileOf('d.bin', 1000)];
    const startedAtMs = time.now();
    const untilMs = startedAtMs + 600_000;
    const value = form === 'seconds' ? '600' : new Date(untilMs).toUTCString();
    const times: number[] = [];
    server.fault = () => {
      times.push(time.now());
      return time.now() < untilMs ? ANSWER(503, '', { 'Retry-After': value }) : undefined;
    };
    await add(files);
    await time.pass(5000);
    const waiting = await named('a.bin');
    expect(waiting).toMatchObject({ status: 'waiting', reason: 'server', error: { code: 'server-error' } });
    await delivery(...files);
    expect(times.filter((atMs) => atMs > startedAtMs + 1000 && atMs < untilMs)).toEqual([]);
    expect(time.now() - untilMs).toBeLessThan(30_000);
  });

  test('Retry-After is not forgotten because a neighbour got another failure', async () => {
    const { server, time, add } = await setStage();
    const files = [fileOf('a.bin', 1000), fileOf('b.bin', 1000), fileOf('c.bin', 1000), fileOf('d.bin', 1000)];
    let first: string | undefined;
    server.fault = ({ id }) => {
      first ??= id;
      return id === first ? ANSWER(429, '', { 'Retry-After': '600' }) : ANSWER(502);
    };
    await add(files);
    await time.pass(300_000);
    expect(server.seen.length).toBeLessThanOrEqual(4);
  });

  test('500 for one file: the others of the endpoint are delivered meanwhile', async () => {
    const { server, time, add, delivery, named } = await setStage();
    const bad = fileOf('bad.bin', 1000);
    const good = Array.from({ length: 12 }, (_, index) => fileOf(`good-${index}.bin`, 1000));
    server.fault = ({ id }) => (id === bad.id ? ANSWER(500) : undefined);
    const startedAtMs = time.now();
    await add([bad, ...good]);
    await delivery(...good);
    expect(time.now() - startedAtMs).toBeLessThan(1000);
    await time.pass(HOUR);
    expect(await named('bad.bin')).toMatchObject({ status: 'waiting', error: { httpStatus: 500 } });
    expect(server.seen.filter(({ id }) => id === bad.id).length).toBeLessThan(100);
    server.fault = () => undefined;
    await delivery(bad);
  });

  test('a number larger than the file ends that file alone', async () => {
    const { server, time, add, delivery, named } = await setStage({ pieceSize: 1000 });
    const [bad, good] = [fileOf('bad.bin', 9_000_000), fileOf('good.bin', 1000)];
    server.fault = ({ id, kind }) => (id === bad.id && kind === 'status' ? ANSWER(200, '9000001') : undefined);
    await add([bad, good]);
    await delivery(good);
    await time.until('failure', async () => (await named('bad.bin')).status === 'failed');
    expect(await named('bad.bin')).toMatchObject({ error: { code: 'offset-beyond-size' } });
    expect(server.uploads(bad.id)).toEqual([]);
  });

  test('a refused file keeps its bytes: retry() delivers it', async () => {
    const { server, time, worker, add, delivery, named } = await setStage();
    const file = fileOf('a.bin', 1000);
    server.fault = () => ANSWER(422, 'no cats');
    await add([file]);
    await time.until('failure', async () => (await named('a.bin')).status === 'failed');
    expect(await named('a.bin')).toMatchObject({
      error: { code: 'refused', message: expect.stringContaining('no cats') },
    });
    server.fault = () => undefined;
    await worker.send({ type: 'control', control: 'retry', ids: 'all' });
    await delivery(file);
  });
});

describe('nobody is asked in a tight loop', () => {
  const upload = (fault: Fault) => (asked: Asked) => (asked.kind === 'upload' ? fault : undefined);
  const status = (fault: Fault) => (asked: Asked) => (asked.kind === 'status' ? fault : undefined);
  const all = (fault: Fault) => () => fault;

  test.each<[string, (asked: Asked) => Fault | undefined, number]>([
    ['a server that is down with 503', all(ANSWER(503)), 60],
    ['a server that resets everything', all({ type: 'reset' }), 60],
    ['a server that hangs', all({ type: 'hang' }), 60],
    ['a status that is always refused with 409', status(ANSWER(409)), 60],
    ['a status that is always refused with 412', status(ANSWER(412)), 60],
    ['a status that is always refused with 416', status(ANSWER(416)), 60],
    ['a server whose uploads fail with 503 while its status is well', upload(ANSWER(503)), 60],
    ['a server whose uploads fail with 502 while its status is well', upload(ANSWER(502)), 60],
    ['a server whose uploads fail with 500 while its status is well', upload(ANSWER(500)), 60],
    ['a server whose uploads are locked while its status is well', upload(ANSWER(423)), 60],
    ['a server whose uploads are refused with 400', upload(ANSWER(400)), 60],
    ['a server whose uploads are refused with 409', upload(ANSWER(409)), 60],
    ['a server whose uploads are a web page', upload(HTML), 60],
    ['a server whose uploads answer 0', upload(ANSWER(200, '0')), 60],
    ['a server whose uploads are reset while its status is well', upload({ type: 'reset' }), 200],
    ['a server whose uploads hang while its status is well', upload({ type: 'hang' }), 200],
    ['Retry-After: 0, again and again', all(ANSWER(503, '', { 'Retry-After': '0' })), 60],
    [
      'Retry-After in the past, again and again',
      all(ANSWER(503, '', { 'Retry-After': new Date(0).toUTCString() })),
      60,
    ],
    ['a redirect', all(ANSWER(302, '', { Location: '/elsewhere' })), 60],
    ['an empty answer', status(ANSWER(200, '')), 60],
  ])('%s', { timeout: 60_000 }, async (_, fault, most) => {
    const { server, time, add, statuses } = await setStage({ pieceSize: 80_000 });
    server.fault = (asked) => (server.seen.length > PATIENCE ? { type: 'hang' } : fault(asked));
    await add([fileOf('a.bin', 9_000_000)]);
    await time.pass(50 * MINUTE);
    const before = server.seen.length;
    expect(before, 'requests in the first 50 minutes').toBeLessThan(PATIENCE);
    await time.pass(10 * MINUTE);
    expect(server.seen.length - before, 'requests in 10 more').toBeLessThan(most);
    expect(await statuses()).toEqual({
      'a.bin': expect.stringMatching(/^(waiting|queued|preparing|uploading|failed)$/),
    });
  });
});
