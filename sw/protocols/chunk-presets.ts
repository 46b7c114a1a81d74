// Servers written for well-known clients, as options of `chunks`: what their clients send, in their words. Facts are from
// the clients' sources: resumablejs 1.1.0, @flowjs/flow.js 2.14.1, simple-uploader.js 0.6.0, and their sample servers.

import { chunkTest } from './chunk-questions.js';
import type { ChunksOptions } from './chunks.js';

/**
 * All three: one URL, GET asks for a chunk and POST sends it, numbers count from 1, the remainder joins the last chunk
 * (unless `forceChunkSize` was set: then `lastChunk: 'smaller'`), and the server makes the file by itself. Their sample
 * servers refuse with status 200 and a word.
 */
const family = (url: string, named: (word: string) => string): ChunksOptions => ({
  chunk: {
    url,
    fields: (chunk) =>
      Object.fromEntries(
        Object.entries({
          ChunkNumber: chunk.index + 1,
          ChunkSize: chunk.chunkBytes,
          CurrentChunkSize: chunk.endByte - chunk.startByte,
          TotalSize: chunk.sizeBytes,
          Identifier: chunk.id,
          Filename: chunk.name,
          RelativePath: chunk.name,
          TotalChunks: chunk.count,
        }).map(([word, value]) => [named(word), value]),
      ),
  },
  ask: chunkTest(),
  lastChunk: 'larger',
  means: ({ text }) => (/^(invalid|non)_/.test(text) ? 'fatal' : undefined),
});

/** A server written for resumable.js: `chunks({ ...resumableJs('/upload'), chunkSize: 2_000_000 })`. */
export const resumableJs = (url: string): ChunksOptions => family(url, (word) => `resumable${word}`);

/** A server written for flow.js: `chunks(flowJs('/upload'))`. */
export const flowJs = (url: string): ChunksOptions => family(url, (word) => `flow${word}`);

/** A server written for simple-uploader.js or vue-simple-uploader: `chunks(simpleUploader('/upload'))`. */
export const simpleUploader = (url: string): ChunksOptions =>
  family(url, (word) => word.charAt(0).toLowerCase() + word.slice(1));
