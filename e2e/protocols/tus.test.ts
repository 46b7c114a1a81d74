// The real engine against the real @tus/server on a folder, with all that goes wrong between them. Judged by what the
// server holds (SHA-256) and what the front passed on. Invariants 2, 3, 6, 7, 8, 11.

import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createTusServer, type TusServerOptions } from '../../demo/server/tus-server.js';
import { type TusOptions, tus } from '../../sw/index.js';
import { until } from '../engine/worker.js';
import type { Fault, Passed } from './front.js';
import { type File, fileOf, type ProtocolStage, setProtocolStage, sha256 } from './stage.js';

const MUTE: Fault = { type: 'mute' };
const RESET: Fault = { type: 'reset' };
const ANSWER = (status: number, headers: Record<string, string> = {}): Fault => ({ type: 'answer', status, headers });

/** Names are random without it. */
const named = (origin: string): Partial<TusOptions> => ({
  metadata: ({ id }) => ({ id }),
  uploadUrl: ({ id }) => `${origin}/api/tus/${id}`,
});

const setStage = (
  options: (origin: string) => Partial<TusOptions> = () => ({}),
  server: Partial<TusServerOptions> = {},
): Promise<ProtocolStage> =>
  setProtocolStage(
    (dataDir) => createTusServer({ dataDir, lockDrainTimeoutMs: 20, ...server }),
    (origin) => tus({ endpoint: `${origin}/api/tus`, ...options(origin) }),
  );

interface Found {
  readonly id: string;
  readonly size: number;
  readonly metadata: Readonly<Record<string, string | null>>;
  readonly bytes: Buffer;
}

/** Everything on the server's disk. */
async function foundIn(dataDir: string): Promise<Found[]> {
  const names = (await readdir(dataDir)).filter((name) => name.endsWith('.json'));
  return Promise.all(
    names.map(async (name) => {
      const { id, size, metadata } = JSON.parse(await readFile(join(dataDir, name), 'utf8')) as Found;
      return { id, size, metadata, bytes: await readFile(join(dataDir, id)) };
    }),
  );
}

/** How often the file is there, whole; `orphans`: what else is there under its name. */
async function delivered(stage: ProtocolStage, file: File) {
  const found = (await foundIn(stage.dataDir)).filter(({ metadata }) => metadata['filename'] === file.name);
  const whole = found.filter(({ bytes }) => sha256(bytes) === sha256(file.bytes));
  return { whole: whole.length, orphans: found.length - whole.length, bytesAgain: stage.front.bytesAgain() };
}

const methods = ({ front }: ProtocolStage) => front.passed.map(({ method }) => method);
const nth = (method: string, index: number, fault: Fault) => (passed: Passed) =>
  passed.method === method && passed.nth === index ? fault : undefined;

describe('a file arrives whole, once', () => {
  test.each([0, 1, 65_536, 700_000])('of %i bytes', async (size) => {
    const stage = await setStage();
    const file = fileOf('文件 "1".bin', size);
    await stage.add([file], { album: '猫, 7' });
    await stage.delivery(file);
    expect(await delivered(stage, file)).toEqual({ whole: 1, orphans: 0, bytesAgain: 0 });
    const [found] = await foundIn(stage.dataDir);
    expect(found?.metadata).toEqual({ filename: file.name, filetype: 'application/octet-stream', album: '猫, 7' });
    expect(methods(stage)).toEqual(size === 0 ? ['POST'] : ['POST', ...Array(size > 600_000 ? 2 : 1).fill('PATCH')]);
  });

  test.each([0, 1, 65_536, 524_288, 524_289])(
    'of %i bytes, whose URL is known: in one request up to 512 KiB',
    async (size) => {
      const stage = await setStage(named);
      const file = fileOf('a.bin', size);
      await stage.add([file]);
      await stage.delivery(file);
      expect(await delivered(stage, file)).toEqual({ whole: 1, orphans: 0, bytesAgain: 0 });
      expect(methods(stage)).toEqual(size > 524_288 ? ['POST', 'PATCH'] : ['POST']);
    },
  );

  test('in pieces', async () => {
    const stage = await setStage(() => ({ pieceSize: 100_000 }));
    const file = fileOf('a.bin', 450_000);
    await stage.add([file]);
    await stage.delivery(file);
    expect(stage.front.of('PATCH').map(({ headers }) => Number(headers['upload-offset']))).toEqual([
      0, 100_000, 200_000, 300_000, 400_000,
    ]);
    expect(await delivered(stage, file)).toEqual({ whole: 1, orphans: 0, bytesAgain: 0 });
  });

  test.each([0, 1, 50_000, 99_999])(
    'when each first body is cut after %i bytes, which are not sent again',
    async (afterBytes) => {
      const stage = await setStage(() => ({ pieceSize: 100_000 }));
      const file = fileOf('a.bin', 300_000);
      const seen = new Set<unknown>();
      stage.front.fault = ({ method, headers }) => {
        const offset = headers['upload-offset'];
        if (method !== 'PATCH' || seen.has(offset) || seen.size > 4) return undefined;
        seen.add(offset);
        return { type: 'cut', afterBytes };
      };
      await stage.add([file]);
      await stage.delivery(file);
      expect(await delivered(stage, file)).toEqual({ whole: 1, orphans: 0, bytesAgain: 0 });
    },
  );

  test.each([0, 1, 2])('when the answer to PATCH %i of 3 is lost', async (index) => {
    const stage = await setStage(() => ({ pieceSize: 100_000 }));
    const file = fileOf('a.bin', 300_000);
    stage.front.fault = nth('PATCH', index, MUTE);
    await stage.add([file]);
    await stage.delivery(file);
    expect(await delivered(stage, file)).toEqual({ whole: 1, orphans: 0, bytesAgain: 0 });
  });

  test('when the answer to the creation is lost: an empty upload stays behind, and expires', async () => {
    const stage = await setStage();
    const file = fileOf('a.bin', 100_000);
    stage.front.fault = nth('POST', 0, MUTE);
    await stage.add([file]);
    await stage.delivery(file);
    expect(await delivered(stage, file)).toEqual({ whole: 1, orphans: 1, bytesAgain: 0 });
    expect((await foundIn(stage.dataDir)).map(({ bytes }) => bytes.length).sort()).toEqual([0, 100_000]);
  });

  test('when a HEAD is lost', async () => {
    const stage = await setStage(() => ({ pieceSize: 100_000 }));
    const file = fileOf('a.bin', 300_000);
    stage.front.fault = (passed) => nth('PATCH', 1, MUTE)(passed) ?? nth('HEAD', 0, MUTE)(passed);
    await stage.add([file]);
    await stage.delivery(file);
    expect(await delivered(stage, file)).toEqual({ whole: 1, orphans: 0, bytesAgain: 0 });
  });

  test('when the browser sends every request twice by itself', async () => {
    const stage = await setStage((origin) => ({ ...named(origin), pieceSize: 100_000 }));
    const files = [fileOf('one.bin', 90_000), fileOf('pieces.bin', 750_000)];
    stage.front.fault = () => ({ type: 'twice' });
    await stage.add(files);
    await stage.delivery(...files);
    for (const file of files) expect(await delivered(stage, file)).toEqual({ whole: 1, orphans: 0, bytesAgain: 0 });
  });
});

describe('a small file in one request', () => {
  test.each([
    ['the answer is lost', MUTE],
    ['it is cut at its first byte', { type: 'cut', afterBytes: 0 }],
    ['it is cut in the middle', { type: 'cut', afterBytes: 60_000 }],
    ['it is never sent', RESET],
    ['the server is down for a moment', ANSWER(503)],
  ] satisfies [string, Fault][])(
    'is on the server once, and no acknowledged byte was sent again, when %s',
    async (_, fault) => {
      const stage = await setStage(named);
      const file = fileOf('a.bin', 100_000);
      stage.front.fault = nth('POST', 0, fault);
      await stage.add([file]);
      await stage.delivery(file);
      expect(await delivered(stage, file)).toEqual({ whole: 1, orphans: 0, bytesAgain: 0 });
    },
  );

  test('is on the server once when the worker is stopped before the answer comes', async () => {
    const stage = await setStage(named);
    const file = fileOf('a.bin', 100_000);
    stage.front.fault = nth('POST', 0, { type: 'mute', before: () => stage.worker.life.end() });
    await stage.add([file]);
    await until('the end of that life', () => stage.worker.life.dead);
    void stage.another().engine.scheduler.wake('start');
    await stage.delivery(file);
    expect(await delivered(stage, file)).toEqual({ whole: 1, orphans: 0, bytesAgain: 0 });
    expect(methods(stage)).toEqual(['POST', 'HEAD']);
  });

  test('goes without its bytes through a proxy that takes no larger body, and in pieces', async () => {
    const stage = await setStage(named);
    const file = fileOf('a.bin', 500_000);
    stage.front.fault = ({ wholeBytes }) => (wholeBytes > 200_000 ? ANSWER(413) : undefined);
    await stage.add([file]);
    await stage.delivery(file);
    expect(await delivered(stage, file)).toEqual({ whole: 1, orphans: 0, bytesAgain: 0 });
  });
});

describe('a server that is not as it was', () => {
  test('restarted in the middle: the upload goes on', async () => {
    const stage = await setStage(() => ({ pieceSize: 100_000 }));
    const file = fileOf('a.bin', 400_000);
    stage.front.fault = nth('PATCH', 2, { type: 'hang' });
    await stage.add([file]);
    await stage.time.until('third piece', () => stage.front.hanging > 0);
    await stage.restart();
    await stage.delivery(file);
    expect(await delivered(stage, file)).toEqual({ whole: 1, orphans: 0, bytesAgain: 0 });
  });

  test('that lost the upload gets it anew', async () => {
    const stage = await setStage((origin) => ({ ...named(origin), pieceSize: 100_000 }));
    const file = fileOf('a.bin', 600_000);
    stage.front.fault = nth('PATCH', 2, { type: 'hang' });
    await stage.add([file]);
    await stage.time.until('third piece', () => stage.front.hanging > 0);
    await stage.restart(async (dataDir) => {
      for (const name of await readdir(dataDir)) await rm(join(dataDir, name));
    });
    await stage.delivery(file);
    expect(await delivered(stage, file)).toEqual({ whole: 1, orphans: 0, bytesAgain: 0 });
    expect(stage.front.of('POST')).toHaveLength(2);
  });

  test('that let the upload expire (410) gets it anew, under the same name', async () => {
    const stage = await setStage((origin) => ({ ...named(origin), pieceSize: 100_000 }), { expireAfterMs: 400 });
    const file = fileOf('a.bin', 600_000);
    stage.front.fault = nth('PATCH', 2, { type: 'hang' });
    await stage.add([file]);
    await stage.time.until('third piece', () => stage.front.hanging > 0);
    const url = `${stage.front.origin}${stage.front.of('PATCH')[0]?.path}`;
    const asked = { method: 'HEAD', headers: { 'Tus-Resumable': '1.0.0' } };
    await until('its expiry', async () => (await fetch(url, asked)).status === 410);
    await stage.delivery(file);
    expect(stage.front.of('POST')[0]?.answered['upload-expires']).toMatch(/GMT$/);
    expect(await delivered(stage, file)).toEqual({ whole: 1, orphans: 0, bytesAgain: 0 });
  });

  test('with an older request of ours still open, which is ended: the upload goes on', async () => {
    const stage = await setStage(() => ({ pieceSize: 100_000 }));
    const file = fileOf('a.bin', 300_000);
    stage.front.fault = nth('PATCH', 1, { type: 'stall', afterBytes: 40_000 });
    await stage.add([file]);
    await stage.delivery(file);
    expect(await delivered(stage, file)).toEqual({ whole: 1, orphans: 0, bytesAgain: 0 });
  });
});

describe('checksums', () => {
  const listing =
    (names: string) =>
    ({ method }: Passed) =>
      method === 'OPTIONS' ? ANSWER(204, { 'Tus-Checksum-Algorithm': names }) : undefined;

  test('go along with each body to a server that lists them; one that does not match is sent again', async () => {
    const stage = await setStage(() => ({ checksum: 'sha256', pieceSize: 100_000 }));
    const file = fileOf('a.bin', 250_000);
    stage.front.fault = (passed) => listing('md5,sha256')(passed) ?? nth('PATCH', 1, ANSWER(460))(passed);
    await stage.add([file]);
    await stage.delivery(file);
    expect(await delivered(stage, file)).toEqual({ whole: 1, orphans: 0, bytesAgain: 0 });
    const sent = stage.front.of('PATCH').filter(({ body }) => body !== undefined);
    expect(sent).toHaveLength(3);
    for (const { body = Buffer.alloc(0), headers } of sent) {
      const sum = Buffer.from(sha256(body), 'hex').toString('base64');
      expect(headers['upload-checksum']).toBe(`sha256 ${sum}`);
    }
    expect(stage.front.of('OPTIONS')).toHaveLength(1);
  });

  test('end the upload at a server that would ignore them, as @tus/server does, before a byte is sent', async () => {
    const stage = await setStage(() => ({ checksum: 'sha1' }));
    await stage.add([fileOf('a.bin', 1000)]);
    await stage.time.until('failure', async () => (await stage.named('a.bin')).status === 'failed');
    expect(await stage.named('a.bin')).toMatchObject({ error: { code: 'invalid-option' } });
    expect(methods(stage)).toEqual(['OPTIONS']);
  });
});

describe('refusals', () => {
  test('401 parks the upload with its offset; after a sign-in it goes on from there', async () => {
    let signedIn = true;
    const stage = await setStage(
      () => ({ pieceSize: 100_000, headers: () => ({ Authorization: signedIn ? 'Bearer good' : 'Bearer old' }) }),
      { authorize: ({ headers }) => (headers.authorization === 'Bearer good' ? 'ann' : undefined) },
    );
    const file = fileOf('a.bin', 300_000);
    stage.front.fault = ({ method, nth: index }) => {
      if (method === 'PATCH' && index === 0) signedIn = false;
      return undefined;
    };
    await stage.add([file]);
    await stage.time.until('parked', async () => (await stage.named('a.bin')).status === 'waiting');
    expect(await stage.named('a.bin')).toMatchObject({ reason: 'auth', acknowledgedBytes: 100_000 });
    signedIn = true;
    await stage.control('resume', 'a.bin');
    await stage.delivery(file);
    expect(await delivered(stage, file)).toEqual({ whole: 1, orphans: 0, bytesAgain: 0 });
    expect(stage.front.of('POST')).toHaveLength(1);
  });

  test('413 for the whole file is final, and says what to do', async () => {
    const stage = await setStage(named, { maxFileBytes: 1000 });
    await stage.add([fileOf('a.bin', 1001), fileOf('b.bin', 1000)]);
    await stage.time.until('failure', async () => (await stage.named('a.bin')).status === 'failed');
    expect(await stage.named('a.bin')).toMatchObject({ error: { code: 'too-large', httpStatus: 413 } });
    await stage.time.until('delivery', async () => (await stage.named('b.bin')).status === 'completed');
  });

  test('413 of a proxy: smaller pieces', async () => {
    const stage = await setStage();
    const file = fileOf('a.bin', 1_000_000);
    stage.front.fault = ({ wholeBytes }) => (wholeBytes > 200_000 ? ANSWER(413) : undefined);
    await stage.add([file]);
    await stage.delivery(file);
    expect(await delivered(stage, file)).toEqual({ whole: 1, orphans: 0, bytesAgain: 0 });
  });

  test.each([423, 409, 460])('%i to a body is asked about, and the upload goes on', async (status) => {
    const stage = await setStage(() => ({ pieceSize: 100_000 }));
    const file = fileOf('a.bin', 300_000);
    stage.front.fault = ({ method, nth: index }) =>
      method === 'PATCH' && index % 2 === 0 ? ANSWER(status) : undefined;
    await stage.add([file]);
    await stage.delivery(file);
    expect(await delivered(stage, file)).toEqual({ whole: 1, orphans: 0, bytesAgain: 0 });
  });

  test('429 with Retry-After is obeyed', async () => {
    const stage = await setStage();
    const file = fileOf('a.bin', 1000);
    const startedAtMs = stage.time.now();
    stage.front.fault = () =>
      stage.time.now() < startedAtMs + 600_000 ? ANSWER(429, { 'Retry-After': '600' }) : undefined;
    await stage.add([file]);
    await stage.time.pass(60_000);
    expect(await stage.named('a.bin')).toMatchObject({
      status: 'waiting',
      reason: 'server',
      error: { code: 'rate-limited' },
    });
    expect(stage.front.passed).toHaveLength(1);
    await stage.delivery(file);
  });
});

describe('a cancelled upload leaves nothing on the server', () => {
  test('in the middle of its bytes', async () => {
    const stage = await setStage(() => ({ pieceSize: 100_000 }));
    stage.front.fault = nth('PATCH', 2, { type: 'hang' });
    await stage.add([fileOf('a.bin', 400_000)]);
    await stage.time.until('third piece', () => stage.front.hanging > 0);
    expect(await foundIn(stage.dataDir)).toHaveLength(1);
    await stage.control('cancel', 'a.bin');
    await stage.time.until('freed', async () => (await readdir(stage.dataDir)).length === 0);
    expect((await stage.named('a.bin')).status).toBe('cancelled');
  });

  test('also when its creation was never answered, where its URL is known', async () => {
    const stage = await setStage(named);
    stage.front.fault = ({ method }) => (method === 'POST' ? MUTE : method === 'HEAD' ? RESET : undefined);
    await stage.add([fileOf('a.bin', 100_000)]);
    await stage.time.until('a wait', async () => (await stage.named('a.bin')).status === 'waiting');
    expect(await foundIn(stage.dataDir)).toHaveLength(1);
    await stage.control('cancel', 'a.bin');
    await stage.time.until('freed', async () => (await readdir(stage.dataDir)).length === 0);
  });

  test('and is tried again while the server is locked or out of reach', async () => {
    const stage = await setStage(() => ({ pieceSize: 100_000 }));
    stage.front.fault = (passed) =>
      nth('PATCH', 1, { type: 'hang' })(passed) ??
      nth('DELETE', 0, ANSWER(423))(passed) ??
      nth('DELETE', 1, RESET)(passed);
    await stage.add([fileOf('a.bin', 400_000)]);
    await stage.time.until('second piece', () => stage.front.hanging > 0);
    await stage.control('cancel', 'a.bin');
    await stage.time.until('freed', async () => (await readdir(stage.dataDir)).length === 0);
    expect(stage.front.of('DELETE').length).toBeGreaterThanOrEqual(3);
  });
});
