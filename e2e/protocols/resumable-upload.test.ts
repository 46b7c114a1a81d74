// The real engine against the strict server of the IETF draft, in both flavours, with all that goes wrong between them.
// Judged by what the server holds (SHA-256) and what the front passed on. Invariants 2, 3, 6, 7, 8, 11.

import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { IetfServerOptions } from '../../demo/server/ietf-options.js';
import { createIetfServer } from '../../demo/server/ietf-server.js';
import { type ResumableUploadOptions, resumableUpload } from '../../sw/index.js';
import type { Fault, Passed } from './front.js';
import { type File, fileOf, type ProtocolStage, setProtocolStage, sha256 } from './stage.js';

const MUTE: Fault = { type: 'mute' };
const RESET: Fault = { type: 'reset' };
const ANSWER = (status: number, headers: Record<string, string> = {}): Fault => ({ type: 'answer', status, headers });
const flavours = [12, 15] as const;

const setStage = (
  options: Partial<ResumableUploadOptions> = {},
  server: Partial<IetfServerOptions> = {},
): Promise<ProtocolStage> =>
  setProtocolStage(
    (dataDir) => createIetfServer({ dataDir, ...server }),
    (origin) => resumableUpload({ endpoint: `${origin}/api/resumable`, ...options }),
  );

/** How often the file is there, complete; `orphans`: what else is there under its name. */
async function delivered(stage: ProtocolStage, file: File) {
  const names = await readdir(stage.dataDir);
  const found = await Promise.all(
    names
      .filter((name) => name.endsWith('.json'))
      .map(async (name) => {
        const { metadata } = JSON.parse(await readFile(join(stage.dataDir, name), 'utf8')) as {
          metadata: { filename: string };
        };
        const key = name.slice(0, -'.json'.length);
        const bytes = await readFile(join(stage.dataDir, `${key}.data`));
        return { name: metadata.filename, bytes, complete: names.includes(`${key}.complete`) };
      }),
  );
  const ours = found.filter(({ name }) => name === file.name);
  const whole = ours.filter(({ bytes, complete }) => complete && sha256(bytes) === sha256(file.bytes));
  return { whole: whole.length, orphans: ours.length - whole.length, bytesAgain: stage.front.bytesAgain() };
}

const once = { whole: 1, orphans: 0, bytesAgain: 0 };
const methods = ({ front }: ProtocolStage) => front.passed.map(({ method }) => method);
const nth = (method: string, index: number, fault: Fault) => (passed: Passed) =>
  passed.method === method && passed.nth === index ? fault : undefined;

describe.each(flavours)('draft -%i: a file arrives whole, once', (draft) => {
  test.each([0, 1, 65_536, 700_000])('of %i bytes', async (size) => {
    const stage = await setStage({}, { draft });
    const file = fileOf("文件 '1'.bin", size);
    await stage.add([file]);
    await stage.delivery(file);
    expect(await delivered(stage, file)).toEqual(once);
    expect(methods(stage)).toEqual(['POST', ...Array(size > 600_000 ? 2 : 1).fill('PATCH')]);
  });

  test('in pieces, of which the last alone is complete', async () => {
    const stage = await setStage({ pieceSize: 100_000 }, { draft });
    const file = fileOf('a.bin', 250_000);
    await stage.add([file]);
    await stage.delivery(file);
    expect(
      stage.front.of('PATCH').map(({ headers }) => [headers['upload-offset'], headers['upload-complete']]),
    ).toEqual([
      ['0', '?0'],
      ['100000', '?0'],
      ['200000', '?1'],
    ]);
    expect(await delivered(stage, file)).toEqual(once);
  });

  test.each([0, 1, 50_000, 99_999])('when each first body is cut after %i bytes', async (afterBytes) => {
    const stage = await setStage({ pieceSize: 100_000 }, { draft });
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
    expect(await delivered(stage, file)).toEqual(once);
  });

  test.each([0, 1, 2])('when the answer to PATCH %i of 3 is lost', async (index) => {
    const stage = await setStage({ pieceSize: 100_000 }, { draft });
    const file = fileOf('a.bin', 300_000);
    stage.front.fault = nth('PATCH', index, MUTE);
    await stage.add([file]);
    await stage.delivery(file);
    expect(await delivered(stage, file)).toEqual(once);
    // -15 does not say in HEAD that the upload is complete: the end is said again, and believed when it was refused twice.
    const last = index === 2 ? (draft === 12 ? ['HEAD'] : ['HEAD', 'PATCH', 'HEAD', 'PATCH', 'HEAD']) : undefined;
    if (last) expect(methods(stage)).toEqual(['POST', 'PATCH', 'PATCH', 'PATCH', ...last]);
  });

  test('when the last answer, the question and the end are all lost', async () => {
    const stage = await setStage({}, { draft });
    const file = fileOf('a.bin', 1000);
    stage.front.fault = (passed) =>
      nth('PATCH', 0, MUTE)(passed) ?? nth('HEAD', 0, MUTE)(passed) ?? nth('PATCH', 1, MUTE)(passed);
    await stage.add([file]);
    await stage.delivery(file);
    expect(await delivered(stage, file)).toEqual(once);
  });

  test('of no bytes, when its only answer is lost', async () => {
    const stage = await setStage({}, { draft });
    const file = fileOf('empty.bin', 0);
    stage.front.fault = nth('PATCH', 0, MUTE);
    await stage.add([file]);
    await stage.delivery(file);
    expect(await delivered(stage, file)).toEqual(once);
  });

  test('when the answer to the creation is lost: an empty upload stays behind, and expires', async () => {
    const stage = await setStage({}, { draft });
    const file = fileOf('a.bin', 100_000);
    stage.front.fault = nth('POST', 0, MUTE);
    await stage.add([file]);
    await stage.delivery(file);
    expect(await delivered(stage, file)).toEqual({ whole: 1, orphans: 1, bytesAgain: 0 });
  });

  test('when the browser sends every append twice by itself', async () => {
    const stage = await setStage({ pieceSize: 100_000 }, { draft });
    const file = fileOf('a.bin', 350_000);
    stage.front.fault = ({ method }) => (method === 'PATCH' ? { type: 'twice' } : undefined);
    await stage.add([file]);
    await stage.delivery(file);
    expect(await delivered(stage, file)).toMatchObject({ whole: 1, orphans: 0 });
  });
});

describe('what the server announces', () => {
  test('max-append-size and min-append-size are kept to', async () => {
    const stage = await setStage({}, { limits: { maxAppendSize: 90_000, minAppendSize: 80_000 } });
    const file = fileOf('a.bin', 500_000);
    await stage.add([file]);
    await stage.delivery(file);
    expect(await delivered(stage, file)).toEqual(once);
    expect(stage.front.passed.map(({ status }) => status).filter((status) => (status ?? 0) >= 400)).toEqual([]);
  });

  test('a 413 with a smaller limit is learned from', async () => {
    const stage = await setStage({ pieceSize: 100_000 });
    const file = fileOf('a.bin', 300_000);
    stage.front.fault = ({ wholeBytes }) =>
      wholeBytes > 30_000 ? ANSWER(413, { 'Upload-Limit': 'max-append-size=30000' }) : undefined;
    await stage.add([file]);
    await stage.delivery(file);
    expect(await delivered(stage, file)).toEqual(once);
    expect(stage.front.of('PATCH').filter(({ status }) => status === 413)).toHaveLength(1);
  });

  test('max-size ends the upload, and frees it on the server', async () => {
    const stage = await setStage();
    stage.front.fault = ({ method, nth: index }) =>
      method === 'POST' && index === 0
        ? ANSWER(201, { Location: '/api/resumable/1', 'Upload-Limit': 'max-size=10' })
        : undefined;
    await stage.add([fileOf('a.bin', 11)]);
    await stage.time.until('failure', async () => (await stage.named('a.bin')).status === 'failed');
    expect(await stage.named('a.bin')).toMatchObject({ error: { code: 'too-large' } });
    expect(methods(stage)).toEqual(['POST', 'DELETE']);
  });

  test('a file that is complete and refused for what it is, is failed, with the reason', async () => {
    let cats = false;
    const stage = await setStage(
      {},
      { process: () => (cats ? { status: 200, text: '' } : { status: 422, text: '{"title":"no cats"}' }) },
    );
    await stage.add([fileOf('cat.bin', 11)]);
    await stage.time.until('failure', async () => (await stage.named('cat.bin')).status === 'failed');
    expect(await stage.named('cat.bin')).toMatchObject({
      error: { code: 'refused', httpStatus: 422, message: expect.stringContaining('(no cats)') },
    });
    expect(methods(stage)).toEqual(['POST', 'PATCH']);
    // The server calls that upload complete: only a new one can be taken.
    cats = true;
    await stage.control('retry', 'cat.bin');
    await stage.time.until('delivery', async () => (await stage.named('cat.bin')).status === 'completed');
    expect(methods(stage)).toEqual(['POST', 'PATCH', 'POST', 'PATCH']);
  });

  test('other interop versions are refused, and said', async () => {
    const stage = await setStage({ interopVersion: 8 });
    await stage.add([fileOf('a.bin', 11)]);
    await stage.time.until('failure', async () => (await stage.named('a.bin')).status === 'failed');
    expect(await stage.named('a.bin')).toMatchObject({
      error: { code: 'refused', message: expect.stringContaining('Upload-Draft-Interop-Version must be 9') },
    });
  });

  test.each([6, 7, 8, 'none'] as const)(
    'interop version %s is spoken where it is asked for',
    async (interopVersion) => {
      const stage = await setStage({ interopVersion, pieceSize: 1000 }, { interopVersion, draft: 12 });
      const file = fileOf('a.bin', 2500);
      stage.front.fault = nth('PATCH', 2, MUTE);
      await stage.add([file]);
      await stage.delivery(file);
      expect(await delivered(stage, file)).toEqual(once);
    },
  );
});

describe('a server that is not as it was', () => {
  test.each(flavours)('restarted in the middle: the upload goes on (-%i)', async (draft) => {
    const stage = await setStage({ pieceSize: 100_000 }, { draft });
    const file = fileOf('a.bin', 400_000);
    stage.front.fault = nth('PATCH', 2, { type: 'hang' });
    await stage.add([file]);
    await stage.time.until('third piece', () => stage.front.hanging > 0);
    await stage.restart();
    await stage.delivery(file);
    expect(await delivered(stage, file)).toEqual(once);
  });

  test('that lost the upload gets it anew', async () => {
    const stage = await setStage({ pieceSize: 100_000 });
    const file = fileOf('a.bin', 600_000);
    stage.front.fault = nth('PATCH', 2, { type: 'hang' });
    await stage.add([file]);
    await stage.time.until('third piece', () => stage.front.hanging > 0);
    await stage.restart(async (dataDir) => {
      for (const name of await readdir(dataDir)) await rm(join(dataDir, name));
    });
    await stage.delivery(file);
    expect(await delivered(stage, file)).toEqual(once);
    expect(stage.front.of('POST')).toHaveLength(2);
  });

  test('that lost the last piece with the upload gets it anew: nothing is lost', async () => {
    const stage = await setStage({ pieceSize: 100_000 });
    const file = fileOf('a.bin', 200_000);
    stage.front.fault = nth('PATCH', 1, { type: 'hang' });
    await stage.add([file]);
    await stage.time.until('last piece', () => stage.front.hanging > 0);
    await stage.restart(async (dataDir) => {
      for (const name of await readdir(dataDir)) await rm(join(dataDir, name));
    });
    await stage.delivery(file);
    expect(await delivered(stage, file)).toEqual(once);
  });

  test.each(['done', 'restart'] as const)(
    "that forgets what it has finished, and whose last answer is lost: '%s'",
    async (goneAfterLastPiece) => {
      const stage = await setStage({ goneAfterLastPiece }, { forgetsFinished: true });
      const file = fileOf('a.bin', 1000);
      stage.front.fault = nth('PATCH', 0, MUTE);
      await stage.add([file]);
      await stage.delivery(file);
      expect(await delivered(stage, file)).toMatchObject({ whole: goneAfterLastPiece === 'done' ? 1 : 2, orphans: 0 });
    },
  );

  test('with an older request of ours still open, which is ended: the upload goes on', async () => {
    const stage = await setStage({ pieceSize: 100_000 });
    const file = fileOf('a.bin', 300_000);
    stage.front.fault = nth('PATCH', 1, { type: 'stall', afterBytes: 40_000 });
    await stage.add([file]);
    await stage.delivery(file);
    expect(await delivered(stage, file)).toEqual(once);
  });
});

describe('refusals', () => {
  test('401 parks the upload with its offset; after a sign-in it goes on from there', async () => {
    let signedIn = true;
    const stage = await setStage(
      { pieceSize: 100_000, headers: () => ({ Authorization: signedIn ? 'Bearer good' : 'Bearer old' }) },
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
    expect(await delivered(stage, file)).toEqual(once);
  });

  test('413 of a proxy: smaller pieces', async () => {
    const stage = await setStage();
    const file = fileOf('a.bin', 1_000_000);
    stage.front.fault = ({ wholeBytes }) => (wholeBytes > 200_000 ? ANSWER(413) : undefined);
    await stage.add([file]);
    await stage.delivery(file);
    expect(await delivered(stage, file)).toEqual(once);
  });

  test.each([423, 409, 500])('%i to a body is asked about, and the upload goes on', async (status) => {
    const stage = await setStage({ pieceSize: 100_000 });
    const file = fileOf('a.bin', 300_000);
    stage.front.fault = ({ method, nth: index }) =>
      method === 'PATCH' && index % 2 === 0 ? ANSWER(status) : undefined;
    await stage.add([file]);
    await stage.delivery(file);
    expect(await delivered(stage, file)).toEqual(once);
  });

  test('429 with Retry-After is obeyed', async () => {
    const stage = await setStage();
    const startedAtMs = stage.time.now();
    stage.front.fault = () =>
      stage.time.now() < startedAtMs + 600_000 ? ANSWER(429, { 'Retry-After': '600' }) : undefined;
    const file = fileOf('a.bin', 1000);
    await stage.add([file]);
    await stage.time.pass(60_000);
    expect(await stage.named('a.bin')).toMatchObject({ status: 'waiting', reason: 'server' });
    expect(stage.front.passed).toHaveLength(1);
    await stage.delivery(file);
  });
});

test('a cancelled upload leaves nothing on the server, also one that is out of reach at first', async () => {
  const stage = await setStage({ pieceSize: 100_000 });
  stage.front.fault = (passed) => nth('PATCH', 2, { type: 'hang' })(passed) ?? nth('DELETE', 0, RESET)(passed);
  await stage.add([fileOf('a.bin', 400_000)]);
  await stage.time.until('third piece', () => stage.front.hanging > 0);
  await stage.control('cancel', 'a.bin');
  await stage.time.until('freed', async () => (await readdir(stage.dataDir)).length === 0);
  expect((await stage.named('a.bin')).status).toBe('cancelled');
});
