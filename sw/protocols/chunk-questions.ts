// The two ways to ask a chunk server what it holds: one list, or one question a chunk. Either can be left out of a bundle.

import { type Io, ProtocolFailure } from './adapter.js';
import { check, isUnknown, notUnderstood } from './chunk-answers.js';
import {
  type Chunk,
  type ChunkCall,
  type ChunkedFile,
  type ChunkList,
  chunkOf,
  type Grid,
  type Means,
  NONE,
  requestOf,
  usual,
} from './chunk-calls.js';

/** What a question is asked with. */
export interface Asking {
  readonly io: Io;
  readonly chunk: ChunkCall<Chunk>;
  readonly means: Means | undefined;
  /** How many chunks a file has. */
  readonly countOf: (grid: Grid) => number;
}

/** Asks the server for what it holds of a file. */
export type Ask = (file: ChunkedFile, asking: Asking) => Promise<ChunkList>;

/** The request for a list. */
export interface ListCall extends ChunkCall<ChunkedFile> {
  /** Reads the answer's JSON. Default: `{"chunks": [0, 2], "merged": false, "chunkSize": 1000000}`. Throwing means: not understood. */
  readonly read?: (json: unknown, file: ChunkedFile) => ChunkList;
}

/** Digits and a comma: no number of a chunk is longer in a list, nor is a name much. */
const LISTED_CHARACTERS = 256;
/** Questions at once: HTTP/1.1 has six connections an origin. */
const CONNECTIONS = 6;

/** One question for all chunks. Default: GET, with `id, size, chunkSize, hash` in the query. 404 means none. */
export function chunkList(call: ListCall): Ask {
  return async (file, { io, means, countOf }) => {
    const [url, request] = requestOf({ ...usual.list, ...call }, file);
    const answer = await io.request(url, {
      ...request,
      answerCharacters: (LISTED_CHARACTERS + file.count) * LISTED_CHARACTERS,
    });
    if (isUnknown(answer)) return NONE;
    check('list', url, answer, io, means);
    let said: ChunkList;
    try {
      said = (call.read ?? readList)(JSON.parse(answer.text), file);
    } catch {
      throw notUnderstood(url, answer);
    }
    const count = countOf({ ...file, chunkBytes: said.chunkBytes ?? file.chunkBytes });
    const wrong = said.chunks.find((index) => !(Number.isInteger(index) && index >= 0 && index < count));
    if (wrong === undefined || said.merged) return said;
    const message = `${url} has chunk ${wrong} of ${count}: of another file. Set fileId.`;
    throw new ProtocolFailure('fatal', 'offset-beyond-size', message);
  };
}

/**
 * One question a chunk. 200, 201, 202: the server has it; 204, 404: it has not. Default: GET of the chunk's own URL, with
 * its fields in the query.
 */
export function chunkTest(call?: Partial<ChunkCall<Chunk>>): Ask {
  return async (file, { io, means, chunk }) => {
    const testing = { ...usual.chunk, ...chunk, ...usual.test, ...call };
    const ask = async (index: number) => {
      const [url, request] = requestOf<Chunk>(testing, chunkOf(file, index));
      const answer = await io.request(url, request);
      if (answer.status === 204 || isUnknown(answer)) return [];
      check('test', url, answer, io, means);
      return [index];
    };
    const found: number[] = [];
    for (let from = 0; from < file.count; from += CONNECTIONS) {
      const indices = Array.from({ length: Math.min(CONNECTIONS, file.count - from) }, (_, nth) => from + nth);
      // Settled, so that no question is left behind when another one fails.
      for (const one of await Promise.allSettled(indices.map(ask))) {
        if (one.status === 'rejected') throw one.reason;
        found.push(...one.value);
      }
    }
    return { chunks: found };
  };
}

function readList(json: unknown): ChunkList {
  const { chunks: indices, merged, chunkSize } = json as { chunks: number[]; merged: unknown; chunkSize: unknown };
  const chunkBytes = typeof chunkSize === 'number' && chunkSize >= 1 ? Math.floor(chunkSize) : undefined;
  // A copy, so that what is no list throws here.
  return { chunks: [...indices], merged: merged === true, chunkBytes };
}
