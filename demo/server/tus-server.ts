// The demo's tus server: @tus/server on a folder of files, with limits and CORS, and what is finished as the gallery
// wants it. Uploads are named by the `id` in their metadata, so that a client finds one whose first answer was lost.
// Knows nothing of what else the server serves. One process per folder, unless a `locker` guards them all.

import { AsyncLocalStorage } from 'node:async_hooks';
import { mkdir } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type DataStore, EVENTS, type Locker, Server, type Upload } from '@tus/server';
import type { FinishedFile } from './file-shelf.js';
import { statOwn } from './own-files.js';
import { answer } from './reply.js';
import { refusal, TusFileStore } from './tus-file-store.js';
import { secretKeyOf } from './upload-key.js';

export interface TusServerOptions {
  /** Folder for the bytes, made if absent. */
  readonly dataDir: string;
  /** Default `/api/tus`. */
  readonly path?: string;
  /** Origins such as `https://app.example` that may use it from their pages. Default none: same origin only. */
  readonly allowedOrigins?: readonly string[];
  /** Largest file in bytes; more is refused with 413. Default 10 GiB. */
  readonly maxFileBytes?: number;
  /** Unfinished uploads older than so many milliseconds are gone (410), and deleted within an hour. Default 7 days. */
  readonly expireAfterMs?: number;
  /** How long an older request may go on after a newer one asked for its upload. Default 500 ms (@tus/server: 3000). */
  readonly lockDrainTimeoutMs?: number;
  /** Who is asking; undefined is answered with 401. Uploads of different owners never meet. Default: everybody is one. */
  readonly authorize?: (request: IncomingMessage) => string | undefined | Promise<string | undefined>;
  /** Where uploads are kept; without one, files in `dataDir`. */
  readonly datastore?: DataStore;
  /** What keeps two requests from writing one upload. Default: inside this process. */
  readonly locker?: Locker;
}

export interface TusServer {
  /** Answers if the path is one of its own; else returns false and touches nothing. */
  handle(request: IncomingMessage, response: ServerResponse): boolean;
  /** Finished files, in the order in which they were finished; none of another `datastore`. */
  finished(): Promise<readonly FinishedFile[]>;
  close(): Promise<void>;
}

const WEEK_MS = 7 * 24 * 3_600_000;
const HOUR_MS = 3_600_000;
const ALLOWED = 'POST, HEAD, PATCH, DELETE, OPTIONS';

/** A name that is safe in a path and a URL. */
const namePattern = /^[\w-]{8,128}$/;

export function createTusServer(options: TusServerOptions): TusServer {
  const { dataDir, path = '/api/tus', maxFileBytes = 10 * 1024 ** 3, expireAfterMs = WEEK_MS, locker } = options;
  const files = new TusFileStore(dataDir, expireAfterMs);
  const datastore = options.datastore ?? files;
  const finished = new Map<string, FinishedFile>();
  /** Whose request is being handled, and the name of the upload that it makes. */
  const asking = new AsyncLocalStorage<{ readonly owner: string | undefined; name?: string }>();

  /** What an upload is kept under: another's URL, whatever its name, leads nowhere. */
  const kept = (name: string) => secretKeyOf(asking.getStore()?.owner ?? '', name);

  const server = new Server({
    path,
    datastore,
    maxSize: maxFileBytes,
    relativeLocation: true,
    allowedOrigins: [...(options.allowedOrigins ?? [])],
    // @tus/server does not expose these by itself.
    exposedHeaders: ['Upload-Expires', 'Retry-After'],
    lockDrainTimeout: options.lockDrainTimeoutMs ?? 500,
    ...(locker && { locker }),
    namingFunction: (_request, metadata) => {
      const id = metadata?.['id'] ?? '';
      const name = namePattern.test(id) ? id : crypto.randomUUID();
      Object.assign(asking.getStore() ?? {}, { name });
      return kept(name);
    },
    generateUrl: (_request, { id }) => `${path}/${asking.getStore()?.name ?? id}`,
    getFileIdFromRequest: (_request, name = '') => (namePattern.test(name) ? kept(name) : undefined),
    onIncomingRequest: async () => {
      if (asking.getStore()?.owner === undefined) throw refusal(401, 'Sign in first.');
    },
    // The store would empty an upload that is made a second time: by a client, or by a browser that repeats a request.
    onUploadCreate: async (_request, { id }) => {
      if (await exists(datastore, id)) throw refusal(409, 'This upload was made before.');
      return {};
    },
  });
  server.on(EVENTS.POST_FINISH, (_request, _response, upload) => {
    if (datastore === files) note(upload, Date.now());
  });
  server.on(EVENTS.POST_TERMINATE, (_request, _response, id) => void finished.delete(id));

  function note(upload: Upload, finishedAtMs: number): void {
    const { id, size = 0, metadata = {}, creation_date } = upload;
    const words = Object.entries(metadata).map(([key, value]) => [key, value ?? '']);
    const createdAtMs = Date.parse(creation_date ?? '') || finishedAtMs;
    const meta = { id, sizeBytes: size, metadata: Object.fromEntries(words), createdAtMs };
    finished.set(id, { key: id, path: `${dataDir}/${id}`, meta, finishedAtMs });
  }

  async function uploads(): Promise<readonly Upload[]> {
    const ids = (await files.configstore.list?.()) ?? [];
    return (await Promise.all(ids.map((id) => files.getUpload(id).catch(() => undefined)))).filter((each) => !!each);
  }

  /** What an earlier process had finished. */
  async function load(): Promise<void> {
    await mkdir(dataDir, { recursive: true });
    const whole = (await uploads()).filter(({ offset, size }) => offset === size);
    const dated = await Promise.all(
      whole.map(async (each) => [each, (await statOwn(`${dataDir}/${each.id}`))?.mtimeMs ?? 0] as const),
    );
    for (const [upload, atMs] of dated.sort(([, a], [, b]) => a - b)) note(upload, Math.round(atMs));
  }

  /** Not by `cleanUpExpiredUploads`: @tus/file-store 2.1 counts finished files as unfinished, and would delete them. */
  async function sweep(): Promise<void> {
    for (const upload of await uploads()) {
      if (upload.offset !== upload.size && isOver(upload, expireAfterMs)) await files.remove(upload.id);
    }
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { authorize = () => '' } = options;
    request.on('error', () => undefined);
    // Asked before @tus/server sees the request: only then it knows whose names are meant.
    const owner = request.method === 'OPTIONS' ? undefined : await authorize(request);
    await asking.run({ owner }, () => server.handle(request, response));
  }

  const loading = load();
  loading.catch(() => undefined);
  const sweeping = setInterval(() => void sweep().catch(() => undefined), HOUR_MS);
  sweeping.unref();

  return {
    handle(request, response) {
      const pathname = (request.url ?? '').split('?', 1)[0] ?? '';
      if (pathname !== path && !pathname.startsWith(`${path}/`)) return false;
      // @tus/server gives out files too; on Node 20 a viewer that goes away in the middle ends the whole process (undici).
      if (request.method === 'GET') answer(response, 405, 'Method not allowed.', { allow: ALLOWED });
      else void serve(request, response).catch(() => response.destroy());
      return true;
    },
    async finished() {
      await loading;
      return [...finished.values()];
    },
    async close() {
      clearInterval(sweeping);
      await loading.catch(() => undefined);
    },
  };
}

/** An upload whose time is over is answered with 410 by @tus/server, finished or not: then its name is free again. */
async function exists(datastore: DataStore, id: string): Promise<boolean> {
  const upload = await datastore.getUpload(id).catch(() => undefined);
  return upload !== undefined && !isOver(upload, datastore.getExpiration());
}

function isOver({ creation_date }: Upload, expireAfterMs: number): boolean {
  return expireAfterMs > 0 && Date.parse(creation_date ?? '') + expireAfterMs < Date.now();
}
