// Where tus and the IETF's protocol send file and token is told by the server, and kept in a database that scripts of the
// page can write. Neither sends them to a place that the worker's code does not name. Judged by what that place received.

import type { RequestListener } from 'node:http';
import { openDB } from 'idb';
import { expect, test } from 'vitest';
import { type RequestDefaults, resumableUpload, tus } from '../../sw/index.js';
import { fileOf, setStage } from '../engine/stage.js';
import { serve } from '../harness/serve.js';

const adapters = { tus, ietf: resumableUpload };
type Protocol = keyof typeof adapters;
const protocols = Object.keys(adapters) as Protocol[];
const options: RequestDefaults = { headers: () => ({ Authorization: 'Bearer secret' }), credentials: 'include' };

/** The place that wants what is not its own, and an endpoint whose `answer` a test decides. */
async function scene(protocol: Protocol, answer: (evil: string) => RequestListener, uploadOrigins: string[] = []) {
  const stolen: string[] = [];
  const evil = await serve((request, response) => {
    stolen.push(`${request.method} ${request.headers.authorization}`);
    request.resume();
    response.writeHead(204, { 'Upload-Offset': '0' }).end();
  });
  const origin = await serve(answer(evil));
  const allowed = uploadOrigins.map((each) => (each === 'evil' ? evil : each));
  const adapter = adapters[protocol]({ ...options, endpoint: `${origin}/up`, uploadOrigins: allowed });
  const stage = await setStage({}, { endpoints: () => ({ place: adapter }) });
  return { stolen, evil, origin, stage };
}

const placesIt =
  (evil: string): RequestListener =>
  (request, response) => {
    request.resume();
    response.writeHead(201, { Location: `${evil}/1`, 'Upload-Complete': '?0' }).end();
  };

test.each(protocols)(
  'an upload that its server places on another origin ends, and nothing goes there: %s',
  async (protocol) => {
    const { stolen, evil, stage } = await scene(protocol, placesIt, ['https://else.example']);
    await stage.add([fileOf('a.bin', 100_000)], { endpoint: 'place' });
    await stage.time.until('the end', async () => (await stage.named('a.bin')).status === 'failed');
    const upload = await stage.named('a.bin');
    expect(upload).toMatchObject({ status: 'failed', error: { code: 'unexpected-answer' } });
    expect(JSON.stringify(upload)).toContain(evil);
    await stage.worker.send({ type: 'control', control: 'cancel', ids: [upload.id] });
    await stage.time.pass(60_000);
    expect(stolen).toEqual([]);
  },
);

test.each(protocols)('an origin that the worker lists is sent to: %s', async (protocol) => {
  const { stolen, stage } = await scene(protocol, placesIt, ['evil']);
  await stage.add([fileOf('a.bin', 100_000)], { endpoint: 'place' });
  await stage.time.until('a request there', async () => stolen.length > 0);
  expect(stolen[0]).toBe('PATCH Bearer secret');
});

test.each(protocols)('an upload URL that a script wrote into the database is not sent to: %s', async (protocol) => {
  const { stolen, evil, origin, stage } = await scene(protocol, () => (request, response) => {
    request.resume();
    if (request.method !== 'POST') return void response.writeHead(503).end();
    response.writeHead(201, { Location: '/up/1', 'Upload-Complete': '?0' }).end();
  });
  await stage.add([fileOf('a.bin', 100_000)], { endpoint: 'place' });
  await stage.time.until('a refused body', async () => (await stage.named('a.bin')).status === 'waiting');
  stage.worker.life.end();
  const database = await openDB(stage.databaseName);
  const [record] = await database.getAll('uploads');
  const forged = JSON.stringify(record).replaceAll(`${origin}/up/1`, `${evil}/1`);
  expect(forged).toContain(evil);
  await database.put('uploads', JSON.parse(forged));
  database.close();

  const worker = stage.another();
  await worker.send({ type: 'control', control: 'resume', ids: 'all' });
  await stage.time.until('the end', async () => (await worker.list())[0]?.status === 'failed');
  expect((await worker.list())[0]).toMatchObject({ error: { code: 'unexpected-answer' } });
  expect(stolen).toEqual([]);
});
