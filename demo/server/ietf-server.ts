// A strict server of "Resumable Uploads for HTTP" (draft-ietf-httpbis-resumable-upload), on the same folder of files as
// the reference server: what the draft asks of a server is done, what it asks of a client is checked, and refused
// otherwise. `draft` chooses between -12, which tells much in answers to HEAD, and -15, which promises only the offset.

import { randomBytes } from 'node:crypto';
import { open, readdir, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { BodyReader } from './body-reader.js';
import type { FinishedFile } from './file-shelf.js';
import { limitField, type ProblemType, parseFields, problem, type UploadFields } from './ietf-fields.js';
import type { IetfServerOptions } from './ietf-options.js';
import { own } from './own-files.js';
import { outcomeOf } from './receive-upload.js';
import { answer, refuse } from './reply.js';
import { type Turn, Turns } from './turns.js';
import type { UploadFile } from './upload-file.js';
import { secretKeyOf } from './upload-key.js';
import { UploadStore } from './upload-store.js';

export interface IetfServer {
  readonly ready: Promise<void>;
  /** Answers if the path is one of its own; else returns false and touches nothing. */
  handle(request: IncomingMessage, response: ServerResponse): boolean;
  /** Files whose client has said that they are complete. */
  finished(): Promise<readonly FinishedFile[]>;
  close(): Promise<void>;
}

const WEEK_SECONDS = 7 * 24 * 3600;
const IDLE_MS = 60_000;
const allowedHeaders =
  'Upload-Complete, Upload-Length, Upload-Offset, Upload-Draft-Interop-Version, Content-Type, Content-Disposition, Authorization';
const exposedHeaders = 'Location, Upload-Offset, Upload-Complete, Upload-Limit, Upload-Length, Retry-After';

/** A request that is not as it must be. */
class Refusal extends Error {
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;

  constructor(status: number, text: string, headers: OutgoingHttpHeaders = {}) {
    super(text);
    this.status = status;
    this.headers = headers;
  }
}

const refused = (status: number, title: string, type?: ProblemType, headers: OutgoingHttpHeaders = {}) =>
  new Refusal(status, problem(title, type), headers);
const inconsistent = () => refused(400, 'Inconsistent length values for the upload.', 'inconsistent-upload-length');

interface Asked {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly body: BodyReader;
  readonly fields: UploadFields;
}

export function createIetfServer(options: IetfServerOptions): IetfServer {
  const { dataDir, path = '/api/resumable', draft = 15, interopVersion = 9, authorize = () => '' } = options;
  const limits = options.limits ?? { maxSize: 10 * 1024 ** 3, maxAgeSeconds: WEEK_SECONDS };
  const opening = UploadStore.open({ folder: dataDir, maxUploads: 1000, now: Date.now });
  opening.catch(() => undefined);
  const turns = new Turns();
  const running = new Set<Promise<void>>();
  /** Keys of uploads whose client said that they are complete: a file beside the bytes, so that a restart knows it. */
  const completed = opening.then(async () => {
    const marks = (await readdir(dataDir)).filter((name) => name.endsWith('.complete'));
    return new Set(marks.map((name) => name.slice(0, -'.complete'.length)));
  });
  completed.catch(() => undefined);

  const mark = (key: string) => join(dataDir, `${key}.complete`);
  const ageSeconds = (file: UploadFile) => Math.floor((Date.now() - file.meta.createdAtMs) / 1000);
  const limitOf = (file: UploadFile) => limitField(limits, ageSeconds(file));

  /** "If the server loses any part of the state, it MUST deactivate the upload resource": unknown is gone. */
  async function find(key: string): Promise<UploadFile> {
    const file = (await opening).find(key);
    const isOver = file && limits.maxAgeSeconds !== undefined && ageSeconds(file) >= limits.maxAgeSeconds;
    const isForgotten = options.forgetsFinished && (await completed).has(key);
    if (file === undefined || isOver || isForgotten) throw refused(404, 'There is no such upload.');
    return file;
  }

  async function remove(file: UploadFile): Promise<void> {
    (await completed).delete(file.key);
    await rm(mark(file.key), { force: true });
    await (await opening).remove(file);
  }

  /** Section "Limits": what a single request may carry. Those that complete the upload may be small, and creations empty. */
  function checkContent({ body, fields }: Asked): number {
    const bytes = body.announcedBytes;
    if (bytes === undefined) throw refused(411, 'Send a Content-Length.');
    const field = limitField(limits, 0);
    if (bytes > (limits.maxAppendSize ?? Infinity)) throw refused(413, 'Send less at once.', undefined, field);
    const isSmall = bytes > 0 && bytes < (limits.minAppendSize ?? 0) && fields.complete === false;
    if (isSmall) throw refused(400, 'Send more at once.', undefined, field);
    return bytes;
  }

  /** Section "Upload Creation". The URL is hard to guess, and yet leads nowhere for anybody but its `owner`. */
  async function create(asked: Asked, owner: string): Promise<void> {
    const { request, response, fields } = asked;
    const bytes = checkContent(asked);
    if (fields.complete === undefined) throw refused(400, 'Upload-Complete is needed here.');
    if (fields.complete && (fields.length ?? bytes) !== bytes) throw inconsistent();
    const sizeBytes = fields.complete ? bytes : fields.length;
    if (sizeBytes === undefined) throw refused(400, 'Upload-Length is needed here.');
    if (bytes > sizeBytes) throw inconsistent();
    const field = limitField(limits, 0);
    if (sizeBytes > (limits.maxSize ?? Infinity)) throw refused(413, 'The file is too large.', undefined, field);
    if (sizeBytes < (limits.minSize ?? 0)) throw refused(400, 'The file is too small.', undefined, field);
    const name = randomBytes(32).toString('hex');
    const key = secretKeyOf(owner, name);
    const metadata = { filename: fields.filename ?? '', filetype: request.headers['content-type'] ?? '' };
    const turn = turns.take(key);
    try {
      const meta = { id: key, sizeBytes, metadata, createdAtMs: Date.now() };
      const file = await (await opening).create(key, meta);
      const location = `${path}/${name}`;
      interim(response, { Location: location, ...limitOf(file) });
      await receive(asked, file, 0, turn);
      if (fields.complete) return await finish(asked, file);
      const headers = { location, ...limitOf(file), 'upload-complete': '?0' };
      response.writeHead(201, { ...headers, 'content-length': 0 }).end();
    } finally {
      turn.release();
    }
  }

  /** Section "Offset Retrieval". Whoever was writing is ended first, so that the number stays true. */
  async function tell({ response }: Asked, key: string): Promise<void> {
    const turn = turns.take(key);
    await turn.ready;
    try {
      const file = await find(key);
      const offset = await file.durableBytes();
      const isComplete = (await completed).has(key);
      // Since -13 the offset alone is promised.
      const more = { 'upload-complete': isComplete ? '?1' : '?0', 'upload-length': file.meta.sizeBytes };
      const headers = { 'upload-offset': offset, ...limitOf(file), ...(draft === 12 && more) };
      response.writeHead(204, { ...headers, 'cache-control': 'no-store' }).end();
    } finally {
      turn.release();
    }
  }

  /** Section "Upload Append". */
  async function append(asked: Asked, key: string): Promise<void> {
    const { request, response, fields } = asked;
    if (request.headers['content-type'] !== 'application/partial-upload') {
      throw refused(415, 'Send application/partial-upload.', undefined, {
        'accept-patch': 'application/partial-upload',
      });
    }
    const { offset, complete } = fields;
    if (offset === undefined || complete === undefined) throw refused(400, 'Send Upload-Offset and Upload-Complete.');
    const turn = turns.take(key);
    await turn.ready;
    try {
      const file = await find(key);
      const bytes = checkContent(asked);
      const { sizeBytes } = file.meta;
      if ((fields.length ?? sizeBytes) !== sizeBytes) throw inconsistent();
      if ((await completed).has(key)) {
        if (bytes > 0) throw inconsistent();
        // The problem type was given up in -12.
        const type = interopVersion !== 'none' && interopVersion < 9 ? 'completed-upload' : undefined;
        throw refused(410, 'The upload is complete.', type);
      }
      const held = await file.durableBytes();
      if (offset !== held) {
        const members = { 'expected-offset': held, 'provided-offset': offset };
        const text = problem('Upload-Offset is another.', 'mismatching-upload-offset', members);
        throw new Refusal(409, text, { 'upload-offset': held });
      }
      if (offset + bytes > sizeBytes) {
        // "[...] marking the upload resource invalid and rejecting any further interaction with it."
        await remove(file);
        throw inconsistent();
      }
      if (complete && offset + bytes !== sizeBytes) throw inconsistent();
      await receive(asked, file, offset, turn);
      if (complete) return await finish(asked, file);
      // Without Upload-Offset, which nobody promises; but clients of interop version 6 need it.
      const more = interopVersion === 6 && { 'upload-offset': offset + bytes };
      response.writeHead(204, { 'upload-complete': '?0', ...limitOf(file), ...more }).end();
    } finally {
      turn.release();
    }
  }

  /** "[...] the server SHOULD append as much of the patch document as possible". Returns only if it was all of it. */
  async function receive({ body, response }: Asked, file: UploadFile, start: number, turn: Turn): Promise<void> {
    try {
      for (let position = start; ; ) {
        const step = await body.next(IDLE_MS, turn.signal);
        if (step.type === 'end') break;
        if (step.type !== 'bytes') {
          // "[...] abruptly terminating" a request that a newer one replaces; and one that was cut has nobody to tell.
          response.destroy();
          throw new Refusal(0, step.type);
        }
        await file.append(position, step.bytes, Date.now());
        position += step.bytes.length;
      }
    } finally {
      await file.durableBytes();
      await file.close();
    }
  }

  /** The answer of the resource that was uploaded to, marked as such. */
  async function finish({ response }: Asked, file: UploadFile): Promise<void> {
    await writeFile(mark(file.key), '', { flag: own.w });
    // Its name is all there is of it: safe before anybody is told.
    const folder = await open(dataDir, 'r');
    await folder.sync().finally(() => folder.close());
    (await completed).add(file.key);
    const usual = () => ({ status: 201, text: JSON.stringify({ key: file.key }) });
    const { status, text } = (options.process ?? usual)(file);
    const more = interopVersion === 6 && { 'upload-offset': file.meta.sizeBytes };
    answer(response, status, text, { 'content-type': 'application/json', 'upload-complete': '?1', ...more });
  }

  /** Section "Upload Cancellation". */
  async function cancel({ response }: Asked, key: string): Promise<void> {
    const turn = turns.take(key);
    await turn.ready;
    try {
      await remove(await find(key));
      response.writeHead(204).end();
    } finally {
      turn.release();
    }
  }

  async function route(asked: Asked, name: string): Promise<void> {
    const { request, response, fields } = asked;
    const { method = '' } = request;
    const allowed = name === '' ? ['POST', 'OPTIONS'] : ['HEAD', 'PATCH', 'DELETE', 'OPTIONS'];
    if (method === 'OPTIONS') {
      // The answer to a preflight as well as to a client that wants to know.
      const preflight: OutgoingHttpHeaders = {
        'access-control-allow-methods': allowed.join(', '),
        'access-control-allow-headers': allowedHeaders,
        'access-control-max-age': '7200',
      };
      const offer: OutgoingHttpHeaders = { 'accept-patch': 'application/partial-upload', ...limitField(limits, 0) };
      return void response.writeHead(204, { ...offer, ...preflight, allow: allowed.join(', ') }).end();
    }
    if (!allowed.includes(method)) throw refused(405, 'Method not allowed.', undefined, { allow: allowed.join(', ') });
    const owner = await authorize(request);
    if (owner === undefined) {
      throw refused(401, 'Sign in first.', undefined, { 'www-authenticate': 'Bearer' });
    }
    if (interopVersion !== 'none' && fields.interopVersion !== interopVersion) {
      throw refused(400, `Upload-Draft-Interop-Version must be ${interopVersion}.`);
    }
    if (method === 'POST') return create(asked, owner);
    const key = secretKeyOf(owner, name);
    if (method === 'HEAD') return tell(asked, key);
    return method === 'PATCH' ? append(asked, key) : cancel(asked, key);
  }

  return {
    ready: opening.then(() => undefined),
    handle(request, response) {
      const pathname = (request.url ?? '').split('?', 1)[0] ?? '';
      if (pathname !== path && !pathname.startsWith(`${path}/`)) return false;
      response.on('error', () => undefined);
      const { origin = '' } = request.headers;
      response.setHeader('Vary', 'Origin');
      if (options.allowedOrigins?.includes(origin)) {
        response.setHeader('Access-Control-Allow-Origin', origin);
        response.setHeader('Access-Control-Expose-Headers', exposedHeaders);
      }
      const asked = { request, response, body: new BodyReader(request), fields: parseFields(request.headers) };
      const served = route(asked, pathname.slice(path.length + 1))
        .catch(async (error) => {
          if (response.destroyed || response.headersSent) return void response.destroy();
          if (outcomeOf(error) === 'disk-full') {
            return refuse(response, asked.body, 507, problem('The disk is full.'), { 'retry-after': '30' });
          }
          if (!(error instanceof Refusal)) return refuse(response, asked.body, 500, problem('The server failed.'));
          const headers = { 'content-type': 'application/problem+json', ...error.headers };
          await refuse(response, asked.body, error.status, error.message, headers);
        })
        .finally(() => running.delete(served));
      running.add(served);
      return true;
    },
    async finished() {
      const marks = await completed;
      return (await opening).finished.filter(({ key }) => marks.has(key));
    },
    async close() {
      await turns.endAll();
      await Promise.all(running);
    },
  };
}

/** `104 Upload Resumption Supported`, by hand: Node knows no other interim answers than 100, 102 and 103. */
function interim(response: ServerResponse, headers: OutgoingHttpHeaders): void {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  response.socket?.write(`HTTP/1.1 104 Upload Resumption Supported\r\n${lines.join('')}\r\n`);
}
