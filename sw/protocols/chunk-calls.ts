// How the requests of a chunk server look: addresses, methods, names of fields. Data and small functions only, so that
// an app's server is described, not programmed. Knows nothing of when they are sent.

import type { Answer, RequestOptions, UploadSource, Verdict } from './adapter.js';
import { entriesOf, type Fields, multipartForm } from './multipart-form.js';

/** A file as a chunk server sees it. */
export interface ChunkedFile extends Omit<UploadSource, 'id'> {
  /** The server's name for it: random, or what `fileId` says. */
  readonly id: string;
  /** Of its content; empty without the option `hash`. */
  readonly hash: string;
  /** Size of every chunk but the last, fixed for this upload. */
  readonly chunkBytes: number;
  readonly lastChunk: 'smaller' | 'larger';
  /** How many chunks it has. */
  readonly count: number;
}

/** One chunk of it: `[startByte, endByte)`. */
export interface Chunk extends ChunkedFile {
  /** 0-based. Servers that count from 1 get `index + 1`. */
  readonly index: number;
  readonly startByte: number;
  readonly endByte: number;
}

/** One kind of request. */
export interface ChunkCall<About> {
  /** Keep it the same for all chunks where you can: browsers remember a preflight for one URL, query included. */
  readonly url: string | ((about: About) => string);
  readonly method?: string;
  /** What is said, by field name; undefined is left out. */
  readonly fields?: (about: About) => Fields;
  /**
   * Where the fields go. `query`: into the URL (then a chunk is the whole body). `form`: multipart/form-data.
   * `urlencoded`, `json`: the body. Across origins all but `json` do without a preflight.
   */
  readonly as?: 'query' | 'form' | 'urlencoded' | 'json';
}

/** The request that sends a chunk. */
export interface SendCall extends ChunkCall<Chunk> {
  /** The form's field for the bytes. Default `file`. */
  readonly fileField?: string;
}

/** What a server says it holds. */
export interface ChunkList {
  /** 0-based numbers of the chunks, in any order. */
  readonly chunks: readonly number[];
  /** The file is finished: nothing is to be sent. */
  readonly merged?: boolean;
  /** The size that its chunks have there, if it says so: then that is kept to. */
  readonly chunkBytes?: number | undefined;
}

/** What decides how a file is cut. */
export type Grid = Pick<ChunkedFile, 'sizeBytes' | 'chunkBytes' | 'lastChunk'>;

export const NONE: ChunkList = { chunks: [] };
export const MERGED: ChunkList = { chunks: [], merged: true };

/**
 * What an answer of status 2xx means where the server says in its body that it refused; undefined: that all is well.
 * `resync` after a merge: chunks are missing.
 */
export type Means = (answer: Answer, step: 'list' | 'test' | 'chunk' | 'merge') => Verdict | undefined;

export function chunkOf(file: ChunkedFile, index: number): Chunk {
  const startByte = index * file.chunkBytes;
  const endByte = index === file.count - 1 ? file.sizeBytes : startByte + file.chunkBytes;
  return { ...file, index, startByte, endByte };
}

const idOf = ({ id, hash, sizeBytes, chunkBytes }: ChunkedFile): Fields => ({
  id,
  size: sizeBytes,
  chunkSize: chunkBytes,
  hash: hash || undefined,
});

const aboutFile = (file: ChunkedFile): Fields => ({
  ...idOf(file),
  count: file.count,
  name: file.name,
  type: file.type,
  lastModified: file.lastModifiedMs,
  metadata: JSON.stringify(file.metadata),
});

/** The requests as the reference server understands them. */
export const usual = {
  list: { method: 'GET', as: 'query', fields: idOf },
  test: { method: 'GET', as: 'query' },
  chunk: {
    method: 'POST',
    as: 'form',
    fields: (chunk: Chunk): Fields => ({ index: chunk.index, ...aboutFile(chunk) }),
  },
  merge: { method: 'POST', as: 'urlencoded', fields: aboutFile },
  abort: { method: 'DELETE', as: 'query', fields: idOf },
} as const;

/** Address and options of a call; `bytes` of a chunk go into the form, or are the body. */
export function requestOf<About extends ChunkedFile>(
  {
    url,
    method = 'POST',
    as = 'query',
    fields,
    fileField = 'file',
  }: ChunkCall<About> & { readonly fileField?: string },
  about: About,
  bytes?: Blob,
): [url: string, options: RequestOptions] {
  const address = typeof url === 'function' ? url(about) : url;
  const said = fields?.(about) ?? {};
  const text = new URLSearchParams(entriesOf(said)).toString();
  const query = as === 'query' && text && (address.includes('?') ? '&' : '?') + text;
  const bodies = {
    query: () => bytes,
    form: () => multipartForm(said, bytes && [fileField, about.name, bytes]),
    urlencoded: () => new Blob([text], { type: 'application/x-www-form-urlencoded' }),
    json: () => new Blob([JSON.stringify(said)], { type: 'application/json' }),
  };
  return [address + (query || ''), { method, body: bodies[as]() }];
}
