// Who can write into the data folder beside the server (another account of the machine, a restored backup) may put links
// there. Whatever is asked then, nothing outside the folder is read out, written, emptied or made.

import { lstat, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { type Client, clients, type FileProtocol } from './protocol-clients.js';
import { ask, type Kit, sha256, someBytes, startKit } from './test-kit.js';

const protocols = Object.keys(clients) as FileProtocol[];
const SIZE = 3000;
const SECRET = 'secret';
/** Names of files that describe an upload: a link to a sound one is the worse trap. */
const isWords = (name: string) => /\.(json|meta|log)$/.test(name);

async function sandbox() {
  const folder = await mkdtemp(join(tmpdir(), 'backhaul-links-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const [dataDir, outside] = [join(folder, 'data'), join(folder, 'outside')];
  await mkdir(dataDir);
  await mkdir(outside);
  return { dataDir, outside };
}

async function serverOn(dataDir: string, protocol: FileProtocol): Promise<Kit> {
  const kit = await startKit({ dataDir, protocol });
  onTestFinished(() => kit.server.close());
  return kit;
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => !entry.isDirectory()).map(({ parentPath, name }) => join(parentPath, name));
}

/** What is outside: of each name its beginning, and a hash of all. */
async function contents(folder: string): Promise<Record<string, string>> {
  const entries = (await readdir(folder)).map(async (name) => {
    const bytes = await readFile(join(folder, name));
    return [name, `${bytes.subarray(0, SECRET.length)} ${sha256(bytes)}`] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

/** Everything that a client can ask; what was answered. */
async function askAll(kit: Kit, clientsOfIt: readonly Client[]): Promise<string> {
  const answers: string[] = [];
  for (const client of clientsOfIt) answers.push(...(await client.goOn(kit.port)));
  const list = (await ask(kit.port, '/api/photos')).text;
  for (const { key } of JSON.parse(list)) {
    // A file that may not be opened ends its answer in the middle.
    answers.push(await ask(kit.port, `/api/photos/${key}`).then(({ text }) => text, String));
  }
  for (const client of clientsOfIt) answers.push(...(await client.giveUp(kit.port)));
  expect((await ask(kit.port, '/healthz')).status).toBe(200);
  return answers.join('\n') + list;
}

test.each(protocols)('a link in the place of a stored file is not followed: %s', async (protocol) => {
  const { dataDir, outside } = await sandbox();
  const first = await serverOn(dataDir, protocol);
  const bytes = Buffer.from(someBytes(SIZE));
  const [half, whole] = [clients[protocol]('half-made', bytes), clients[protocol]('made-whole', bytes)];
  await half.begin(first.port);
  await whole.begin(first.port);
  await whole.goOn(first.port);
  expect(JSON.parse((await ask(first.port, '/api/photos')).text)).toHaveLength(1);
  const plant = async () => {
    for (const path of await filesIn(dataDir)) {
      const [target, info] = [join(outside, basename(path)), await lstat(path)];
      if (info.isSymbolicLink()) continue;
      await writeFile(target, isWords(path) ? await readFile(path) : SECRET.repeat(info.size / SECRET.length));
      await rm(path);
      await symlink(target, path);
    }
  };
  await plant();
  const before = await contents(outside);
  expect(Object.values(before).filter((text) => text.includes(SECRET)).length).toBeGreaterThan(1);
  const second = await askAll(first, [half, whole]);
  expect(await contents(outside)).toEqual(before);
  expect(second).not.toContain(SECRET);
});

test.each(protocols)('a link that is there when the server starts is not followed: %s', async (protocol) => {
  const { dataDir, outside } = await sandbox();
  const first = await serverOn(dataDir, protocol);
  const bytes = Buffer.from(someBytes(SIZE));
  const [half, whole] = [clients[protocol]('half-made', bytes), clients[protocol]('made-whole', bytes)];
  await half.begin(first.port);
  await whole.begin(first.port);
  await whole.goOn(first.port);
  await first.server.close();
  for (const path of await filesIn(dataDir)) {
    // What describes an upload stays as it is: the upload is known, its bytes are a link.
    if (isWords(path)) continue;
    const target = join(outside, basename(path));
    await writeFile(target, SECRET.repeat((await lstat(path)).size / SECRET.length));
    await rm(path);
    await symlink(target, path);
  }
  const before = await contents(outside);
  const second = await serverOn(dataDir, protocol);
  const answers = await askAll(second, [half, whole]);
  expect(await contents(outside)).toEqual(before);
  expect(answers).not.toContain(SECRET);
});

// The IETF server names its files by chance: nobody can wait there.
test.each(protocols.filter((protocol) => protocol !== 'ietf'))(
  'a link that waits under the name of a new upload is not followed: %s',
  async (protocol) => {
    const [{ dataDir: elsewhere }, { dataDir, outside }] = [await sandbox(), await sandbox()];
    const bytes = Buffer.from(someBytes(SIZE));
    const model = await serverOn(elsewhere, protocol);
    const first = clients[protocol]('an-upload', bytes);
    await first.begin(model.port);
    const names = new Set(await filesIn(elsewhere));
    await first.goOn(model.port);
    for (const path of await filesIn(elsewhere)) names.add(path);
    expect(names.size).toBeGreaterThan(1);

    for (const kind of ['a file', 'nothing']) {
      const kit = await serverOn(dataDir, protocol);
      for (const path of names) {
        const target = join(outside, basename(path));
        if (kind === 'a file') await writeFile(target, SECRET.repeat(SIZE / SECRET.length));
        else await rm(target, { force: true });
        await rm(path.replace(elsewhere, dataDir), { force: true });
        await symlink(target, path.replace(elsewhere, dataDir));
      }
      const before = await contents(outside);
      const client = clients[protocol]('an-upload', bytes);
      await client.begin(kit.port);
      expect(await askAll(kit, [client])).not.toContain(SECRET);
      expect(await contents(outside), `a link to ${kind}`).toEqual(before);
      await kit.server.close();
      await rm(dataDir, { recursive: true });
      await mkdir(dataDir);
    }
  },
);

test('the folder of chunks is no link', async () => {
  const { dataDir, outside } = await sandbox();
  await symlink(outside, join(dataDir, 'chunks'));
  await expect(startKit({ dataDir, protocol: 'chunks' })).rejects.toThrow(/chunks/);
  expect(await readdir(outside)).toEqual([]);
});
