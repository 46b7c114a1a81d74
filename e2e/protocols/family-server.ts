// Servers as the samples of resumable.js, flow.js and simple-uploader.js have them, in memory: one URL, GET asks for a
// chunk, POST brings one, numbers count from 1, the last chunk is the larger one, refusals are words. The sizes are
// checked as the samples mean to check them (their own sums concatenate strings).

import type { RequestListener } from 'node:http';
import { formOf } from './faulty-server.js';

export interface FamilyOptions {
  readonly prefix: 'resumable' | 'flow' | '';
  /** What GET answers for a chunk that is not there. */
  readonly missing: 204 | 404;
  /** What POST answers with an unwelcome chunk. */
  readonly refused: 200 | 500;
  /** Clears the chunks away once the file is made, as resumable-node.js does since 2020. */
  readonly clears?: boolean;
  /** Expects a last chunk that is smaller, as with `forceChunkSize`. */
  readonly smallerLast?: boolean;
}

export class FamilyServer {
  /** Files by name, as often as they were made. */
  readonly made = new Map<string, Buffer[]>();
  /** Bytes of chunks by number, as they came. */
  readonly received: (readonly [number: number, bytes: number])[] = [];
  #chunks = new Map<string, Buffer>();
  readonly #options: FamilyOptions;

  constructor(options: FamilyOptions) {
    this.#options = options;
  }

  /** What a restart does to a folder of temporary files. */
  forget(): void {
    this.#chunks = new Map();
  }

  readonly listener: RequestListener = async (request, response) => {
    // Express calls every text HTML.
    response.setHeader('Content-Type', 'text/html; charset=utf-8');
    if (request.method === 'GET') {
      const query = new URL(request.url ?? '', 'http://x').searchParams;
      const field = (word: string) => query.get(this.#name(word)) ?? '';
      const there = this.#objection(field) === undefined && this.#chunks.has(this.#key(field));
      response.statusCode = there ? 200 : this.#options.missing;
      return void response.end(response.statusCode === 204 ? undefined : there ? 'found' : 'not_found');
    }
    const form = await formOf(request);
    if (form === undefined) return;
    const field = (word: string) => form.fields[this.#name(word)] ?? '';
    const objection = this.#objection(field, form.file.length);
    if (objection !== undefined) {
      response.statusCode = this.#options.refused;
      return void response.end(objection);
    }
    const number = Number(field('ChunkNumber'));
    this.received.push([number, form.file.length]);
    this.#chunks.set(this.#key(field), form.file);
    response.end(this.#make(field) ? 'done' : 'partly_done');
  };

  #name(word: string): string {
    const { prefix } = this.#options;
    return prefix === '' ? word.charAt(0).toLowerCase() + word.slice(1) : prefix + word;
  }

  #key(field: (word: string) => string, number = field('ChunkNumber')): string {
    return `${field('Identifier').replace(/[^0-9A-Za-z_-]/g, '')}.${number}`;
  }

  #count(field: (word: string) => string): number {
    const round = this.#options.smallerLast ? Math.ceil : Math.floor;
    return Math.max(round(Number(field('TotalSize')) / Number(field('ChunkSize'))), 1);
  }

  #objection(field: (word: string) => string, bytes?: number): string | undefined {
    const name = this.#options.prefix || 'uploader';
    const [number, chunk, total] = ['ChunkNumber', 'ChunkSize', 'TotalSize'].map((word) => Number(field(word)));
    if (!number || !chunk || !total || field('Identifier') === '' || field('Filename') === '')
      return `non_${name}_request`;
    const count = this.#count(field);
    if (number > count) return `invalid_${name}_request1`;
    if (bytes === undefined) return undefined;
    if (number < count && bytes !== chunk) return `invalid_${name}_request3`;
    if (number === count && bytes !== total - (count - 1) * chunk) return `invalid_${name}_request4`;
    return undefined;
  }

  #make(field: (word: string) => string): boolean {
    const keys = Array.from({ length: this.#count(field) }, (_, at) => this.#key(field, String(at + 1)));
    const parts = keys.flatMap((key) => this.#chunks.get(key) ?? []);
    if (parts.length < keys.length) return false;
    const name = field('Filename');
    this.made.set(name, [...(this.made.get(name) ?? []), Buffer.concat(parts)]);
    if (this.#options.clears) for (const key of keys) this.#chunks.delete(key);
    return true;
  }
}
