// A disk in memory with what a power cut leaves of it: bytes that were synced, and names whose folder was. A killed process
// leaves everything. Each operation is an await of the server's, at which it may end.

import { world } from '../world/world.js';

export class DiskError extends Error {
  readonly code: string;
  constructor(code: string, path: string) {
    super(`${code}: ${path}`);
    this.code = code;
  }
}

export class DiskFile {
  bytes: Uint8Array = new Uint8Array(0);
  /** As last synced. */
  safe: Uint8Array = new Uint8Array(0);
  changedAtMs = 0;

  write(bytes: Uint8Array, position: number): void {
    const size = Math.max(this.bytes.length, position + bytes.length);
    const grown = new Uint8Array(size);
    grown.set(this.bytes);
    grown.set(bytes, position);
    this.bytes = grown;
    this.changedAtMs = Math.round(world().loop.now());
  }

  truncate(size: number): void {
    const cut = new Uint8Array(size);
    cut.set(this.bytes.subarray(0, size));
    this.bytes = cut;
  }
}

export class MemoryDisk {
  readonly folders = new Set<string>(['/']);
  files = new Map<string, DiskFile>();
  #safe = new Map<string, DiskFile>();
  isFull = false;

  /** The folder's names survive a power cut. */
  syncFolder(folder: string): void {
    const inside = (path: string) => path.slice(0, path.lastIndexOf('/')) === folder;
    for (const path of [...this.#safe.keys()]) if (inside(path)) this.#safe.delete(path);
    for (const [path, file] of this.files) if (inside(path)) this.#safe.set(path, file);
  }

  powerCut(): void {
    this.files = new Map(this.#safe);
    for (const file of this.files.values()) file.bytes = file.safe.slice();
  }

  find(path: string): DiskFile {
    const file = this.files.get(path);
    if (file === undefined) throw new DiskError('ENOENT', path);
    return file;
  }

  make(path: string): DiskFile {
    const file = new DiskFile();
    file.changedAtMs = Math.round(world().loop.now());
    this.files.set(path, file);
    return file;
  }
}
