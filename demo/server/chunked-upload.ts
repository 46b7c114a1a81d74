// One unfinished upload on disk: a file of the declared size, into which chunks are written wherever they belong, and a log
// of those that no power cut can take away. Knows neither HTTP nor the other uploads.

import { open } from 'node:fs/promises';
import { own, readOwn } from './own-files.js';
import type { UploadMeta } from './upload-file.js';

/** What was declared when the upload was made. Written once, never changed. */
export interface ChunkedMeta extends UploadMeta {
  readonly chunkBytes: number;
}

export class ChunkedUpload {
  readonly key: string;
  readonly meta: ChunkedMeta;
  readonly path: string;
  readonly #logPath: string;
  readonly #stored: Set<number>;
  readonly #ended = new AbortController();
  readonly #writers = new Set<Promise<unknown>>();
  #touchedAtMs: number;

  constructor(key: string, meta: ChunkedMeta, paths: { readonly part: string; readonly log: string }, atMs: number) {
    this.key = key;
    this.meta = meta;
    this.path = paths.part;
    this.#logPath = paths.log;
    this.#stored = new Set();
    this.#touchedAtMs = atMs;
  }

  /** Takes up what an earlier process had acknowledged. */
  async load(): Promise<void> {
    // A line that a power cut tore has no end, and is none.
    const log = await readOwn(this.#logPath).catch(() => '');
    for (const [, index] of log.matchAll(/^(\d+);$/gm)) if (Number(index) < this.count) this.#stored.add(Number(index));
    const file = await open(this.path, own['r+']);
    await file.truncate(this.meta.sizeBytes).finally(() => file.close());
  }

  get count(): number {
    return Math.ceil(this.meta.sizeBytes / this.meta.chunkBytes);
  }

  /** Numbers of the chunks that are stored for good, in rising order. */
  get stored(): readonly number[] {
    return [...this.#stored].sort((a, b) => a - b);
  }

  has(index: number): boolean {
    return this.#stored.has(index);
  }

  get isWhole(): boolean {
    return this.#stored.size === this.count;
  }

  get touchedAtMs(): number {
    return this.#touchedAtMs;
  }

  /** True while somebody writes. */
  get isBusy(): boolean {
    return this.#writers.size > 0;
  }

  /** Aborted when the upload is given up: whoever writes lets go. */
  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  /**
   * Lets `pump` write one chunk. If it says so, the chunk is synced, and only then counted. What it leaves half written is
   * written over by the next one: until it is in the log, nobody reads it.
   */
  write(index: number, atMs: number, pump: (file: ChunkFile) => Promise<boolean>): Promise<void> {
    const writing = this.#write(index, atMs, pump).finally(() => this.#writers.delete(writing));
    this.#writers.add(writing);
    return writing;
  }

  /** Ends all writers, and waits until they have let go. */
  async end(): Promise<void> {
    this.#ended.abort();
    await Promise.allSettled(this.#writers);
  }

  async #write(index: number, atMs: number, pump: (file: ChunkFile) => Promise<boolean>): Promise<void> {
    this.#touchedAtMs = atMs;
    const file = await open(this.path, own['r+']);
    try {
      if (!(await pump(file))) return;
      await file.datasync();
    } finally {
      await file.close();
    }
    // Bytes first, then the word that they are there. Begun on a line of its own: the last one may be torn.
    const log = await open(this.#logPath, own.a);
    try {
      await log.write(`\n${index};\n`);
      await log.datasync();
    } finally {
      await log.close();
    }
    this.#stored.add(index);
  }
}

/** The part of a FileHandle that a pump needs. */
export interface ChunkFile {
  write(bytes: Uint8Array, offset: number, length: number, position: number): Promise<{ bytesWritten: number }>;
}
