import { createHash } from 'node:crypto';
import { appendFile, open as openFile, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { abort, type ChunkKit, form, list, merge, postChunk, startChunkKit } from './chunk-kit.js';
import { ask, keyOf, open, sha256, someBytes, until, write } from './test-kit.js';

const kits: ChunkKit[] = [];
const start = async (options: Parameters<typeof startChunkKit>[0] = {}) => {
  const kit = await startChunkKit({ mergeAtOnceBytes: 0, ...options });
  kits.push(kit);
  return kit;
};
afterEach(async () => {
  await Promise.all(kits.splice(0).map((kit) => kit.close()));
});

const bytes = someBytes(2500);
const file = { id: 'a', size: 2500, chunkSize: 1000 };
const part = (index: number) => bytes.subarray(index * 1000, (index + 1) * 1000);
const sendAll = async (kit: ChunkKit, fields = file) => {
  for (const index of [2, 0, 1]) expect((await postChunk(kit, { ...fields, index }, part(index))).status).toBe(200);
};
/** The upload is made, so its first chunk has its turn. */
const underWay = (kit: ChunkKit) => until(async () => (await list(kit, file)).status === 200, 'under way');
const photos = async (kit: ChunkKit) =>
  JSON.parse((await ask(kit.port, '/api/photos')).text) as { key: string; name: string }[];
const contentOf = async (kit: ChunkKit, key: string) => (await ask(kit.port, `/api/photos/${key}`)).bytes;

describe('chunks in any order', () => {
  it('are listed, merged, and seen in the gallery', async () => {
    const kit = await start();
    expect(await list(kit, file)).toMatchObject({ status: 404, text: '{"chunks":[],"merged":false}' });
    expect((await postChunk(kit, { ...file, index: 2, name: '猫.png', type: 'image/png' }, part(2))).status).toBe(200);
    expect((await postChunk(kit, { ...file, index: 0 }, part(0))).status).toBe(200);
    expect(await list(kit, file)).toMatchObject({
      status: 200,
      text: '{"chunks":[0,2],"merged":false,"chunkSize":1000}',
    });
    expect(await merge(kit, file)).toMatchObject({ status: 409, text: '{"chunks":[0,2],"merged":false}' });
    expect(await photos(kit)).toEqual([]);
    expect((await postChunk(kit, { ...file, index: 1 }, part(1))).text).toBe('{"chunks":3,"merged":false}');
    expect(await merge(kit, file)).toMatchObject({ status: 200, text: '{"merged":true}' });
    expect(await photos(kit)).toMatchObject([{ name: '猫.png', type: 'image/png', sizeBytes: 2500 }]);
    expect(sha256(await contentOf(kit, keyOf('a')))).toBe(sha256(bytes));
    expect(await kit.leftovers()).toEqual([]);
  });

  it('may be the whole body, with the fields in the query', async () => {
    const kit = await start();
    for (const index of [0, 1, 2]) {
      const path = `/api/chunks?id=a&size=2500&chunkSize=1000&index=${index}`;
      expect((await ask(kit.port, path, { method: 'POST', body: part(index) })).status).toBe(200);
    }
    const body = Buffer.from(JSON.stringify(file));
    const headers = { 'content-type': 'application/json' };
    expect((await ask(kit.port, '/api/chunks/merge', { method: 'POST', headers, body })).status).toBe(200);
    expect(sha256(await contentOf(kit, keyOf('a')))).toBe(sha256(bytes));
  });

  it('all at once', async () => {
    const kit = await start();
    const big = someBytes(3_000_000);
    const fields = { id: 'big', size: big.length, chunkSize: 100_000 };
    const send = (index: number) =>
      postChunk(kit, { ...fields, index }, big.subarray(index * 100_000, (index + 1) * 100_000));
    const answers = await Promise.all(Array.from({ length: 30 }, (_, index) => send(index)));
    expect(answers.map(({ status }) => status)).toEqual(Array(30).fill(200));
    const merges = await Promise.all([merge(kit, fields), merge(kit, fields), merge(kit, fields)]);
    expect(merges.map(({ text }) => text)).toEqual(Array(3).fill('{"merged":true}'));
    expect(sha256(await contentOf(kit, keyOf('big')))).toBe(sha256(big));
    expect(await photos(kit)).toHaveLength(1);
  });

  it('a small file is finished by its last chunk', async () => {
    const kit = await start({ mergeAtOnceBytes: 2500 });
    await postChunk(kit, { ...file, index: 0 }, part(0));
    await postChunk(kit, { ...file, index: 1 }, part(1));
    expect((await postChunk(kit, { ...file, index: 2 }, part(2))).text).toBe('{"chunks":3,"merged":true}');
    expect((await postChunk(kit, { ...file, index: 2 }, part(2))).text).toBe('{"merged":true}');
    expect(await photos(kit)).toHaveLength(1);
  });

  it('an empty file has none, and is merged all the same', async () => {
    const kit = await start();
    expect((await merge(kit, { id: 'empty', size: 0, chunkSize: 1000 })).text).toBe('{"merged":true}');
    expect(await contentOf(kit, keyOf('empty'))).toHaveLength(0);
    expect(await kit.leftovers()).toEqual([]);
  });
});

describe('what is done twice', () => {
  it('a merge answers the same, and is remembered over a restart', async () => {
    const kit = await start();
    await sendAll(kit);
    for (let times = 0; times < 3; times += 1) expect((await merge(kit, file)).text).toBe('{"merged":true}');
    const after = await kit.restart();
    kits.push(after);
    expect((await merge(after, file)).text).toBe('{"merged":true}');
    expect((await list(after, file)).text).toBe('{"chunks":[],"merged":true}');
    expect(await photos(after)).toHaveLength(1);
  });

  it('a chunk counts once, and is never written over', async () => {
    const kit = await start();
    await sendAll(kit);
    expect((await postChunk(kit, { ...file, index: 0 }, someBytes(1000))).status).toBe(200);
    await merge(kit, file);
    expect(sha256(await contentOf(kit, keyOf('a')))).toBe(sha256(bytes));
    expect(
      kit.records.filter(({ acceptedBytes }) => acceptedBytes > 0).map(({ acceptedBytes }) => acceptedBytes),
    ).toEqual([500, 1000, 1000]);
  });

  it('a chunk that comes again while the file is finished is told so', async () => {
    const kit = await start({ mergeAtOnceBytes: 2500 });
    await postChunk(kit, { ...file, index: 0 }, part(0));
    await postChunk(kit, { ...file, index: 1 }, part(1));
    const { headers, body } = form({ ...file, index: 0 }, part(0));
    const length = { 'content-length': String(body.length) };
    const slow = open(kit.port, '/api/chunks', { method: 'POST', headers: { ...headers, ...length } });
    await write(slow.client, body.subarray(0, body.length - 10));
    // Answered after what was written: by then the slow one has its turn.
    await list(kit, file);
    expect((await postChunk(kit, { ...file, index: 2 }, part(2))).text).toBe('{"chunks":3,"merged":true}');
    slow.client.end(body.subarray(body.length - 10));
    expect(await slow.answer).toMatchObject({ status: 200, text: '{"merged":true}' });
    expect(await photos(kit)).toHaveLength(1);
  });

  it('of two requests with the same chunk the newer one goes on', async () => {
    const kit = await start();
    const { headers, body } = form({ ...file, index: 0 }, part(0));
    const first = open(kit.port, '/api/chunks', {
      method: 'POST',
      headers: { ...headers, 'content-length': String(body.length) },
    });
    await write(first.client, body.subarray(0, body.length - 600));
    await underWay(kit);
    expect((await postChunk(kit, { ...file, index: 0 }, part(0))).status).toBe(200);
    expect((await first.answer).status).toBe(409);
    expect(JSON.parse((await list(kit, file)).text)).toMatchObject({ chunks: [0] });
  });
});

describe('a connection that ends', () => {
  it.each([
    ['in the fields', 60],
    ['in the bytes', 700],
    ['before the form’s end', -3],
  ])('%s leaves no chunk', async (_, at) => {
    const kit = await start();
    const { headers, body } = form({ ...file, index: 0 }, part(0));
    const cut = open(kit.port, '/api/chunks', {
      method: 'POST',
      headers: { ...headers, 'content-length': String(body.length) },
    });
    await write(cut.client, body.subarray(0, at));
    cut.client.destroy();
    await until(() => kit.records.some(({ outcome }) => outcome === 'cut'), 'cut');
    expect(JSON.parse((await list(kit, file)).text)).toMatchObject({ chunks: [] });
    await sendAll(kit);
    await merge(kit, file);
    expect(sha256(await contentOf(kit, keyOf('a')))).toBe(sha256(bytes));
  });

  it('that is silent is ended', async () => {
    const kit = await start({ requestIdleMs: 30 });
    const { headers, body } = form({ ...file, index: 0 }, part(0));
    const slow = open(kit.port, '/api/chunks', {
      method: 'POST',
      headers: { ...headers, 'content-length': String(body.length) },
    });
    await write(slow.client, body.subarray(0, body.length - 10));
    await expect(slow.answer).rejects.toThrow();
    expect(kit.records).toMatchObject([{ outcome: 'idle' }]);
  });
});

describe('a restart', () => {
  it('keeps every acknowledged chunk, and no other', async () => {
    const kit = await start();
    await postChunk(kit, { ...file, index: 0 }, part(0));
    await postChunk(kit, { ...file, index: 2 }, part(2));
    // Torn by a power cut, in the middle of "12;".
    await appendFile(join(kit.dataDir, 'chunks', `${keyOf('a')}.log`), '\n1');
    const after = await kit.restart();
    kits.push(after);
    expect(JSON.parse((await list(after, file)).text)).toMatchObject({ chunks: [0, 2], chunkSize: 1000 });
    await postChunk(after, { ...file, index: 1 }, part(1));
    const again = await after.restart();
    kits.push(again);
    expect(JSON.parse((await list(again, file)).text)).toMatchObject({ chunks: [0, 1, 2] });
    await merge(again, file);
    expect(sha256(await contentOf(again, keyOf('a')))).toBe(sha256(bytes));
  });

  it('knows of no chunk whose bytes could not be synced', async () => {
    const kit = await start();
    await postChunk(kit, { ...file, index: 0 }, part(0));
    const log = await openFile(join(kit.dataDir, 'chunks', `${keyOf('a')}.log`));
    await log.close();
    const sync = vi.spyOn(Object.getPrototypeOf(log), 'datasync').mockRejectedValueOnce(new Error('EIO'));
    expect((await postChunk(kit, { ...file, index: 1 }, part(1))).status).toBeGreaterThanOrEqual(500);
    sync.mockRestore();
    const after = await kit.restart();
    kits.push(after);
    expect(JSON.parse((await list(after, file)).text)).toMatchObject({ chunks: [0] });
  });

  it('clears what is half made, and keeps what was finished', async () => {
    const kit = await start();
    await sendAll(kit);
    await merge(kit, file);
    const folder = join(kit.dataDir, 'chunks');
    // Killed after the file was taken over.
    await writeFile(
      join(folder, `${keyOf('a')}.meta`),
      JSON.stringify({ ...file, sizeBytes: 2500, chunkBytes: 1000, metadata: {}, createdAtMs: 1 }),
    );
    await writeFile(join(folder, `${keyOf('b')}.part`), 'bytes without a word');
    await writeFile(join(folder, `${keyOf('c')}.meta`), '{');
    const after = await kit.restart();
    kits.push(after);
    expect(await after.leftovers()).toEqual([]);
    expect(sha256(await contentOf(after, keyOf('a')))).toBe(sha256(bytes));
  });

  it('frees what was abandoned', async () => {
    let nowMs = 1_700_000_000_000;
    const kit = await start({ now: () => nowMs, abandonAfterMs: 1000 });
    await postChunk(kit, { ...file, index: 0 }, part(0));
    expect(await kit.server.sweep()).toBe(0);
    nowMs += 2000;
    expect(await kit.server.sweep()).toBe(1);
    expect(await kit.leftovers()).toEqual([]);
  });
});

describe('an abort', () => {
  it('frees all, finished or not, and whatever was there', async () => {
    const kit = await start();
    await sendAll(kit);
    await sendAll(kit, { ...file, id: 'b' });
    await merge(kit, { ...file, id: 'b' });
    for (const id of ['a', 'b', 'never seen']) expect((await abort(kit, id)).status).toBe(204);
    expect(await kit.leftovers()).toEqual([]);
    expect(await photos(kit)).toEqual([]);
    expect((await readdir(kit.dataDir)).filter((name) => name !== 'chunks')).toEqual([]);
  });

  it('ends a chunk under way, and refuses one that comes late', async () => {
    const kit = await start();
    const { headers, body } = form({ ...file, index: 0 }, part(0));
    const first = open(kit.port, '/api/chunks', {
      method: 'POST',
      headers: { ...headers, 'content-length': String(body.length) },
    });
    await write(first.client, body.subarray(0, body.length - 10));
    await underWay(kit);
    expect((await abort(kit, 'a')).status).toBe(204);
    expect((await first.answer).status).toBe(410);
    expect((await postChunk(kit, { ...file, index: 0 }, part(0))).status).toBe(410);
    expect(await kit.leftovers()).toEqual([]);
  });
});

describe('garbage', () => {
  it.each([
    ['no id', { size: 10, chunkSize: 10, index: 0 }],
    ['an id with a NUL', { ...file, id: 'a\0b', index: 0 }],
    ['an id that is too long', { ...file, id: 'x'.repeat(4097), index: 0 }],
    ['no size', { id: 'a', chunkSize: 10, index: 0 }],
    ['a negative size', { ...file, size: -1, index: 0 }],
    ['a size in hex', { ...file, size: '0x10', index: 0 }],
    ['a size beyond whole numbers', { ...file, size: '9999999999999999', index: 0 }],
    ['chunks of nothing', { ...file, chunkSize: 0, index: 0 }],
    ['too many chunks', { ...file, chunkSize: 1, size: 10_001, index: 0 }],
    ['no index', file],
    ['an index beyond the end', { ...file, index: 3 }],
    ['a fraction', { ...file, index: '1.5' }],
    ['metadata that is no object', { ...file, index: 0, metadata: '[]' }],
    ['metadata that is no JSON', { ...file, index: 0, metadata: '{' }],
    ['a hash that is none', { ...file, index: 0, hash: '../../etc/passwd' }],
  ])('%s is refused', async (_, fields) => {
    const kit = await start();
    expect((await postChunk(kit, fields, part(0))).status).toBe(400);
    expect(await kit.leftovers()).toEqual([]);
  });

  it.each([0, 1, 999, 1001, 1030, 5000])('a chunk of %i bytes instead of 1000 is refused', async (length) => {
    const kit = await start();
    expect((await postChunk(kit, { ...file, index: 0 }, someBytes(length))).status).toBe(400);
    expect(
      (
        await ask(kit.port, '/api/chunks?id=a&size=2500&chunkSize=1000&index=0', {
          method: 'POST',
          body: someBytes(length),
        })
      ).status,
    ).toBe(400);
    expect(JSON.parse((await list(kit, file)).text)).toMatchObject({ chunks: [] });
  });

  it.each(['../../../tmp/x', '/etc/passwd', '猫 ..\\', 'a/b', '.'])('the id %j is no path', async (id) => {
    const kit = await start();
    expect((await postChunk(kit, { ...file, id, index: 0 }, part(0))).status).toBe(200);
    expect((await kit.leftovers()).every((name) => /^[0-9a-f]{64}\.(part|meta|log)$/.test(name))).toBe(true);
    expect((await readdir(kit.dataDir)).sort()).toEqual(['chunks']);
  });

  it('forms that are none are refused', async () => {
    const kit = await start();
    const post = (type: string, body: string) =>
      ask(kit.port, '/api/chunks', { method: 'POST', headers: { 'content-type': type }, body: Buffer.from(body) });
    expect((await post('multipart/form-data', 'x')).status).toBe(400);
    expect((await post('multipart/form-data; boundary=b', 'preamble that does not end')).status).toBe(400);
    expect(
      (
        await post(
          'multipart/form-data; boundary=b',
          '--b\r\nContent-Disposition: form-data; name="id"\r\n\r\na\r\n--b--',
        )
      ).status,
    ).toBe(400);
    expect((await post('multipart/form-data; boundary=b', `--b\r\nX: ${'y'.repeat(70_000)}`)).status).toBe(400);
    expect((await post('multipart/form-data; boundary=b', '--b\r\nX: y\r\n\r\na\r\n--b\r\n')).status).toBe(400);
  });

  it('another size or grid under the same id is refused', async () => {
    const kit = await start();
    await postChunk(kit, { ...file, index: 0 }, part(0));
    expect((await postChunk(kit, { ...file, size: 2400, index: 1 }, part(1))).status).toBe(422);
    expect((await postChunk(kit, { ...file, chunkSize: 500, index: 1 }, bytes.subarray(500, 1000))).status).toBe(422);
    expect((await merge(kit, { ...file, size: 2400 })).status).toBe(422);
    await sendAll(kit);
    await merge(kit, file);
    expect((await postChunk(kit, { ...file, size: 2400, index: 0 }, part(0))).status).toBe(422);
    expect((await list(kit, { ...file, size: 2400 })).status).toBe(404);
  });

  it('has limits', async () => {
    const kit = await start({ maxFileBytes: 2000, maxChunkBytes: 1000, maxUploads: 1 });
    expect((await postChunk(kit, { ...file, index: 0 }, part(0))).status).toBe(413);
    expect((await postChunk(kit, { id: 'a', size: 2000, chunkSize: 1001, index: 0 }, someBytes(1001))).status).toBe(
      413,
    );
    expect((await postChunk(kit, { id: 'a', size: 1000, chunkSize: 5000, index: 0 }, part(0))).status).toBe(200);
    const second = await postChunk(kit, { id: 'b', size: 2000, chunkSize: 1000, index: 0 }, part(0));
    expect([second.status, second.headers['retry-after']]).toEqual([429, '60']);
  });

  it('other methods and other paths', async () => {
    const kit = await start();
    expect((await ask(kit.port, '/api/chunks', { method: 'PUT' })).status).toBe(405);
    expect((await ask(kit.port, '/api/chunks/merge')).status).toBe(405);
    expect((await ask(kit.port, '/api/chunks/other')).status).toBe(404);
  });
});

describe('who asks', () => {
  it('needs to be known, and never meets another’s ids', async () => {
    const kit = await start({ authorize: ({ headers }) => headers.authorization });
    expect((await list(kit, file)).status).toBe(401);
    const as = (name: string, path: string, method = 'GET', more: { headers?: object; body?: Uint8Array } = {}) =>
      ask(kit.port, path, { method, ...more, headers: { ...more.headers, authorization: name } });
    const sent = form({ ...file, index: 0 }, part(0));
    expect((await as('ann', '/api/chunks', 'POST', sent)).status).toBe(200);
    expect((await as('ann', '/api/chunks?id=a&size=2500')).status).toBe(200);
    expect((await as('bob', '/api/chunks?id=a&size=2500')).status).toBe(404);
    expect((await as('bob', '/api/chunks?id=a', 'DELETE')).status).toBe(204);
    expect((await as('ann', '/api/chunks?id=a&size=2500')).status).toBe(200);
  });

  it('from another origin needs no preflight, and is answered where it is listed', async () => {
    const kit = await start({ allowedOrigins: ['https://app.example'] });
    const got = await ask(kit.port, '/api/chunks?id=a', { headers: { origin: 'https://app.example' } });
    expect(got.headers['access-control-allow-origin']).toBe('https://app.example');
    const preflight = await ask(kit.port, '/api/chunks', {
      method: 'OPTIONS',
      headers: { origin: 'https://app.example' },
    });
    expect(preflight.headers['access-control-allow-methods']).toBe('GET, POST, DELETE');
    const stranger = await ask(kit.port, '/api/chunks?id=a', { headers: { origin: 'https://evil.example' } });
    expect(stranger.headers['access-control-allow-origin']).toBeUndefined();
  });
});

describe.each(['sha256', 'md5'] as const)('content known by its %s', (contentHash) => {
  const hash = createHash(contentHash).update(bytes).digest('hex');

  it('is recognized under any id, over a restart too, and only for its owner', async () => {
    const kit = await start({ contentHash, authorize: ({ headers }) => headers.authorization ?? '' });
    await sendAll(kit);
    expect((await list(kit, { id: 'b', size: 2500, hash })).status).toBe(404);
    await merge(kit, { ...file, hash });
    const after = await kit.restart();
    kits.push(after);
    expect((await list(after, { id: 'b', size: 2500, hash })).text).toBe('{"chunks":[],"merged":true}');
    expect((await list(after, { id: 'b', size: 2499, hash })).status).toBe(404);
    const path = `/api/chunks?id=b&size=2500&hash=${hash}`;
    expect((await ask(after.port, path, { headers: { authorization: 'bob' } })).status).toBe(404);
    await abort(after, 'a');
    expect((await list(after, { id: 'b', size: 2500, hash })).status).toBe(404);
  });

  it('is computed, not believed', async () => {
    const kit = await start({ contentHash });
    await sendAll(kit);
    const lie = createHash(contentHash).update('another file').digest('hex');
    expect((await merge(kit, { ...file, hash: lie })).status).toBe(410);
    expect((await list(kit, { id: 'b', size: 2500, hash: lie })).status).toBe(404);
    expect(await photos(kit)).toEqual([]);
    expect(await kit.leftovers()).toEqual([]);
  });
});

it('what is finished is a finished upload to the byte-offset server as well', async () => {
  const kit = await start();
  await sendAll(kit);
  await merge(kit, file);
  const { metadata, ...meta } = JSON.parse(await readFile(join(kit.dataDir, `${keyOf('a')}.json`), 'utf8'));
  expect(meta).toMatchObject({ id: 'a', sizeBytes: 2500 });
  expect(metadata).toEqual({});
  expect(sha256(await readFile(join(kit.dataDir, `${keyOf('a')}.data`)))).toBe(sha256(bytes));
});

it('ends what runs when it closes', async () => {
  const kit = await start();
  const { headers, body } = form({ ...file, index: 0 }, part(0));
  const slow = open(kit.port, '/api/chunks', {
    method: 'POST',
    headers: { ...headers, 'content-length': String(body.length) },
  });
  await write(slow.client, body.subarray(0, body.length - 10));
  await underWay(kit);
  await kit.server.close();
  expect((await slow.answer).status).toBe(503);
});
