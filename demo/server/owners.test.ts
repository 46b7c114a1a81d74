// Two people at one server: who knows another's id, or the URL of another's upload, can do nothing with it.

import { expect, onTestFinished, test } from 'vitest';
import { clients, type FileProtocol } from './protocol-clients.js';
import { ask, someBytes, startKit } from './test-kit.js';

const [ann, eve, nobody] = [{ authorization: 'ann' }, { authorization: 'eve' }, {}];
const protocols = Object.keys(clients) as FileProtocol[];

async function start(protocol: FileProtocol) {
  const kit = await startKit({ protocol, authorize: ({ headers }) => headers.authorization });
  onTestFinished(() => kit.close());
  const photos = async () =>
    JSON.parse((await ask(kit.port, '/api/photos')).text) as { key: string; sizeBytes: number }[];
  return { port: kit.port, photos };
}

test.each(protocols)(
  'an upload of another cannot be read, grown, finished or deleted by its id or URL: %s',
  async (protocol) => {
    const { port, photos } = await start(protocol);
    const bytes = Buffer.from(someBytes(3000));
    const upload = clients[protocol]('an-upload', bytes);
    expect((await upload.begin(port, ann)).status).toBeLessThan(300);
    for (const stranger of [eve, nobody]) {
      // Where ids are the client's, it is an upload of the stranger's own: none of Ann's bytes are in it.
      for (const answered of await upload.giveUp(port, stranger)) expect(answered).toMatch(/^(401|404|204) /);
      const [held = ''] = await upload.goOn(port, stranger);
      expect(held).not.toContain('1500');
      expect(held).toMatch(/^(401|404|200 0) /);
    }
    // Where she stood, nothing more and nothing less.
    expect((await upload.goOn(port, ann))[0]).toMatch(/\b1500\b|"chunks":\[0\]/);
    const whole = await Promise.all((await photos()).map(({ key }) => ask(port, `/api/photos/${key}`)));
    expect(whole.filter((got) => Buffer.compare(got.bytes, bytes) === 0).length).toBeGreaterThan(0);
  },
);

test.each(protocols)('a finished upload of another cannot be deleted, nor made again over it: %s', async (protocol) => {
  const { port, photos } = await start(protocol);
  const [bytes, others] = [Buffer.from(someBytes(3000)), Buffer.from(someBytes(3000))];
  const upload = clients[protocol]('an-upload', bytes);
  await upload.begin(port, ann);
  await upload.goOn(port, ann);
  const [photo] = await photos();
  const again = clients[protocol]('an-upload', others);
  expect((await again.begin(port, eve)).status).toBeLessThan(300);
  await again.goOn(port, eve);
  expect(await photos()).toHaveLength(2);
  for (const client of [again, upload]) await client.giveUp(port, eve);
  const got = await ask(port, `/api/photos/${photo?.key}`);
  expect(Buffer.compare(got.bytes, bytes)).toBe(0);
});
