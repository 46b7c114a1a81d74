// The folder of uploads: per upload one file of bytes and one of JSON, both named by a hash, so that no id becomes a
// path. What is on disk is the truth: held = size of the file, finished = held is the declared size. Knows no HTTP.
// One process per folder: nothing here guards against a second one.

import { mkdir, open, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { own, readOwn, statOwn } from './own-files.js';
import { type OpenDataFile, openDataFile, UploadFile, type UploadMeta } from './upload-file.js';

export interface StoreOptions {
  readonly folder: string;
  /** Unfinished uploads at most. */
  readonly maxUploads: number;
  readonly now: () => number;
  readonly openData?: OpenDataFile;
}

/** Thrown by {@link UploadStore.create}: `maxUploads` are unfinished already. */
export class TooManyUploads extends Error {
  override readonly name = 'TooManyUploads';
}

const keyPattern = /^[0-9a-f]{64}$/;
const dataEnd = '.data';
const metaEnd = '.json';
/** Files looked at together when starting; a guess. */
const loadBatch = 64;

export class UploadStore {
  readonly #options: StoreOptions;
  // About 1 KB per upload, finished ones included; with millions of them, ask the disk instead.
  readonly #files = new Map<string, UploadFile>();
  readonly #unfinished = new Set<string>();
  readonly #finished: UploadFile[] = [];
  readonly #hooks: { readonly open: OpenDataFile; readonly onFinished: (file: UploadFile) => number };

  private constructor(options: StoreOptions) {
    this.#options = options;
    const onFinished = (file: UploadFile) => {
      this.#unfinished.delete(file.key);
      this.#finished.push(file);
      return options.now();
    };
    this.#hooks = { open: options.openData ?? openDataFile, onFinished };
  }

  /** Reads the folder, and clears what a killed process left half made. */
  static async open(options: StoreOptions): Promise<UploadStore> {
    const store = new UploadStore(options);
    await mkdir(options.folder, { recursive: true });
    const names = await readdir(options.folder);
    const keys = names.filter((name) => name.endsWith(metaEnd)).map((name) => name.slice(0, -metaEnd.length));
    for (let at = 0; at < keys.length; at += loadBatch) {
      await Promise.all(keys.slice(at, at + loadBatch).map((key) => store.#load(key)));
    }
    store.#finished.sort((a, b) => (a.finishedAtMs ?? 0) - (b.finishedAtMs ?? 0));
    for (const name of names) {
      const isOurs =
        name.endsWith('.tmp') || (name.endsWith(dataEnd) && keyPattern.test(name.slice(0, -dataEnd.length)));
      if (isOurs && !store.#files.has(name.slice(0, -dataEnd.length)))
        await rm(join(options.folder, name), { force: true });
    }
    // A process killed between rename and this call left names that are seen, but not yet safe.
    await store.#syncFolder();
    return store;
  }

  get unfinishedCount(): number {
    return this.#unfinished.size;
  }

  /** In the order in which they were finished. */
  get finished(): readonly UploadFile[] {
    return this.#finished;
  }

  find(key: string): UploadFile | undefined {
    return this.#files.get(key);
  }

  /** Makes an upload that survives a power cut before its first byte is there. The caller holds the turn of `key`. */
  async create(key: string, meta: UploadMeta): Promise<UploadFile> {
    if (this.#unfinished.size >= this.#options.maxUploads) throw new TooManyUploads();
    // Counted before the first await, so that uploads made at the same time cannot pass the limit together.
    this.#unfinished.add(key);
    const path = this.#path(key, dataEnd);
    try {
      // The bytes' file comes first, emptied: JSON without it would be an upload that cannot be written.
      await writeFile(path, '', { flag: own.w });
      await this.#writeMeta(key, meta);
    } catch (error) {
      this.#unfinished.delete(key);
      // On a full disk, what is half made would take the rest of it.
      for (const end of [dataEnd, '.tmp', metaEnd]) await rm(this.#path(key, end), { force: true });
      throw error;
    }
    const start = { heldBytes: 0, promisedBytes: 0, touchedAtMs: meta.createdAtMs };
    const file = new UploadFile({ key, path }, meta, start, this.#hooks);
    this.#files.set(key, file);
    return file;
  }

  /**
   * Takes over a finished and synced file that was made elsewhere on this disk. Interrupted at any point, it can be done
   * again, or has been done. The caller sees to it that nobody else does the same to `key`.
   */
  async adopt(key: string, meta: UploadMeta, from: string): Promise<UploadFile> {
    const path = this.#path(key, dataEnd);
    // JSON without bytes is no upload yet: the file is there with the rename, whole.
    await this.#writeMeta(key, meta);
    await rename(from, path);
    await this.#syncFolder();
    const atMs = this.#options.now();
    const start = { heldBytes: meta.sizeBytes, promisedBytes: meta.sizeBytes, touchedAtMs: atMs, finishedAtMs: atMs };
    const file = new UploadFile({ key, path }, meta, start, this.#hooks);
    this.#files.set(key, file);
    this.#finished.push(file);
    return file;
  }

  /** Unfinished uploads that got no byte since `beforeMs`. */
  abandoned(beforeMs: number): UploadFile[] {
    const files = [...this.#unfinished].flatMap((key) => this.#files.get(key) ?? []);
    return files.filter((file) => file.touchedAtMs < beforeMs);
  }

  /** Forgets an upload. The caller holds its turn. */
  async remove(file: UploadFile): Promise<void> {
    this.#files.delete(file.key);
    this.#unfinished.delete(file.key);
    const at = this.#finished.indexOf(file);
    if (at >= 0) this.#finished.splice(at, 1);
    // Bytes first: what a kill leaves behind is cleared by the next start.
    await rm(file.path, { force: true });
    await rm(this.#path(file.key, metaEnd), { force: true });
  }

  async #load(key: string): Promise<void> {
    const path = this.#path(key, dataEnd);
    const meta = keyPattern.test(key) ? parseMeta(await readOwn(this.#path(key, metaEnd))) : undefined;
    const found = await statOwn(path);
    if (meta === undefined || found === undefined) return;
    // On file systems that put data before size (ext4's default, XFS, APFS, ZFS) the size alone is proof of the bytes.
    const heldBytes = Math.min(found.size, meta.sizeBytes);
    const touchedAtMs = Math.round(found.mtimeMs);
    const isFinished = heldBytes === meta.sizeBytes;
    const start = { heldBytes, touchedAtMs, ...(isFinished ? { finishedAtMs: touchedAtMs } : {}) };
    const file = new UploadFile({ key, path }, meta, start, this.#hooks);
    this.#files.set(key, file);
    if (isFinished) this.#finished.push(file);
    else this.#unfinished.add(key);
  }

  async #writeMeta(key: string, meta: UploadMeta): Promise<void> {
    const draft = this.#path(key, '.tmp');
    const handle = await open(draft, own.w);
    try {
      await handle.writeFile(JSON.stringify(meta));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(draft, this.#path(key, metaEnd));
    await this.#syncFolder();
  }

  async #syncFolder(): Promise<void> {
    const handle = await open(this.#options.folder, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  #path(key: string, end: string): string {
    return join(this.#options.folder, `${key}${end}`);
  }
}

function parseMeta(text: string): UploadMeta | undefined {
  let value: Partial<Record<keyof UploadMeta, unknown>> | null;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { id, sizeBytes, metadata, createdAtMs } = value;
  if (typeof id !== 'string' || !Number.isSafeInteger(sizeBytes) || typeof createdAtMs !== 'number') return undefined;
  if (typeof metadata !== 'object' || metadata === null) return undefined;
  return { id, sizeBytes: sizeBytes as number, metadata: metadata as Record<string, string>, createdAtMs };
}
