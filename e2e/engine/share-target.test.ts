// What is posted to the share target: photos of a phone's share sheet are accepted like a page's files; whatever else
// may be posted is bounded, and never passes for a file of the user's. Invariants 1, 10, 11, 12.

import { describe, expect, test, vi } from 'vitest';
import type { Adapter } from '../../sw/protocols/adapter.js';
import { isShare, type ShareTargetOptions, takeIn } from '../../sw/share-target.js';
import { type Stage, setStage } from './stage.js';
import { itemOf } from './worker.js';

const APP = 'https://app.example';
const options: ShareTargetOptions = { action: '/share', files: 'photos', endpoint: 'photos', redirect: '/?shared' };

function formOf(...entries: readonly (readonly [string, string | File])[]): FormData {
  const form = new FormData();
  for (const [name, value] of entries) form.append(name, value);
  return form;
}

const photo = (name: string, text = name) => ['photos', new File([text], name, { type: 'image/jpeg' })] as const;

function post({ worker }: Stage, body: BodyInit, changed: Partial<ShareTargetOptions> = {}) {
  const request = new Request(`${APP}/share`, { method: 'POST', body });
  return worker.life.run(() => takeIn(request, { ...options, ...changed }, worker.engine));
}

describe('what may come from the share sheet', () => {
  const share = {
    method: 'POST',
    mode: 'navigate',
    destination: 'document',
    url: `${APP}/share`,
    referrer: '',
  } as const;
  const action = new URL('/share', APP);
  const from = (origin?: string) => new Headers(origin === undefined ? {} : { origin });

  test.each([
    ['of nobody', { headers: from('null') }],
    ['of the app', { headers: from(APP), referrer: `${APP}/gallery` }],
    ['without an origin', {}],
    ['of another Android app', { referrer: 'android-app://com.example.gallery' }],
  ])('%s', (_, changed) => {
    expect(isShare({ headers: from(), ...share, ...changed }, action)).toBe(true);
  });

  test.each([
    ['a GET', { method: 'GET' }],
    ['a fetch() of the app', { mode: 'cors', destination: '' } as const],
    ['a frame', { destination: 'iframe' } as const],
    ['another path', { url: `${APP}/share/more` }],
    ['another query', { url: `${APP}/share?more` }],
    ['a page of another site', { headers: from('https://evil.example') }],
    ['a page of the same site', { headers: from('https://cdn.app.example') }],
    ['one that looks alike', { headers: from('https://app.example.evil.example') }],
    ['a page of another port', { headers: from(`${APP}:8443`) }],
    ['another page, known by its referrer alone', { headers: from('null'), referrer: 'https://evil.example/' }],
  ])('%s is left to the network', (_, changed) => {
    expect(isShare({ headers: from('null'), ...share, ...changed }, action)).toBe(false);
  });
});

describe('a share', () => {
  test('of three photos and texts is stored, marked and delivered', async () => {
    const stage = await setStage();
    const form = formOf(photo('a.jpg'), ['title', 'Holiday'], photo('b.jpg'), photo('照片 c.jpg'), [
      'text',
      'At the sea',
    ]);
    expect(await post(stage, form)).toEqual({ shared: '3' });
    const uploads = await stage.worker.list();
    expect(uploads.map(({ name, type }) => [name, type])).toEqual([
      ['a.jpg', 'image/jpeg'],
      ['b.jpg', 'image/jpeg'],
      ['照片 c.jpg', 'image/jpeg'],
    ]);
    for (const { metadata } of uploads) {
      expect(metadata).toEqual({ title: 'Holiday', text: 'At the sea', shared: 'true' });
    }
    await stage.time.until('three deliveries', () => stage.server.delivered.size === 3);
    const delivered = [...stage.server.delivered.values()].flat().map((bytes) => Buffer.from(bytes).toString());
    expect(delivered.sort()).toEqual(['a.jpg', 'b.jpg', '照片 c.jpg']);
  });

  test('of files of one name and size is as many uploads, here and at the server', async () => {
    const stage = await setStage();
    expect(await post(stage, formOf(photo('image.jpg', 'one'), photo('image.jpg', 'two')))).toEqual({ shared: '2' });
    await stage.time.until('two deliveries', () => stage.server.delivered.size === 2);
    const delivered = [...stage.server.delivered.values()].flat().map((bytes) => Buffer.from(bytes).toString());
    expect(delivered.sort()).toEqual(['one', 'two']);
  });

  test('never takes the place of a file of the user', async () => {
    const stage = await setStage();
    stage.server.fault = () => ({ type: 'answer', status: 503 });
    expect(await post(stage, formOf(photo('IMG_1.jpg', 'poison')))).toEqual({ shared: '1' });
    const [{ name, sizeBytes, lastModifiedMs } = expect.fail('nothing is listed')] = await stage.worker.list();
    // A photo of the same name, size and time, as a page hands it over.
    const file = { ...itemOf(name, new TextEncoder().encode('joyful')), lastModifiedMs };
    const items = [{ ...file, fingerprint: `${name}-${sizeBytes}-${lastModifiedMs}` }];
    await stage.worker.send({ type: 'enqueue', endpoint: 'photos', metadata: {}, priority: 'normal', items });
    expect(await stage.worker.list()).toHaveLength(2);
  });

  test('goes to the endpoint of whoever is signed in, and to none that there is not', async () => {
    const stage = await setStage();
    expect(await post(stage, formOf(photo('a.jpg')), { endpoint: async () => 'photos@ann' })).toEqual({ shared: '1' });
    expect((await stage.worker.list()).map(({ endpoint }) => endpoint)).toEqual(['photos@ann']);
    const nobody = () => Promise.reject(new Error('signed out'));
    const refused = { shared: '0', refused: '1' };
    expect(await post(stage, formOf(photo('b.jpg')), { endpoint: nobody })).toEqual({
      ...refused,
      code: 'storage-failed',
    });
    const nowhere = await post(stage, formOf(photo('b.jpg')), { endpoint: 'nowhere' });
    expect(nowhere).toEqual({ ...refused, code: 'unknown-endpoint' });
    // What is posted chooses nothing.
    const chosen = formOf(photo('b.jpg'), ['endpoint', 'other'], ['redirect', 'https://evil.example'], ['shared', '7']);
    expect(await post(stage, chosen)).toEqual({ shared: '1' });
    expect((await stage.worker.list()).at(-1)).toMatchObject({ endpoint: 'photos', metadata: { shared: 'true' } });
  });
});

describe('a hostile post', () => {
  test('larger than allowed is refused as a whole, and no more of it is read', async () => {
    const stage = await setStage();
    const boundary = 'x';
    let pulled = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        pulled += 100_000;
        if (pulled > 10_000_000) controller.close();
        controller.enqueue(pulled > 100_000 ? new Uint8Array(100_000) : new TextEncoder().encode(`--${boundary}\r\n`));
      },
    });
    const request = {
      body: endless,
      headers: new Headers({ 'content-type': `multipart/form-data; boundary=${boundary}` }),
    };
    const said = await takeIn(
      request as Pick<Request, 'body' | 'headers'>,
      { ...options, maxBytes: 1_000_000 },
      stage.worker.engine,
    );
    expect(said).toEqual({ shared: '0', code: 'quota-exceeded' });
    expect(pulled).toBeLessThan(2_000_000);
    expect(await stage.worker.list()).toEqual([]);
  });

  test.each([
    ['nothing', '', undefined],
    ['text', 'hello', 'text/plain'],
    [
      'half a form',
      '--x\r\nContent-Disposition: form-data; name="photos"; filename="a"\r\n\r\nabc',
      'multipart/form-data; boundary=x',
    ],
    ['a form without a boundary', 'abc', 'multipart/form-data'],
  ])('of %s is refused, not an error', async (_, body, type) => {
    const stage = await setStage();
    const headers = new Headers(type === undefined ? {} : { 'content-type': type });
    const request = new Request(`${APP}/share`, { method: 'POST', body, headers });
    expect(await takeIn(request, options, stage.worker.engine)).toEqual({ shared: '0', code: 'invalid-message' });
    expect(await stage.worker.list()).toEqual([]);
  });

  test('of texts alone, of strings in the place of files, or of an empty input stores nothing', async () => {
    const stage = await setStage();
    const add = vi.spyOn(stage.worker.engine.store, 'add');
    expect(await post(stage, formOf(['title', 'x']))).toEqual({ shared: '0' });
    expect(await post(stage, formOf(['photos', 'no file']))).toEqual({ shared: '0' });
    expect(await post(stage, formOf(['photos', new File([], '')]))).toEqual({ shared: '0' });
    expect(await post(stage, formOf(['others', new File(['a'], 'a.jpg')]))).toEqual({ shared: '0' });
    expect(add).not.toHaveBeenCalled();
  });

  test('of endless names and texts is cut to what an upload may carry', async () => {
    const stage = await setStage();
    const long = new File(['a'], 'n'.repeat(5000), { type: `image/${'t'.repeat(5000)}` });
    const texts = ['title', 'text', 'url'].map((name) => [name, '\u0001"\\'.repeat(100_000)] as const);
    expect(await post(stage, formOf(['photos', long], ...texts))).toEqual({ shared: '1' });
    const [upload] = await stage.worker.list();
    expect(upload?.name).toHaveLength(1024);
    expect(JSON.stringify(upload?.metadata).length).toBeLessThanOrEqual(4096);
    expect(upload?.metadata['url']?.length).toBeGreaterThan(50);
  });

  test('of a thousand files is accepted up to 500, and says so', async () => {
    const stage = await setStage();
    stage.server.fault = () => ({ type: 'answer', status: 503 });
    const many = Array.from({ length: 1000 }, (_, index) => photo(`${index}.jpg`));
    expect(await post(stage, formOf(...many))).toEqual({ shared: '500', refused: '500', code: 'quota-exceeded' });
  });

  test('that finds no room is refused file by file, and says why', async () => {
    const stage = await setStage({}, { worker: { estimate: async () => ({ quota: 1010, usage: 1000 }) } });
    const form = formOf(photo('a.jpg', '12345'), photo('b.jpg', '1234567890'), photo('c.jpg', '12345'));
    expect(await post(stage, form)).toEqual({ shared: '2', refused: '1', code: 'quota-exceeded' });
    expect((await stage.worker.list()).map(({ name }) => name)).toEqual(['a.jpg', 'c.jpg']);
  });
});

test('a store that is out of order is said, and the share sheet gets an answer all the same', async () => {
  const stage = await setStage({}, { endpoints: () => ({ broken: {} as Adapter }) });
  vi.spyOn(stage.worker.engine.store, 'add').mockRejectedValue(new Error('disk'));
  const said = await post(stage, formOf(photo('a.jpg')));
  expect(said).toEqual({ shared: '0', refused: '1', code: 'storage-failed' });
});
