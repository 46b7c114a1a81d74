// One upload on disk: appends bytes, and tells how many of them no power cut can take away.
// Knows neither HTTP nor the other uploads.

import { open } from 'node:fs/promises';
import { own } from './own-files.js';

/** What was declared when the upload was made. Written once, never changed. */
export interface UploadMeta {
  /** The client's X-File-Id; kept for people who read the folder. */
  readonly id: string;
  readonly sizeBytes: number;
  readonly metadata: Readonly<Record<string, string>>;
  readonly createdAtMs: number;
}

/** The part of a FileHandle that is used; a parameter, so that a test can fill the disk or cut the power. */
export interface DataFile {
  write(bytes: Uint8Array, offset: number, length: number, position: number): Promise<{ bytesWritten: number }>;
  datasync(): Promise<void>;
  truncate(sizeBytes: number): Promise<void>;
  close(): Promise<void>;
}

export type OpenDataFile = (path: string) => Promise<DataFile>;

export const openDataFile: OpenDataFile = (path) => open(path, own['r+']);

interface Start {
  readonly heldBytes: number;
  /** What was answered at most; undefined if an earlier process did it. */
  readonly promisedBytes?: number;
  readonly touchedAtMs: number;
  readonly finishedAtMs?: number;
}

export class UploadFile {
  readonly key: string;
  readonly path: string;
  readonly meta: UploadMeta;
  readonly #open: OpenDataFile;
  readonly #onFinished: (file: UploadFile) => number;
  #heldBytes: number;
  #promisedBytes: number | undefined;
  // A file found at start may have been written by a process that was killed before it synced.
  #synced = false;
  #handle: DataFile | undefined;
  #touchedAtMs: number;
  #finishedAtMs: number | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    at: { readonly key: string; readonly path: string },
    meta: UploadMeta,
    start: Start,
    hooks: { readonly open: OpenDataFile; readonly onFinished: (file: UploadFile) => number },
  ) {
    this.key = at.key;
    this.path = at.path;
    this.meta = meta;
    this.#open = hooks.open;
    this.#onFinished = hooks.onFinished;
    this.#heldBytes = start.heldBytes;
    this.#promisedBytes = start.promisedBytes;
    this.#touchedAtMs = start.touchedAtMs;
    this.#finishedAtMs = start.finishedAtMs;
  }

  /** Written, but not yet promised to anybody. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  get touchedAtMs(): number {
    return this.#touchedAtMs;
  }

  /** Undefined while bytes are missing. */
  get finishedAtMs(): number | undefined {
    return this.#finishedAtMs;
  }

  /** Appends at `position`, which must be the end; never beyond the declared size. */
  append(position: number, bytes: Uint8Array, atMs: number): Promise<void> {
    return this.#exclusive(async () => {
      // Not so after a failed sync took the tail back (below).
      if (position !== this.#heldBytes) throw new Error(`Byte ${position} is not the end, ${this.#heldBytes} is.`);
      if (position + bytes.length > this.meta.sizeBytes) throw new RangeError('More bytes than were declared.');
      this.#handle ??= await this.#open(this.path);
      this.#synced = false;
      this.#touchedAtMs = atMs;
      // A full disk takes a part of a write; each part counts as soon as it is there.
      for (let done = 0; done < bytes.length; ) {
        const { bytesWritten } = await this.#handle.write(bytes, done, bytes.length - done, this.#heldBytes);
        done += bytesWritten;
        this.#heldBytes += bytesWritten;
      }
    });
  }

  /** Syncs what was written and returns its number: the only number that may be answered. */
  durableBytes(): Promise<number> {
    return this.#exclusive(async () => {
      if (!this.#synced) await this.#sync();
      if (this.#heldBytes === this.meta.sizeBytes) this.#finishedAtMs ??= this.#onFinished(this);
      return this.#heldBytes;
    });
  }

  /** Closes the file after a writer; it can be written again. */
  close(): Promise<void> {
    return this.#exclusive(async () => {
      const handle = this.#handle;
      this.#handle = undefined;
      await handle?.close();
    });
  }

  async #sync(): Promise<void> {
    const handle = this.#handle ?? (await this.#open(this.path));
    try {
      await handle.datasync();
      this.#synced = true;
      this.#promisedBytes = this.#heldBytes;
    } catch (error) {
      // After a failed fsync the kernel may drop the pages and report success next time (LWN, "PostgreSQL's fsync()
      // surprise", 2018): what was not promised is taken back, and the client sends it again.
      if (this.#promisedBytes !== undefined) {
        await handle.truncate(this.#promisedBytes);
        this.#heldBytes = this.#promisedBytes;
      }
      throw error;
    } finally {
      if (handle !== this.#handle) await handle.close();
    }
  }

  /** One file operation after the other: a status must not sync, or take back, half a write. */
  #exclusive<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#last.then(task, task);
    this.#last = result.catch(() => undefined);
    return result;
  }
}
