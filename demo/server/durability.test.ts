import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, open as openFile, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ask, claim, type Kit, keyOf, openPost, post, sha256, someBytes, startKit, status, until } from './test-kit.js';
import { type OpenDataFile, openDataFile } from './upload-file.js';

const kits: Kit[] = [];
const keep = (kit: Kit) => {
  kits.push(kit);
  return kit;
};
afterEach(async () => {
  await Promise.all(kits.splice(0).map((kit) => kit.close()));
});

describe('a power cut', () => {
  /** Remembers what was synced; `cutPower` takes the rest away. */
  function mortalDisk() {
    const written = new Map<string, number>();
    const synced = new Map<string, number>();
    const openData: OpenDataFile = async (path) => {
      const file = await openFile(path, 'r+');
      return {
        write: async (bytes, offset, length, position) => {
          const done = await file.write(bytes, offset, length, position);
          written.set(path, position + done.bytesWritten);
          return done;
        },
        datasync: async () => {
          const size = written.get(path) ?? 0;
          await file.datasync();
          synced.set(path, size);
        },
        truncate: (size) => file.truncate(size),
        close: () => file.close(),
      };
    };
    const cutPower = () => Promise.all([...written.keys()].map((path) => truncate(path, synced.get(path) ?? 0)));
    return { openData, cutPower };
  }

  const bytes = someBytes(100_000);
  const ways: Record<string, (kit: Kit) => Promise<number>> = {
    'the answer to a POST': async (kit) => Number((await post(kit.port, 'a', 0, 200_000, bytes)).text),
    'a status while a POST is running': async (kit) => {
      openPost(kit.port, 'a', 0, 200_000).client.write(bytes);
      await until(async () => (await status(kit.port, 'a')).text === '100000', 'status');
      return 100_000;
    },
    'a 409': async (kit) => {
      openPost(kit.port, 'a', 0, 200_000).client.write(bytes);
      // Not by status, which would sync.
      const path = join(kit.dataDir, `${keyOf('a')}.data`);
      await until(async () => (await readFile(path).catch(() => '')).length === 100_000, 'written');
      return Number((await post(kit.port, 'a', 7, 200_000, bytes.subarray(7))).text);
    },
  };
  it.each(Object.entries(ways))('takes nothing that was told by %s', async (_, way) => {
    const { openData, cutPower } = mortalDisk();
    const kit = keep(await startKit({ openData }));
    const told = await way(kit);
    expect(told).toBe(100_000);
    await cutPower();
    // A copy, because the old process, which died in this story, would sync while closing.
    const dataDir = join(kit.dataDir, 'after');
    await mkdir(dataDir);
    for (const name of [`${keyOf('a')}.data`, `${keyOf('a')}.json`]) {
      await writeFile(join(dataDir, name), await readFile(join(kit.dataDir, name)));
    }
    const after = keep(await startKit({ dataDir }));
    expect(Number((await status(after.port, 'a')).text)).toBeGreaterThanOrEqual(told);
  });

  it('syncs once more what a killed process may have left unsynced', async () => {
    const first = keep(await startKit());
    await post(first.port, 'a', 0, 200_000, bytes);
    let syncs = 0;
    const openData: OpenDataFile = async (path) => {
      const file = await openDataFile(path);
      const datasync = () => {
        syncs += 1;
        return file.datasync();
      };
      return { write: file.write.bind(file), truncate: file.truncate.bind(file), close: () => file.close(), datasync };
    };
    const second = keep(await first.restart({ openData }));
    expect((await status(second.port, 'a')).text).toBe('100000');
    expect(syncs).toBe(1);
    await status(second.port, 'a');
    expect(syncs).toBe(1);
  });
});

describe('a disk that fails', () => {
  /** Has room for so many bytes; fails to sync while `isBroken`. */
  function smallDisk(room: { bytes: number; isBroken?: boolean }): OpenDataFile {
    return async (path) => {
      const file = await openFile(path, 'r+');
      return {
        write: async (bytes, offset, length, position) => {
          if (room.bytes === 0) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
          const done = await file.write(bytes, offset, Math.min(length, room.bytes), position);
          room.bytes -= done.bytesWritten;
          return done;
        },
        datasync: async () => {
          if (room.isBroken) throw Object.assign(new Error('i/o error'), { code: 'EIO' });
          await file.datasync();
        },
        truncate: (size) => file.truncate(size),
        close: () => file.close(),
      };
    };
  }

  it('keeps what fitted, says 507, and goes on when there is room', async () => {
    const room = { bytes: 150_001 };
    const kit = keep(await startKit({ openData: smallDisk(room) }));
    const bytes = someBytes(400_000);
    const full = await post(kit.port, 'a', 0, bytes.length, bytes);
    expect([full.status, full.headers['retry-after']]).toEqual([507, '30']);
    const told = Number((await status(kit.port, 'a')).text);
    expect(told).toBe(150_001);
    room.bytes = Number.MAX_SAFE_INTEGER;
    expect((await post(kit.port, 'a', told, bytes.length, bytes.subarray(told))).text).toBe('400000');
    expect(sha256(await readFile(join(kit.dataDir, `${keyOf('a')}.data`)))).toBe(sha256(bytes));
  });

  it('takes back what could not be synced, and tells no number that includes it', async () => {
    const room = { bytes: Number.MAX_SAFE_INTEGER, isBroken: false };
    const kit = keep(await startKit({ openData: smallDisk(room) }));
    const bytes = someBytes(3000);
    await post(kit.port, 'a', 0, 3000, bytes.subarray(0, 1000));
    room.isBroken = true;
    expect((await post(kit.port, 'a', 1000, 3000, bytes.subarray(1000, 2000))).status).toBe(500);
    expect(kit.uploads().at(-1)).toMatchObject({
      outcome: 'storage-failed',
      reason: 'Error: i/o error',
      heldBytes: 1000,
    });
    // Another process would believe the size.
    expect((await readFile(join(kit.dataDir, `${keyOf('a')}.data`))).length).toBe(1000);
    room.isBroken = false;
    expect((await status(kit.port, 'a')).text).toBe('1000');
    expect((await post(kit.port, 'a', 1000, 3000, bytes.subarray(1000))).text).toBe('3000');
    expect(sha256(await readFile(join(kit.dataDir, `${keyOf('a')}.data`)))).toBe(sha256(bytes));
  });
});

describe('what a killed process leaves half made', () => {
  it('is cleared, and its names can be used again', async () => {
    const first = keep(await startKit());
    await post(first.port, 'whole', 0, 2, new Uint8Array(1));
    const file = (id: string, end: string) => join(first.dataDir, `${keyOf(id)}${end}`);
    await writeFile(file('orphan', '.data'), 'old bytes');
    await writeFile(file('draft', '.tmp'), '{"id":');
    await writeFile(join(first.dataDir, 'README'), 'not ours');
    const second = keep(await first.restart());
    const names = (await readdir(second.dataDir)).sort();
    expect(names).toEqual([`${keyOf('whole')}.data`, `${keyOf('whole')}.json`, 'README'].sort());
    expect((await status(second.port, 'orphan')).text).toBe('0');
    expect((await post(second.port, 'orphan', 0, 3, Buffer.from('new'))).text).toBe('3');
    expect(await readFile(file('orphan', '.data'), 'utf8')).toBe('new');
    await writeFile(file('later', '.data'), 'old bytes');
    await post(second.port, 'later', 0, 3, Buffer.from('new'));
    expect(await readFile(file('later', '.data'), 'utf8')).toBe('new');
  });
});

const asModules = {
  bundle: true,
  splitting: true,
  platform: 'node',
  packages: 'external',
  format: 'esm',
  outExtension: { '.js': '.mjs' },
} as const;

describe('SIGKILL', () => {
  let folder = '';
  let child: ChildProcess | undefined;
  beforeAll(async () => {
    // Below the project, so that packages are found.
    const root = join(import.meta.dirname, '../../node_modules/.cache');
    await mkdir(root, { recursive: true });
    folder = await mkdtemp(join(root, 'backhaul-kill-'));
    const entryPoints = [join(import.meta.dirname, 'main.ts')];
    await build({ ...asModules, entryPoints, outdir: folder });
  });
  afterAll(async () => {
    child?.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  });

  async function startChild(): Promise<{ port: number; kill: () => Promise<void> }> {
    const env = { ...process.env, PORT: '0', DATA_DIR: join(folder, 'data') };
    const started = spawn(process.execPath, [join(folder, 'main.mjs')], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    child = started;
    const exited = new Promise<void>((resolve) => started.once('exit', () => resolve()));
    let text = '';
    started.stdout.on('data', (bytes) => {
      text += bytes;
    });
    const port = Number(await until(() => /http:\/\/localhost:(\d+)/.exec(text)?.[1], 'the address'));
    const kill = () => {
      started.kill('SIGKILL');
      return exited;
    };
    return { port, kill };
  }

  it('at any moment costs no byte that was answered', { timeout: 90_000 }, async () => {
    const bytes = someBytes(24_000_000);
    const id = 'big-24000000-1';
    let highest = 0;
    let kills = 0;
    for (;;) {
      const server = await startChild();
      const from = Number((await status(server.port, id)).text);
      expect(from).toBeGreaterThanOrEqual(highest);
      highest = from;
      if (from === bytes.length) {
        const got = await ask(server.port, `/api/photos/${keyOf(id)}`);
        expect(sha256(got.bytes)).toBe(sha256(bytes));
        await server.kill();
        break;
      }
      // Killed when a random share of about 3 MB has been answered: at the very first byte, or in mid-write.
      const killAt = from + Math.floor(Math.random() ** 2 * 3_000_000);
      const { client, answer } = openPost(server.port, id, from, bytes.length);
      const gone = answer.then(
        ({ status: code, text }) => code === 200 && Math.max(highest, Number(text)),
        () => false,
      );
      client.end(bytes.subarray(from));
      await until(async () => {
        const told = Number((await status(server.port, id)).text);
        highest = Math.max(highest, told);
        return told >= killAt || told === bytes.length;
      }, 'progress');
      await server.kill();
      await gone;
      kills += 1;
    }
    expect(kills).toBeGreaterThan(1);
  });

  it('right after many small files costs none of them', { timeout: 60_000 }, async () => {
    const answered = new Set<string>();
    for (let round = 0; round < 3; round += 1) {
      const server = await startChild();
      for (const id of answered) expect((await status(server.port, id)).text).toBe('5');
      const sends = Array.from({ length: 40 }, async (_, index) => {
        const id = `small-${round}-${index}`;
        const headers = claim(id, 0, 5);
        const got = await ask(server.port, '/api/upload', {
          method: 'POST',
          headers,
          body: Buffer.from('12345'),
        }).catch(() => undefined);
        if (got?.text === '5') answered.add(id);
      });
      const target = answered.size + 1 + Math.floor(Math.random() * 30);
      await until(() => answered.size >= target, 'answers');
      await server.kill();
      await Promise.all(sends);
    }
    expect(answered.size).toBeGreaterThan(2);
  });
});
