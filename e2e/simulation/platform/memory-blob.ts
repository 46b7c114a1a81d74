// Blobs and files in memory: slices are views, reading is a task. Unlike Node's own they need nothing of its event loop.

import { world } from '../world/world.js';

export class MemoryBlob {
  readonly size: number;
  readonly type: string;
  readonly #parts: readonly Uint8Array[];

  constructor(parts: readonly unknown[] = [], options: { type?: string } = {}) {
    this.#parts = parts.flatMap((part) => {
      if (part instanceof MemoryBlob) return part.#parts;
      if (part instanceof ArrayBuffer) return [new Uint8Array(part)];
      return [part instanceof Uint8Array ? part : new TextEncoder().encode(String(part))];
    });
    this.size = this.#parts.reduce((sum, { length }) => sum + length, 0);
    this.type = (options.type ?? '').toLowerCase();
  }

  slice(start = 0, end = this.size, type = ''): MemoryBlob {
    const parts: Uint8Array[] = [];
    let at = 0;
    for (const part of this.#parts) {
      const [from, to] = [Math.max(0, start - at), Math.min(part.length, end - at)];
      if (from < to) parts.push(part.subarray(from, to));
      at += part.length;
    }
    return new MemoryBlob(parts, { type });
  }

  /** Now; for the network and for those who judge. */
  bytes(): Uint8Array {
    const [only] = this.#parts;
    return this.#parts.length === 1 && only ? only : new Uint8Array(Buffer.concat(this.#parts));
  }

  arrayBuffer(): Promise<ArrayBuffer> {
    const { loop } = world();
    const bytes = this.bytes().slice();
    return new Promise((resolve) => loop.task(loop.current, () => resolve(bytes.buffer as ArrayBuffer)));
  }
}

export class MemoryFile extends MemoryBlob {
  readonly name: string;
  readonly lastModified: number;

  constructor(parts: readonly unknown[], name: string, options: { type?: string; lastModified?: number } = {}) {
    super(parts, options);
    this.name = name;
    this.lastModified = options.lastModified ?? 0;
  }
}

/** What postMessage and IndexedDB do to data; Blobs are immutable and so are shared. */
export function clone<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null || value instanceof MemoryBlob) return value;
  if (value instanceof ArrayBuffer) return value.slice(0) as Value;
  if (Array.isArray(value)) return value.map(clone) as Value;
  if (value instanceof Date) return new Date(value) as Value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, clone(each)])) as Value;
}
