// The HTTP contract of the chunk protocol, as `chunks` speaks it by default: what is held, a chunk, the merge, an abort.
//   GET    chunkPath ?id&size&chunkSize[&hash]                   -> {"chunks":[0,2],"merged":false,"chunkSize":n}, 404: none
//   POST   chunkPath  form of id, size, chunkSize, index ..., file (or the fields in the query and the chunk as the body)
//   POST   mergePath  id, size, chunkSize ... urlencoded or JSON -> {"merged":true}, 409: chunks are missing
//   DELETE chunkPath ?id                                         -> 204, whatever was there
// Knows neither how bytes reach the disk nor what else the server serves.

import { statfs } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { BodyReader } from './body-reader.js';
import { type FileClaim, parseChunkRange, parseFileClaim, parseHash, parseId } from './chunk-claim.js';
import { type ChunkRecord, type ChunkServerOptions, chunkServerDefaults } from './chunk-options.js';
import { ChunkStore, contentKey, WrongContent } from './chunk-store.js';
import { failures, refusals, type Verdict } from './chunk-verdicts.js';
import type { ChunkedMeta, ChunkedUpload } from './chunked-upload.js';
import { allowOrigin, answerPreflight } from './cors.js';
import { fieldsOf } from './fields-reader.js';
import { FormReader } from './form-reader.js';
import { receiveChunk } from './receive-chunk.js';
import { outcomeOf } from './receive-upload.js';
import { answer, refuse } from './reply.js';
import { BadRequest } from './request-headers.js';
import { Turns } from './turns.js';
import type { UploadFile } from './upload-file.js';
import { keyOf } from './upload-key.js';

/** What the demo needs of an upload server; the byte-offset one has the same. */
export interface ChunkServer {
  /** Resolves once the folder was read; rejects if it cannot be. Requests wait for it. */
  readonly ready: Promise<void>;
  /** Answers if the path is one of its own; else returns false and touches nothing. */
  handle(request: IncomingMessage, response: ServerResponse): boolean;
  health(): Promise<{ readonly uploads: number; readonly freeBytes?: number }>;
  /** Finished files, in the order in which they were finished. */
  finished(): Promise<readonly UploadFile[]>;
  /** Deletes what was abandoned now; returns how many. Done by itself every `sweepEveryMs`. */
  sweep(): Promise<number>;
  /** Ends running requests with 503; the chunks that were acknowledged are safe. */
  close(): Promise<void>;
}

interface Asked {
  readonly request: IncomingMessage;
  readonly body: BodyReader;
  readonly query: URLSearchParams;
  /** Filled in as it becomes known, for the record. */
  fileId: string;
  index?: number;
}

export function createChunkServer(given: ChunkServerOptions): ChunkServer {
  const options = { ...chunkServerDefaults, ...given };
  const { dataDir, chunkPath, mergePath, maxUploads, contentHash, now } = options;
  const opening = ChunkStore.open({ dataDir, maxUploads, now, contentHash });
  // Whoever awaits `ready` or sends a request is told.
  opening.catch(() => undefined);
  const merged = { status: 200, json: { merged: true } };
  const turns = new Turns();
  const running = new Set<Promise<void>>();
  const tell = (record: ChunkRecord) => options.onRequest?.(record);
  let isClosing = false;

  async function list(asked: Asked, store: ChunkStore, owner: string): Promise<Verdict> {
    const { query } = asked;
    const id = parseId(query, options.maxIdBytes);
    asked.fileId = id;
    const hash = parseHash(query);
    const same = hash === '' ? undefined : store.findContent(contentKey(owner, hash));
    const finished = store.findFinished(keyOf(owner, id)) ?? same;
    // One id, or one hash, of two sizes: then it is not this file.
    if (finished !== undefined && String(finished.meta.sizeBytes) === query.get('size')) {
      return { outcome: 'merged', status: 200, json: { chunks: [], merged: true } };
    }
    const upload = store.find(keyOf(owner, id));
    if (upload === undefined) return { outcome: 'none', status: 404, json: { chunks: [], merged: false } };
    const { chunkBytes: chunkSize } = upload.meta;
    return { outcome: 'ok', status: 200, json: { chunks: upload.stored, merged: false, chunkSize } };
  }

  async function take(asked: Asked, store: ChunkStore, owner: string): Promise<Verdict> {
    const { request, body, query } = asked;
    const form = FormReader.of(request.headers['content-type'], body);
    const fields = form ? await form.fields(options.requestIdleMs) : query;
    if (typeof fields === 'string') return { outcome: fields };
    const claim = parseFileClaim(fields, options);
    const range = parseChunkRange(fields, claim);
    Object.assign(asked, { fileId: claim.id, index: range.index });
    const found = await uploadOf(store, owner, claim);
    if ('outcome' in found) return found;
    const outcome = await receiveChunk(
      { turns, requestIdleMs: options.requestIdleMs, now },
      { upload: found, range, body, form },
    );
    // Ended because another request finished the file: then this chunk is in it.
    if (outcome === 'aborted' && store.findFinished(found.key)) return { outcome: 'merged', ...merged };
    if (outcome !== 'ok' && outcome !== 'stored') return { outcome, ...refusals[outcome] };
    const acceptedBytes = outcome === 'ok' ? range.end - range.start : 0;
    // Only where that takes no time: an answer that is late looks like a dead connection.
    const isDone = found.isWhole && claim.sizeBytes <= options.mergeAtOnceBytes;
    if (isDone) await store.finish(found, owner, claim.hash);
    return { outcome, status: 200, json: { chunks: found.stored.length, merged: isDone }, acceptedBytes };
  }

  async function merge(asked: Asked, store: ChunkStore, owner: string): Promise<Verdict> {
    const fields = await fieldsOf(asked.request, asked.body, options.requestIdleMs);
    if (fields === undefined) return { outcome: 'cut' };
    const claim = parseFileClaim(fields, options);
    asked.fileId = claim.id;
    const isBegun =
      claim.count === 0 || store.find(keyOf(owner, claim.id)) || store.findFinished(keyOf(owner, claim.id));
    if (!isBegun) return { outcome: 'missing', status: 409, json: { chunks: [], merged: false } };
    const found = await uploadOf(store, owner, claim);
    if ('outcome' in found) return found;
    if (!found.isWhole) return { outcome: 'missing', status: 409, json: { chunks: found.stored, merged: false } };
    await store.finish(found, owner, claim.hash);
    return { outcome: 'ok', ...merged };
  }

  async function abort(asked: Asked, store: ChunkStore, owner: string): Promise<Verdict> {
    const id = parseId(asked.query, options.maxIdBytes);
    asked.fileId = id;
    await store.remove(keyOf(owner, id));
    return { outcome: 'ok', status: 204 };
  }

  /** The upload that a request is about, made if need be, or why there is none. */
  async function uploadOf(store: ChunkStore, owner: string, claim: FileClaim): Promise<ChunkedUpload | Verdict> {
    const { id, sizeBytes, chunkBytes, metadata } = claim;
    if (sizeBytes > options.maxFileBytes || Math.min(sizeBytes, chunkBytes) > options.maxChunkBytes) {
      return { outcome: 'too-large', status: 413, text: 'A larger file or chunk than this server takes.' };
    }
    const key = keyOf(owner, id);
    if (store.isAborted(key)) return { outcome: 'aborted', ...refusals.aborted };
    const finished = store.findFinished(key);
    if (finished?.meta.sizeBytes === sizeBytes) return { outcome: 'merged', ...merged };
    const meta: ChunkedMeta = { id, sizeBytes, chunkBytes, metadata, createdAtMs: now() };
    const upload = finished === undefined ? await store.findOrCreate(key, meta) : undefined;
    if (upload?.meta.sizeBytes === sizeBytes && upload.meta.chunkBytes === chunkBytes) return upload;
    return { outcome: 'size-changed', status: 422, text: 'This id began with another size or chunkSize.' };
  }

  async function verdictOf(
    work: (asked: Asked, store: ChunkStore, owner: string) => Promise<Verdict>,
    asked: Asked,
  ): Promise<Verdict> {
    try {
      const owner = await options.authorize(asked.request);
      const store = await opening;
      if (owner === undefined) {
        return {
          outcome: 'unauthorized',
          status: 401,
          text: 'Sign in first.',
          headers: { 'www-authenticate': 'Bearer' },
        };
      }
      return isClosing ? { outcome: 'closing', ...refusals.closing } : await work(asked, store, owner);
    } catch (error) {
      if (error instanceof BadRequest) return { outcome: 'bad-request', status: 400, text: error.message };
      // Gone: the client begins anew.
      if (error instanceof WrongContent) return { outcome: 'wrong-content', status: 410, text: error.message };
      const outcome = outcomeOf(error);
      return { outcome, ...failures[outcome] };
    }
  }

  async function serve(
    event: ChunkRecord['event'],
    work: (asked: Asked, store: ChunkStore, owner: string) => Promise<Verdict>,
    asked: Asked,
    response: ServerResponse,
  ): Promise<void> {
    const { body, request } = asked;
    const verdict = await verdictOf(work, asked);
    const { outcome, status, json, headers, acceptedBytes = 0 } = verdict;
    const isGone = status === undefined || response.destroyed;
    const text = json === undefined ? (verdict.text ?? '') : JSON.stringify(json);
    tell({
      event: outcome === 'bad-request' ? outcome : event,
      fileId: asked.fileId,
      ...(asked.index !== undefined && { index: asked.index }),
      outcome,
      ...(!isGone && { httpStatus: status }),
      receivedBytes: body.receivedBytes,
      acceptedBytes,
      atMs: now(),
    });
    if (isGone) return void response.destroy();
    const typed = { ...(json && { 'content-type': 'application/json' }), ...headers };
    // Who is told that all is well may send to the end: a connection that ends sooner looks like a failure.
    if (status < 300 && !request.complete) await body.discard(options.maxChunkBytes, options.requestIdleMs);
    if (status < 300 || request.complete) return answer(response, status, text, typed);
    await refuse(response, body, status, text, typed);
  }

  async function route(request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
    // A client that goes away while it is answered is no error.
    response.on('error', () => undefined);
    const body = new BodyReader(request);
    const methods = path === mergePath ? ['POST'] : ['GET', 'POST', 'DELETE'];
    const isAllowed = allowOrigin(request, response, options.allowedOrigins);
    const { method = '', url = '' } = request;
    if (method === 'OPTIONS') return answerPreflight(response, isAllowed, methods.join(', '));
    if (!methods.includes(method)) {
      return refuse(response, body, 405, 'Method not allowed.', { allow: methods.join(', ') });
    }
    const query = new URLSearchParams(url.includes('?') ? url.slice(url.indexOf('?')) : '');
    const asked: Asked = { request, body, query, fileId: '' };
    if (path === mergePath) return serve('merge', merge, asked, response);
    if (method === 'GET') return serve('list', list, asked, response);
    return method === 'DELETE' ? serve('abort', abort, asked, response) : serve('chunk', take, asked, response);
  }

  const sweep = async () => (await opening).sweep(now() - options.abandonAfterMs);
  const timer = setInterval(() => void sweep().catch(() => undefined), options.sweepEveryMs);
  timer.unref();

  return {
    ready: opening.then(() => undefined),
    sweep,
    handle(request, response) {
      const path = request.url?.split('?', 1)[0] ?? '';
      if (path !== chunkPath && path !== mergePath) return false;
      const answered = route(request, response, path)
        .catch(() => void response.destroy())
        .finally(() => running.delete(answered));
      running.add(answered);
      return true;
    },
    async finished() {
      return (await opening).finished;
    },
    async health() {
      const uploads = (await opening).unfinishedCount;
      const disk = await statfs(dataDir).catch(() => undefined);
      return { uploads, ...(disk && { freeBytes: disk.bavail * disk.bsize }) };
    },
    async close() {
      isClosing = true;
      clearInterval(timer);
      await turns.endAll();
      // Each is being told; none reads on for longer than the linger of a refusal.
      await Promise.all(running);
    },
  };
}
