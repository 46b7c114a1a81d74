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
  /** As last synced. */
  safe: Uint8Array = new Uint8Array(0);
  changedAtMs = 0;
  /** With room to grow: most writes append. */
  #room = new Uint8Array(0);
  #size = 0;

  get bytes(): Uint8Array {
    return this.#room.subarray(0, this.#size);
  }

  write(bytes: Uint8Array, position: number): void {
    this.#grow(Math.max(this.#size, position + bytes.length));
    this.#room.set(bytes, position);
    this.changedAtMs = Math.round(world().loop.now());
  }

  truncate(size: number): void {
    this.#room.fill(0, size);
    this.#grow(size);
  }

  sync(): void {
    this.safe = this.bytes.slice();
  }

  powerCut(): void {
    this.#room = this.safe.slice();
    this.#size = this.safe.length;
  }

  #grow(size: number): void {
    this.#size = size;
    if (size <= this.#room.length) return;
    const room = new Uint8Array(2 * size);
    room.set(this.#room);
    this.#room = room;
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
    for (const file of this.files.values()) file.powerCut();
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
