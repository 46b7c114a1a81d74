// The real engine against Ceph, by way of the demo's signer: what the bucket holds in the end, and what was sent for it.
// Invariants 2, 6, 7, 8. Skipped, by name and reason, where Ceph cannot run.

import {
  AbortMultipartUploadCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { afterAll, beforeAll, describe, expect, test as vitestTest } from 'vitest';
import { folderOf, keyOf, unpackFacts } from '../../demo/server/s3-operations.js';
import { Life } from '../engine/life.js';
import { type Ceph, type CephOrReason, cephOrReason } from '../harness/ceph.js';
import type { S3Request } from './s3-proxy.js';
import { fileOf, MIB, PART, setS3Stage } from './s3-stage.js';

let started: CephOrReason;
beforeAll(async () => {
  started = await cephOrReason();
}, 600_000);
afterAll(async () => {
  if ('ceph' in started) await started.ceph.stop();
});

const test = vitestTest.extend<{ ceph: Ceph }>({
  ceph: async ({ skip }, use) => {
    if ('reason' in started) return skip(started.reason);
    await use(started.ceph);
  },
});

const multipart = { wholeBytes: -1 };

describe('a file arrives whole', { timeout: 60_000 }, () => {
  test.for([0, 1, 100_000, PART])('as one PUT of %i bytes, with its name, type and date', async (size, { ceph }) => {
    const { add, reach, held, proxy, bucket } = await setS3Stage(ceph);
    const file = fileOf(size);
    const { id } = await add(file);
    await reach('completed');
    expect(await held()).toBe(file.sha256);
    expect(proxy.seen.map(({ type, bodyBytes }) => [type, bodyBytes])).toEqual([['put', size]]);
    const asked = new HeadObjectCommand({ Bucket: bucket.name, Key: keyOf(folderOf(''), id) });
    const { ContentType, Metadata } = await ceph.client().send(asked);
    expect(ContentType).toBe('application/octet-stream');
    expect(unpackFacts(Metadata?.['file'])).toEqual({ name: '文件 1.jpg', lastModifiedMs: 1_700_000_000_000 });
  });

  test.for([
    [0, [0]],
    [1, [1]],
    [PART, [PART]],
    [PART + 1, [PART, 1]],
    [3 * PART - 1, [PART, PART, PART - 1]],
  ] as const)('in parts: %i bytes', async ([size, parts], { ceph }) => {
    const { add, reach, held, begun, proxy } = await setS3Stage(ceph, multipart);
    const file = fileOf(size);
    await add(file);
    await reach('completed');
    expect(await held()).toBe(file.sha256);
    expect(await begun()).toBe(0);
    const sent = proxy.of('part').toSorted((a, b) => a.partNumber - b.partNumber);
    expect(sent.map(({ bodyBytes }) => bodyBytes)).toEqual(parts);
    expect(proxy.seen).toHaveLength(parts.length + 3);
  });

  test('when the list has pages', async ({ ceph }) => {
    const { add, reach, held, proxy } = await setS3Stage(ceph, (bucket, sign) => ({
      // What the demo's signer does, but for the size of the page.
      sign: async (operation) => {
        const client = (await bucket.gateway())?.client;
        if (operation.type !== 'list' || client === undefined) return sign(operation);
        const { uploadId, marker = 0, upload } = operation;
        const place = { Bucket: bucket.name, Key: keyOf(folderOf(''), upload.id), UploadId: uploadId };
        const page = { PartNumberMarker: String(marker), MaxParts: 2 };
        return { url: await getSignedUrl(client, new ListPartsCommand({ ...place, ...page })) };
      },
    }));
    const file = fileOf(5 * PART);
    await add(file);
    await reach('completed');
    expect(proxy.of('list')).toHaveLength(3);
    expect(await held()).toBe(file.sha256);
  });
});

test('a backend that makes uploads by itself saves round trips', { timeout: 60_000 }, async ({ ceph }) => {
  const asked: string[] = [];
  const { add, reach, held, begun, proxy } = await setS3Stage(
    ceph,
    {},
    {
      creates: true,
      onSigned: ({ type, partNumber }) => void asked.push(`${type} ${partNumber ?? ''}`.trim()),
    },
  );
  const file = fileOf(3 * PART);
  await add(file);
  await reach('completed');
  expect(await held()).toBe(file.sha256);
  expect(await begun()).toBe(0);
  // Part 1 was signed along.
  expect(asked.toSorted()).toEqual(['complete', 'create', 'list', 'part 2', 'part 3']);
  expect(proxy.seen).toHaveLength(3 + 3);
});

test('three parts are under way at once, after one alone', { timeout: 60_000 }, async ({ ceph }) => {
  const { add, reach, held, proxy } = await setS3Stage(ceph);
  let go = () => {};
  const until = new Promise<void>((resolve) => {
    go = resolve;
  });
  let firstAlone: boolean | undefined;
  proxy.fault = ({ type }) => {
    const [first, ...others] = proxy.of('part');
    if (others.length === 0) return undefined;
    firstAlone ??= first?.status === 200;
    if (others.length === 3) go();
    return type === 'part' ? { type: 'late', until } : undefined;
  };
  const file = fileOf(4 * PART);
  await add(file);
  await reach('completed');
  expect(firstAlone).toBe(true);
  expect(await held()).toBe(file.sha256);
});

describe('an answer that is lost', { timeout: 60_000 }, () => {
  test.for<[S3Request, 'mute' | 'reset', number]>([
    ['create', 'reset', 0],
    // Its orphan has no parts: the bucket's lifecycle rule ends it.
    ['create', 'mute', 1],
    ['part', 'reset', 0],
    ['part', 'mute', 0],
    ['list', 'reset', 0],
    ['list', 'mute', 0],
    ['complete', 'reset', 0],
    ['complete', 'mute', 0],
  ])('%s, %s', async ([type, fault, orphans], { ceph }) => {
    const { add, reach, held, begun, proxy } = await setS3Stage(ceph);
    const file = fileOf(2 * PART + 12_345);
    proxy.fault = (seen) => (seen.type === type && seen.nth === 0 && seen.partNumber < 2 ? { type: fault } : undefined);
    await add(file);
    await reach('completed');
    expect(await held()).toBe(file.sha256);
    expect(await begun()).toBe(orphans);
    // A part whose answer was lost is found in the list; an upload that was completed, by its key.
    const again = proxy.of('part').filter(({ nth }) => nth > 0);
    expect(again.map(({ partNumber }) => partNumber)).toEqual(type === 'part' && fault === 'reset' ? [1] : []);
    expect(proxy.of('complete')).toHaveLength(type === 'complete' && fault === 'reset' ? 2 : 1);
    expect(proxy.of('head')).toHaveLength(type === 'complete' && fault === 'mute' ? 1 : 0);
  });

  test.for(['reset', 'mute'] as const)('of a plain PUT: %s', async (fault, { ceph }) => {
    const { add, reach, held, proxy } = await setS3Stage(ceph);
    const file = fileOf(100_000);
    proxy.fault = ({ type, nth }) => (type === 'put' && nth === 0 ? { type: fault } : undefined);
    await add(file);
    await reach('completed');
    expect(await held()).toBe(file.sha256);
    expect(proxy.of('put')).toHaveLength(fault === 'mute' ? 1 : 2);
    expect(proxy.of('head')).toHaveLength(1);
  });

  test.for([0, 1, 1_000_000, PART - 1])('of a part that was cut after %i bytes', async (afterBytes, { ceph }) => {
    const { add, reach, held, proxy } = await setS3Stage(ceph);
    const file = fileOf(3 * PART);
    proxy.fault = ({ partNumber, nth }) => (partNumber === 2 && nth === 0 ? { type: 'cut', afterBytes } : undefined);
    await add(file);
    await reach('completed');
    expect(await held()).toBe(file.sha256);
    expect(
      proxy
        .of('part')
        .filter(({ nth }) => nth > 0)
        .map(({ partNumber }) => partNumber),
    ).toEqual([2]);
  });
});

describe('what is in the way', { timeout: 60_000 }, () => {
  test('401 of the backend waits for a sign-in; no part is sent again', async ({ ceph }) => {
    const stage = await setS3Stage(ceph);
    const { add, reach, held, proxy, worker } = stage;
    const file = fileOf(6 * PART);
    // Signed are the beginning, the first part, which goes alone, and three that go side by side.
    let asked = 0;
    stage.refuseToSign = () => {
      asked += 1;
      return asked > 5 ? 401 : undefined;
    };
    await add(file);
    expect(await reach('waiting')).toMatchObject({ reason: 'auth', error: { code: 'unauthorized', httpStatus: 401 } });
    const before = proxy.seen.length;
    stage.refuseToSign = () => undefined;
    await worker.send({ type: 'wake', reason: 'visible' });
    await reach('completed');
    expect(await held()).toBe(file.sha256);
    expect(before).toBe(5);
    expect(proxy.of('part').map(({ nth }) => nth)).toEqual([0, 0, 0, 0, 0, 0]);
  });

  test('a backend that is down is waited for', async ({ ceph }) => {
    const stage = await setS3Stage(ceph);
    const { add, reach, held, proxy, time } = stage;
    const file = fileOf(4 * PART);
    stage.refuseToSign = ({ socket }) => {
      if (proxy.of('part').length < 2) return undefined;
      socket.destroy();
      return 503;
    };
    await add(file);
    expect(await reach('waiting')).toMatchObject({ error: { code: 'network' } });
    await time.pass(3_600_000);
    stage.refuseToSign = () => undefined;
    await reach('completed');
    expect(await held()).toBe(file.sha256);
    expect(proxy.of('part')).toHaveLength(4);
  });

  test('a file that the backend finds too large fails, and says so', async ({ ceph }) => {
    const { add, reach, proxy } = await setS3Stage(ceph, {}, { maxFileBytes: MIB });
    await add(fileOf(MIB + 1));
    expect(await reach('failed')).toMatchObject({ error: { code: 'too-large', httpStatus: 413 } });
    expect(proxy.seen).toEqual([]);
  });

  test('a signature that came too late is replaced', async ({ ceph }) => {
    const { add, reach, held, proxy } = await setS3Stage(ceph, {}, { lifetimeSeconds: 1 });
    const file = fileOf(100_000);
    // Ceph's clock has whole seconds.
    const until = new Promise((resolve) => setTimeout(resolve, 2500));
    proxy.fault = ({ nth }) => (nth === 0 ? { type: 'late', until } : undefined);
    await add(file);
    await reach('completed');
    expect(await held()).toBe(file.sha256);
    expect(proxy.of('put').map(({ status }) => status)).toEqual([403, 200]);
  });

  test('SlowDown with Retry-After is obeyed', async ({ ceph }) => {
    const { add, reach, held, proxy, time } = await setS3Stage(ceph);
    const file = fileOf(100_000);
    const slow = { type: 'answer', status: 503, headers: { 'Retry-After': '600' } } as const;
    proxy.fault = ({ nth }) => (nth === 0 ? { ...slow, body: '<Error><Code>SlowDown</Code></Error>' } : undefined);
    const startedAtMs = time.now();
    await add(file);
    expect(await reach('waiting')).toMatchObject({ reason: 'server' });
    await reach('completed');
    expect(time.now() - startedAtMs).toBeGreaterThanOrEqual(600_000);
    expect(await held()).toBe(file.sha256);
  });

  test.for([
    ['part', { type: 'reset' }],
    ['put', { type: 'reset' }],
    ['part', { type: 'answer', status: 503 }],
    ['complete', { type: 'reset' }],
    ['complete', { type: 'answer', status: 400, body: '<Error><Code>InvalidPart</Code></Error>' }],
  ] as const)('nobody is asked in a tight loop: each %s meets %j', async ([type, fault], { ceph }) => {
    const { add, reach, held, proxy, time } = await setS3Stage(ceph);
    const file = fileOf(type === 'put' ? 1000 : PART + 1);
    proxy.fault = (seen) => (seen.type === type ? fault : undefined);
    await add(file);
    await time.pass(3_600_000);
    expect(proxy.seen.length).toBeGreaterThan(10);
    expect(proxy.seen.length).toBeLessThan(300);
    proxy.fault = () => undefined;
    await reach('completed');
    expect(await held()).toBe(file.sha256);
  });

  test('a body that a proxy finds too large fails, and says so', async ({ ceph }) => {
    const { add, reach, proxy } = await setS3Stage(ceph);
    proxy.fault = ({ type }) => (type === 'part' ? { type: 'answer', status: 413 } : undefined);
    await add(fileOf(PART + 1));
    expect(await reach('failed')).toMatchObject({ error: { code: 'too-large', httpStatus: 413 } });
    expect(proxy.of('part').length).toBeLessThanOrEqual(2);
  });

  test('a completion that says 200 and means no is done again', async ({ ceph }) => {
    const { add, reach, held, proxy } = await setS3Stage(ceph);
    const file = fileOf(2 * PART);
    const body = '\n\n<?xml version="1.0"?><Error><Code>InternalError</Code><Message>again</Message></Error>';
    proxy.fault = ({ type, nth }) =>
      type === 'complete' && nth < 2 ? { type: 'answer', status: 200, body } : undefined;
    await add(file);
    await reach('completed');
    expect(proxy.of('complete')).toHaveLength(3);
    expect(await held()).toBe(file.sha256);
  });

  test.for(['part', 'complete'] as const)(
    'an upload that is gone before a %s is begun anew',
    async (type, { ceph }) => {
      const { add, reach, held, begun, proxy, bucket } = await setS3Stage(ceph);
      const file = fileOf(4 * PART);
      const client = ceph.client();
      const forget = async () => {
        const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket.name }));
        for (const { Key, UploadId } of Uploads) {
          await client.send(new AbortMultipartUploadCommand({ Bucket: bucket.name, Key, UploadId }));
        }
      };
      proxy.fault = (seen) => {
        const isIt = seen.type === type && seen.nth === 0 && (type === 'complete' || seen.partNumber === 4);
        return isIt && proxy.of('create').length === 1 ? { type: 'late', until: forget() } : undefined;
      };
      await add(file);
      await reach('completed');
      expect(await held()).toBe(file.sha256);
      expect(await begun()).toBe(0);
      expect(proxy.of('create')).toHaveLength(2);
    },
  );
});

describe('a worker that is stopped', { timeout: 60_000 }, () => {
  test.for([0, 1, 2, 3, 4, 5])('after %i answers: no acknowledged part is sent again', async (answers, { ceph }) => {
    const { add, reach, held, proxy, worker, another, time } = await setS3Stage(ceph);
    const file = fileOf(3 * PART);
    proxy.fault = () => {
      if (proxy.seen.filter(({ status }) => status !== undefined).length >= answers) worker.life.end();
      return undefined;
    };
    await add(file);
    await time.until('the stop', () => worker.life.dead);
    proxy.fault = () => undefined;
    await another().send({ type: 'wake', reason: 'start' });
    await reach('completed');
    expect(proxy.seen.filter(({ isAgain }) => isAgain)).toEqual([]);
    expect(await held()).toBe(file.sha256);
  });

  // A file of two parts is a matter of about 80 awaits, a small one of 50.
  test.for([
    ...[6, 12, 18, 24, 30, 36, 42].map((point) => [point, 1000] as const),
    ...[10, 20, 30, 40, 50, 60, 70].map((point) => [point, 2 * PART] as const),
  ])('at await %i of an upload of %i bytes', async ([point, size], { ceph }) => {
    const { add, reach, held, proxy, another, time } = await setS3Stage(ceph);
    const file = fileOf(size);
    const life = new Life(point);
    another(life);
    const added = await Promise.race([add(file), life.died]);
    await time.until('the stop', () => life.dead);
    const next = another();
    // Stopped before it was accepted: then it is the page's to try again.
    if ((await next.list()).length === 0 && added === undefined) await add(file);
    await next.send({ type: 'wake', reason: 'start' });
    await reach('completed');
    expect(proxy.seen.filter(({ isAgain }) => isAgain)).toEqual([]);
    expect(await held()).toBe(file.sha256);
  });
});

describe('a cancel leaves nothing', { timeout: 60_000 }, () => {
  test('in the middle of its parts', async ({ ceph }) => {
    const { add, time, held, begun, proxy, worker } = await setS3Stage(ceph);
    let go = () => {};
    const until = new Promise<void>((resolve) => {
      go = resolve;
    });
    proxy.fault = ({ partNumber }) => (partNumber === 3 ? { type: 'late', until } : undefined);
    const { id } = await add(fileOf(5 * PART));
    while (proxy.of('part').length < 3) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await begun()).toBe(1);
    await worker.send({ type: 'control', control: 'cancel', ids: [id] });
    await time.until('freed', () => proxy.of('abort').some(({ status }) => status === 204));
    go();
    await time.settle();
    expect(await begun()).toBe(0);
    expect(await held()).toBeUndefined();
  });

  test.for(['put', 'complete'] as const)('when the last answer, to %s, was lost', async (type, { ceph }) => {
    const { add, time, held, begun, proxy, worker, reach } = await setS3Stage(ceph);
    // Done, and nobody gets to know.
    proxy.fault = (seen) => {
      if (seen.type === type) return { type: 'mute' };
      return proxy.of(type).length > 0 && ['list', 'head'].includes(seen.type)
        ? { type: 'answer', status: 503 }
        : undefined;
    };
    const { id } = await add(fileOf(type === 'put' ? 1000 : 2 * PART));
    await reach('waiting');
    expect(await held()).toBeDefined();
    await worker.send({ type: 'control', control: 'cancel', ids: [id] });
    await time.until('freed', () => proxy.of('delete').some(({ status }) => status === 204));
    expect(await begun()).toBe(0);
    expect(await held()).toBeUndefined();
  });
});
