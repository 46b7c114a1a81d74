// Two people, one device, one endpoint: what Ann left waiting is never sent as Bob, and neither stands in the other's way.

import { expect, test } from 'vitest';
import { byteOffset, ProtocolFailure, type UploadSource } from '../../sw/index.js';
import { fileOf, setStage } from '../engine/stage.js';
import { itemOf } from '../engine/worker.js';

const HOUR = 3_600_000;

/** As the README has it: a token for the person whose upload it is, or none at all. */
function house() {
  const session: { user: string | undefined } = { user: 'ann' };
  const headers = ({ endpoint }: UploadSource) => {
    const [, user] = endpoint.split('@');
    if (user === session.user) return { Authorization: `Bearer ${user}` };
    throw new ProtocolFailure('auth', 'unauthorized', `${user} is not signed in.`);
  };
  return {
    session,
    stage: () =>
      setStage({}, { endpoints: (server) => ({ photos: byteOffset({ ...server.urls, settleMs: 0, headers }) }) }),
  };
}

test('uploads of one user are never sent with the token of another', async () => {
  const { session, stage: set } = house();
  const stage = await set();
  const { server, time } = stage;
  const anns = fileOf('ann.bin', 100_000);
  const bobs = fileOf('bob.bin', 100_000);
  server.fault = () => ({ type: 'answer', status: 503 });
  await stage.add([anns], { endpoint: 'photos@ann' });
  await time.pass(60_000);
  expect(server.seen.length).toBeGreaterThan(0);

  session.user = 'bob';
  server.fault = () => undefined;
  const before = server.seen.length;
  await stage.add([bobs], { endpoint: 'photos@bob' });
  await stage.delivery(bobs);
  await stage.worker.send({ type: 'wake', reason: 'visible' });
  await time.pass(HOUR);
  expect(await stage.named('ann.bin')).toMatchObject({ status: 'waiting', reason: 'auth' });
  const asBob = server.seen.slice(before);
  expect(asBob.map(({ headers }) => headers.authorization)).toEqual(asBob.map(() => 'Bearer bob'));
  expect(asBob.filter(({ id }) => id === anns.id)).toEqual([]);

  session.user = 'ann';
  await stage.worker.send({ type: 'wake', reason: 'visible' });
  await stage.delivery(anns);
  const ofAnn = server.seen.filter(({ id }) => id === anns.id);
  expect(new Set(ofAnn.map(({ headers }) => headers.authorization))).toEqual(new Set(['Bearer ann']));
});

test('the same file of two users is two uploads, and clearing one leaves the other', async () => {
  const { session, stage: set } = house();
  const stage = await set();
  session.user = undefined;
  const { bytes } = fileOf('same.bin', 1000);
  for (const endpoint of ['photos@ann', 'photos@bob']) {
    const items = [itemOf('same.bin', bytes)];
    await stage.worker.send({ type: 'enqueue', endpoint, metadata: {}, priority: 'normal', items });
  }
  expect((await stage.worker.list()).map(({ endpoint }) => endpoint)).toEqual(['photos@ann', 'photos@bob']);
  await stage.worker.send({ type: 'clear', endpoint: 'photos@ann' });
  expect((await stage.worker.list()).map(({ endpoint }) => endpoint)).toEqual(['photos@bob']);
  expect(stage.server.seen).toEqual([]);
});

test.each(['@ann', 'else@ann', 'else@photos', ' photos@ann', 'photos.example@ann', '__proto__@ann'])(
  'a name with an @ reaches only endpoints of the worker: %s is refused',
  async (endpoint) => {
    const stage = await setStage();
    await expect(stage.add([fileOf('a.bin', 10)], { endpoint })).rejects.toMatchObject({ code: 'unknown-endpoint' });
    expect(await stage.worker.list()).toEqual([]);
  },
);
