// The HTTP contract of the byte-offset protocol: who is asked, what is answered, what is told to the log. Knows
// neither how bytes reach the disk nor what else the server serves.

import { statfs } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { BodyReader } from './body-reader.js';
import { allowOrigin, answerPreflight } from './cors.js';
import { answerTo, outcomeOf, type Receipt, receiveUpload } from './receive-upload.js';
import { answer, refuse } from './reply.js';
import { BadRequest, parseFileId, parseUploadClaim } from './request-headers.js';
import { Turns } from './turns.js';
import type { UploadFile } from './upload-file.js';
import { keyOf } from './upload-key.js';
import { type UploadServerOptions, uploadServerDefaults } from './upload-options.js';
import { UploadStore } from './upload-store.js';

export interface UploadServer {
  /** Resolves once the folder was read; rejects if it cannot be. Requests wait for it. */
  readonly ready: Promise<void>;
  /** Answers if the path is one of its own; else returns false and touches nothing. */
  handle(request: IncomingMessage, response: ServerResponse): boolean;
  health(): Promise<{ readonly uploads: number; readonly freeBytes?: number }>;
  /** Finished files, in the order in which they were finished. */
  finished(): Promise<readonly UploadFile[]>;
  /** Deletes what was abandoned now; returns how many. Done by itself every `sweepEveryMs`. */
  sweep(): Promise<number>;
  /** Ends running uploads with 503, their bytes kept and safe. */
  close(): Promise<void>;
}

export function createUploadServer(given: UploadServerOptions): UploadServer {
  const options = { ...uploadServerDefaults, ...given };
  const { dataDir, statusPath, uploadPath, maxUploads, now, openData } = options;
  const opening = UploadStore.open({ folder: dataDir, maxUploads, now, ...(openData && { openData }) });
  // Whoever awaits `ready` or sends a request is told.
  opening.catch(() => undefined);
  const turns = new Turns();
  const running = new Set<Promise<void>>();
  let requests = 0;
  let isClosing = false;

  async function answerStatus(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const requestId = ++requests;
    const startedAtMs = now();
    const fileId = parseFileId(request.headers, options.maxIdBytes);
    const tell = (
      httpStatus: number,
      outcome: 'ok' | 'unauthorized' | 'storage-failed',
      file?: UploadFile,
      answeredBytes?: number,
    ) =>
      options.onRequest({
        event: 'status',
        requestId,
        fileId,
        outcome,
        httpStatus,
        ...(answeredBytes === undefined ? {} : { answeredBytes }),
        heldBytes: file?.heldBytes ?? 0,
        ...(file && { sizeBytes: file.meta.sizeBytes }),
        startedAtMs,
        atMs: now(),
      });
    const owner = await options.authorize(request);
    if (owner === undefined) {
      tell(401, 'unauthorized');
      return answer(response, 401, 'Sign in first.', { 'www-authenticate': 'Bearer' });
    }
    const file = (await opening).find(keyOf(owner, fileId));
    try {
      const heldBytes = (await file?.durableBytes()) ?? 0;
      tell(200, 'ok', file, heldBytes);
      answer(response, 200, String(heldBytes));
    } catch (error) {
      tell(500, 'storage-failed', file);
      throw error;
    }
  }

  async function answerUpload(request: IncomingMessage, response: ServerResponse, body: BodyReader): Promise<void> {
    const requestId = ++requests;
    const startedAtMs = now();
    const fileId = parseFileId(request.headers, options.maxIdBytes);
    const claim = parseUploadClaim(request.headers);
    const { startByte, sizeBytes } = claim;
    const { announcedBytes } = body;
    const start = { requestId, fileId, startByte, sizeBytes };
    const announced = announcedBytes === undefined ? {} : { announcedBytes };
    options.onRequest({ event: 'upload-start', ...start, ...announced, atMs: startedAtMs });

    const receive = async (): Promise<Receipt> => {
      const owner = await options.authorize(request);
      const store = await opening;
      if (owner === undefined) return { outcome: 'unauthorized', heldBytes: 0, acceptedBytes: 0 };
      if (isClosing) return { outcome: 'closing', heldBytes: 0, acceptedBytes: 0 };
      const context = { ...options, store, turns, onFirstByte: options.onRequest };
      return receiveUpload(context, { requestId, fileId, key: keyOf(owner, fileId), claim, body });
    };
    const receipt = await receive().catch(
      (error): Receipt => ({ outcome: outcomeOf(error), reason: String(error), heldBytes: 0, acceptedBytes: 0 }),
    );
    const reply = response.destroyed ? undefined : answerTo(receipt);
    const answered = {
      ...(reply && { httpStatus: reply.status, answeredAtMs: now() }),
      ...(reply?.answeredBytes === undefined ? {} : { answeredBytes: reply.answeredBytes }),
    };
    const tell = () =>
      options.onRequest({
        event: 'upload',
        ...start,
        ...receipt,
        ...answered,
        receivedBytes: body.receivedBytes,
        startedAtMs,
        atMs: now(),
      });
    // A piece that is held already is not read.
    const isRead = receipt.writerFromMs !== undefined;
    if (receipt.outcome === 'ok' && isRead && reply !== undefined) {
      tell();
      return answer(response, reply.status, reply.text, reply.headers);
    }
    if (reply === undefined) response.destroy();
    else await refuse(response, body, reply.status, reply.text, reply.headers);
    tell();
  }

  async function route(request: IncomingMessage, response: ServerResponse, methods: readonly string[]): Promise<void> {
    // A client that goes away while it is answered is no error.
    response.on('error', () => undefined);
    const body = new BodyReader(request);
    const isAllowed = allowOrigin(request, response, options.allowedOrigins);
    const { method = '' } = request;
    try {
      if (method === 'OPTIONS') return answerPreflight(response, isAllowed, methods.join(', '));
      if (!methods.includes(method)) {
        return await refuse(response, body, 405, 'Method not allowed.', { allow: methods.join(', ') });
      }
      if (method === 'GET') await answerStatus(request, response);
      else await answerUpload(request, response, body);
    } catch (error) {
      if (response.headersSent) return void response.destroy();
      if (!(error instanceof BadRequest)) return await refuse(response, body, 500, 'The server failed.');
      const fileId = String(request.headers['x-file-id'] ?? '');
      const reason = error.message;
      options.onRequest({ event: 'bad-request', requestId: requests, fileId, httpStatus: 400, reason, atMs: now() });
      await refuse(response, body, 400, reason);
    }
  }

  async function sweep(): Promise<number> {
    const store = await opening;
    let count = 0;
    for (const file of store.abandoned(now() - options.abandonAfterMs)) {
      if (turns.busy(file.key) || isClosing) continue;
      const turn = turns.take(file.key);
      try {
        await store.remove(file);
        count += 1;
      } finally {
        turn.release();
      }
    }
    return count;
  }

  const timer = setInterval(() => void sweep().catch(() => undefined), options.sweepEveryMs);
  timer.unref();

  return {
    ready: opening.then(() => undefined),
    sweep,
    handle(request, response) {
      const path = request.url?.split('?', 1)[0];
      const methods = [...(path === statusPath ? ['GET'] : []), ...(path === uploadPath ? ['POST'] : [])];
      if (methods.length === 0) return false;
      const answered = route(request, response, methods)
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
