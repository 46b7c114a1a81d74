// The folder of unfinished chunked uploads, and their way into the folder of finished files, where the gallery sees them.
// Names on disk are hashes: no id becomes a path. Knows no HTTP. One process per folder: nothing guards against a second.

import { createHash } from 'node:crypto';
import { lstat, mkdir, open, readdir, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ChunkedMeta, ChunkedUpload } from './chunked-upload.js';
import { own, readOwn } from './own-files.js';
import type { UploadFile } from './upload-file.js';
import { keyOf } from './upload-key.js';
import { TooManyUploads, UploadStore } from './upload-store.js';

export interface ChunkStoreOptions {
  /** Finished files go here, as the byte-offset server keeps them; unfinished ones into `chunks` below it. */
  readonly dataDir: string;
  readonly maxUploads: number;
  readonly contentHash: 'sha256' | 'md5' | undefined;
  readonly now: () => number;
}

/** Thrown by {@link ChunkStore.finish}: the content is not what the client said it was. The upload is gone. */
export class WrongContent extends Error {
  override readonly name = 'WrongContent';
}

/** After an abort, chunks that were already on their way are refused for so long. A guess, above any request's life in a socket. */
const tombstoneMs = 60_000;
const keyPattern = /^[0-9a-f]{64}$/;

export class ChunkStore {
  readonly #options: ChunkStoreOptions;
  readonly #folder: string;
  readonly #finished: UploadStore;
  readonly #uploads = new Map<string, ChunkedUpload>();
  readonly #creating = new Map<string, Promise<ChunkedUpload>>();
  readonly #finishing = new Map<string, Promise<UploadFile>>();
  /** Key of a finished file by owner and hash of its content. */
  readonly #contents = new Map<string, string>();
  readonly #tombstones = new Map<string, number>();

  private constructor(options: ChunkStoreOptions, folder: string, finished: UploadStore) {
    this.#options = options;
    this.#folder = folder;
    this.#finished = finished;
  }

  /** Reads both folders, and clears what a killed process left half made. */
  static async open(options: ChunkStoreOptions): Promise<ChunkStore> {
    const folder = join(options.dataDir, 'chunks');
    await mkdir(folder, { recursive: true });
    if (!(await lstat(folder)).isDirectory()) throw new Error(`${folder} is no folder, but a link. Remove it.`);
    const { dataDir, maxUploads, now } = options;
    const store = new ChunkStore(options, folder, await UploadStore.open({ folder: dataDir, maxUploads, now }));
    const names = await readdir(folder);
    for (const name of names) {
      const key = name.slice(0, 64);
      if (name === `${key}.meta` && keyPattern.test(key)) await store.#load(key);
    }
    for (const name of names) {
      if (name !== contentsName && !store.#uploads.has(name.slice(0, 64)))
        await rm(join(folder, name), { force: true });
    }
    const contents = await readOwn(join(folder, contentsName)).catch(() => '');
    for (const [, content = '', key = ''] of contents.matchAll(/^([0-9a-f]{64}) ([0-9a-f]{64});$/gm)) {
      store.#contents.set(content, key);
    }
    return store;
  }

  get unfinishedCount(): number {
    return this.#uploads.size;
  }

  /** In the order in which they were finished. */
  get finished(): readonly UploadFile[] {
    return this.#finished.finished;
  }

  find(key: string): ChunkedUpload | undefined {
    return this.#uploads.get(key);
  }

  findFinished(key: string): UploadFile | undefined {
    const file = this.#finished.find(key);
    return file?.finishedAtMs === undefined ? undefined : file;
  }

  /** A finished file with this content; `content` names owner and hash. */
  findContent(content: string): UploadFile | undefined {
    return this.findFinished(this.#contents.get(content) ?? '');
  }

  isAborted(key: string): boolean {
    const untilMs = this.#tombstones.get(key) ?? 0;
    return this.#options.now() < untilMs;
  }

  /** The upload, made if need be; two requests at the same time get the same one. */
  async findOrCreate(key: string, meta: ChunkedMeta): Promise<ChunkedUpload> {
    const known = this.#uploads.get(key) ?? this.#creating.get(key);
    if (known !== undefined) return known;
    // Counted before the first await, so that uploads made at the same time cannot pass the limit together.
    if (this.#uploads.size + this.#creating.size >= this.#options.maxUploads) throw new TooManyUploads();
    const creating = this.#create(key, meta).finally(() => this.#creating.delete(key));
    this.#creating.set(key, creating);
    return creating;
  }

  /** Makes the file of its chunks, which must all be there. Once, however often it is asked for at the same time. */
  finish(upload: ChunkedUpload, owner: string, hash: string): Promise<UploadFile> {
    const { key } = upload;
    const finished = this.findFinished(key);
    if (finished !== undefined) return Promise.resolve(finished);
    const finishing =
      this.#finishing.get(key) ?? this.#finish(upload, owner, hash).finally(() => this.#finishing.delete(key));
    this.#finishing.set(key, finishing);
    return finishing;
  }

  /** Frees all that is held under `key`, finished or not. */
  async remove(key: string): Promise<void> {
    const nowMs = this.#options.now();
    for (const [old, untilMs] of this.#tombstones) if (untilMs < nowMs) this.#tombstones.delete(old);
    this.#tombstones.set(key, nowMs + tombstoneMs);
    await this.#creating.get(key)?.catch(() => undefined);
    await this.#finishing.get(key)?.catch(() => undefined);
    await this.#forget(key);
    const file = this.#finished.find(key);
    if (file !== undefined) await this.#finished.remove(file);
  }

  /** Unfinished uploads that got no byte since `beforeMs` are freed; returns how many. */
  async sweep(beforeMs: number): Promise<number> {
    const old = [...this.#uploads.values()].filter((upload) => upload.touchedAtMs < beforeMs && !upload.isBusy);
    for (const { key } of old) if (!this.#finishing.has(key)) await this.#forget(key);
    return old.length;
  }

  async #create(key: string, meta: ChunkedMeta): Promise<ChunkedUpload> {
    const upload = this.#upload(key, meta);
    try {
      await this.#make(upload);
    } catch (error) {
      // On a full disk, what is half made would take the rest of it.
      await this.#forget(key);
      throw error;
    }
    this.#uploads.set(key, upload);
    return upload;
  }

  async #make({ key, meta, path }: ChunkedUpload): Promise<void> {
    await writeFile(path, '', { flag: own.w });
    await truncate(path, meta.sizeBytes);
    await writeFile(this.#path(key, 'log'), '', { flag: own.w });
    const draft = this.#path(key, 'tmp');
    const handle = await open(draft, own.w);
    try {
      await handle.writeFile(JSON.stringify(meta));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(draft, this.#path(key, 'meta'));
    await syncFolder(this.#folder);
  }

  async #finish(upload: ChunkedUpload, owner: string, claimed: string): Promise<UploadFile> {
    const { key, meta } = upload;
    const algorithm = this.#options.contentHash;
    // Its own reckoning: a hash that was believed would give one person's bytes to another's name.
    const hash = algorithm && (await hashOf(upload.path, algorithm));
    if (hash !== undefined && claimed.length === hash.length && claimed !== hash) {
      await this.#forget(key);
      throw new WrongContent(`The content is ${hash}, not ${claimed}.`);
    }
    const { chunkBytes: _, ...kept } = meta;
    const file = await this.#finished.adopt(key, kept, upload.path);
    if (hash !== undefined) await this.#remember(contentKey(owner, hash), key);
    await this.#forget(key);
    return file;
  }

  async #remember(content: string, key: string): Promise<void> {
    this.#contents.set(content, key);
    // Not synced: what is forgotten is only sent once more.
    await writeFile(join(this.#folder, contentsName), `\n${content} ${key};\n`, { flag: own.a });
  }

  async #forget(key: string): Promise<void> {
    await this.#uploads.get(key)?.end();
    this.#uploads.delete(key);
    // What describes it first: what a kill leaves behind is cleared by the next start.
    for (const end of ['meta', 'tmp', 'log', 'part']) await rm(this.#path(key, end), { force: true });
  }

  async #load(key: string): Promise<void> {
    // Killed after the file was taken over: it is finished, and the rest is cleared.
    if (this.findFinished(key) !== undefined) return;
    const meta = parseMeta(await readOwn(this.#path(key, 'meta')));
    if (meta === undefined) return;
    const upload = this.#upload(key, meta);
    await upload.load().then(
      () => this.#uploads.set(key, upload),
      // Without its bytes it is none.
      () => undefined,
    );
  }

  #upload(key: string, meta: ChunkedMeta): ChunkedUpload {
    const paths = { part: this.#path(key, 'part'), log: this.#path(key, 'log') };
    return new ChunkedUpload(key, meta, paths, this.#options.now());
  }

  #path(key: string, end: string): string {
    return join(this.#folder, `${key}.${end}`);
  }
}

const contentsName = 'contents.log';

/** Apart for each owner: who knows a hash must not get another's file by it. */
export function contentKey(owner: string, hash: string): string {
  return keyOf(`${owner}\0content`, hash);
}

async function hashOf(path: string, algorithm: string): Promise<string> {
  const hash = createHash(algorithm);
  const file = await open(path, own.r);
  for await (const bytes of file.createReadStream({ highWaterMark: 1024 * 1024 })) hash.update(bytes);
  return hash.digest('hex');
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function parseMeta(text: string): ChunkedMeta | undefined {
  let value: Partial<Record<keyof ChunkedMeta, unknown>> | null;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { id, sizeBytes, chunkBytes, metadata, createdAtMs } = value ?? {};
  const numbers = [sizeBytes, chunkBytes, createdAtMs].every(
    (number) => Number.isSafeInteger(number) && Number(number) >= 0,
  );
  if (typeof id !== 'string' || !numbers || chunkBytes === 0) return undefined;
  if (typeof metadata !== 'object' || metadata === null) return undefined;
  return value as ChunkedMeta;
}
