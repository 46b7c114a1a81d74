// In place of node:fs and node:fs/promises for the reference servers: the same calls on the world's disk.

import { Readable } from 'node:stream';
import { world } from '../world/world.js';
import { DiskError, DiskFile } from './memory-disk.js';

const disk = () => world().disk;

/** Each call is an await that may be the process's last. */
function step<Value>(work: () => Value): Promise<Value> {
  const { loop } = world();
  return new Promise((resolve, reject) => {
    loop.task(loop.current, () => {
      try {
        resolve(work());
      } catch (cause) {
        reject(cause);
      }
    });
  });
}

const bytesOf = (data: unknown) => (typeof data === 'string' ? new TextEncoder().encode(data) : (data as Uint8Array));

function room(): void {
  if (disk().isFull) throw new DiskError('ENOSPC', 'write');
}

/** Links there are none on this disk. */
export const constants = {
  O_RDONLY: 0,
  O_WRONLY: 1,
  O_RDWR: 2,
  O_CREAT: 64,
  O_TRUNC: 512,
  O_APPEND: 1024,
  O_NOFOLLOW: 0,
};

class Handle {
  readonly #path: string;
  readonly #file: DiskFile | undefined;
  readonly #appends: boolean;

  constructor(path: string, flags: number) {
    this.#path = path;
    this.#appends = (flags & constants.O_APPEND) !== 0;
    const isFolder = disk().folders.has(path);
    if (!isFolder && !(flags & constants.O_CREAT)) disk().find(path);
    if (flags & constants.O_TRUNC) disk().make(path);
    this.#file = isFolder ? undefined : (disk().files.get(path) ?? disk().make(path));
  }

  write(data: unknown, offset = 0, length?: number, position?: number): Promise<{ bytesWritten: number }> {
    return step(() => {
      room();
      const all = bytesOf(data);
      const bytes = all.subarray(offset, offset + (length ?? all.length));
      const file = this.#file;
      file?.write(bytes, this.#appends ? file.bytes.length : (position ?? 0));
      return { bytesWritten: bytes.length };
    });
  }

  writeFile(data: unknown): Promise<void> {
    return step(() => {
      room();
      this.#file?.write(bytesOf(data), 0);
    });
  }

  datasync(): Promise<void> {
    return step(() => {
      if (this.#file) this.#file.sync();
      else disk().syncFolder(this.#path);
    });
  }

  sync(): Promise<void> {
    return this.datasync();
  }

  truncate(size: number): Promise<void> {
    return step(() => this.#file?.truncate(size));
  }

  createReadStream(): Readable {
    return Readable.from([Buffer.from(this.#file?.bytes ?? [])]);
  }

  close(): Promise<void> {
    return step(() => undefined);
  }
}

/** The only text for flags is `r`, for folders. */
export const open = (path: string, flags: number | string) =>
  step(() => new Handle(path, typeof flags === 'string' ? constants.O_RDONLY : flags));
export const mkdir = (path: string, _options?: unknown) => step(() => void disk().folders.add(path));
export const readdir = (folder: string) =>
  step(() => {
    const names: string[] = [];
    for (const path of disk().files.keys()) {
      if (path.startsWith(`${folder}/`) && !path.slice(folder.length + 1).includes('/'))
        names.push(path.slice(folder.length + 1));
    }
    return names.sort();
  });
export const readFile = (path: string, _options?: unknown) =>
  step(() => Buffer.from(disk().find(path).bytes).toString());
export const rename = (from: string, to: string) =>
  step(() => {
    disk().files.set(to, disk().find(from));
    disk().files.delete(from);
  });
export const rm = (path: string, _options?: unknown) => step(() => void disk().files.delete(path));
export const lstat = (path: string) =>
  step(() => {
    const isFolder = disk().folders.has(path);
    const { bytes, changedAtMs } = isFolder ? new DiskFile() : disk().find(path);
    return { size: bytes.length, mtimeMs: changedAtMs, isFile: () => !isFolder, isDirectory: () => isFolder };
  });
export const truncate = (path: string, size: number) => step(() => disk().find(path).truncate(size));
export const writeFile = (path: string, data: unknown, options: { flag: number }) =>
  step(() => {
    room();
    const file = options.flag & constants.O_APPEND ? (disk().files.get(path) ?? disk().make(path)) : disk().make(path);
    file.write(bytesOf(data), file.bytes.length);
  });
export const statfs = () => step(() => ({ bavail: 1, bsize: 1 }));
