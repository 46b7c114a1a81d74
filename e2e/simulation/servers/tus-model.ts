// A strict tus server for the simulator, on the reference server's folder of files. @tus/server itself needs Node's streams
// and sockets, which are neither fast nor the same each time; tus-model.test.ts holds this model against it.
// https://tus.io/protocols/resumable-upload

import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { BodyReader } from '../../../demo/server/body-reader.js';
import { type Turn, Turns } from '../../../demo/server/turns.js';
import type { UploadFile } from '../../../demo/server/upload-file.js';
import { keyOf } from '../../../demo/server/upload-key.js';
import { UploadStore } from '../../../demo/server/upload-store.js';

const PATH = '/api/tus';
const IDLE_MS = 60_000;
const EXPIRES_MS = 7 * 24 * 3_600_000;
const BODY_TYPE = 'application/offset+octet-stream';

class Refusal extends Error {
  readonly status: number;
  constructor(status: number) {
    super(String(status));
    this.status = status;
  }
}

export function createTusModel(dataDir: string) {
  const opening = UploadStore.open({ folder: dataDir, maxUploads: 1000, now: Date.now });
  opening.catch(() => undefined);
  const turns = new Turns();

  async function find(id: string): Promise<UploadFile> {
    const file = (await opening).find(keyOf('', id));
    if (file === undefined) throw new Refusal(404);
    return file;
  }

  /** Returns undefined if there is nobody left to answer. What came before a newer request is kept, and said. */
  async function append(request: IncomingMessage, file: UploadFile, start: number, turn: Turn) {
    const body = new BodyReader(request);
    if (start + (body.announcedBytes ?? 0) > file.meta.sizeBytes) throw new Refusal(413);
    let isCut = false;
    try {
      for (let position = start; ; ) {
        const step = await body.next(IDLE_MS, turn.signal);
        if (step.type !== 'bytes') {
          isCut = step.type === 'cut' || step.type === 'idle';
          break;
        }
        await file.append(position, step.bytes, Date.now());
        position += step.bytes.length;
      }
    } finally {
      await file.durableBytes();
      await file.close();
    }
    return isCut ? undefined : file.heldBytes;
  }

  const expiry = (file: UploadFile) =>
    file.finishedAtMs === undefined && {
      'upload-expires': new Date(file.meta.createdAtMs + EXPIRES_MS).toUTCString(),
    };

  async function create(request: IncomingMessage): Promise<[number, OutgoingHttpHeaders] | undefined> {
    const { headers } = request;
    const length = String(headers['upload-length'] ?? '');
    if (!/^\d+$/.test(length)) throw new Refusal(400);
    const metadata = metadataOf(String(headers['upload-metadata'] ?? ''));
    const id = metadata['id'] ?? crypto.randomUUID();
    const store = await opening;
    const key = keyOf('', id);
    if (store.find(key)) throw new Refusal(409);
    const turn = turns.take(key);
    await turn.ready;
    try {
      if (store.find(key)) throw new Refusal(409);
      const sizeBytes = Number(length);
      const file = await store.create(key, { id, sizeBytes, metadata, createdAtMs: Date.now() });
      if (sizeBytes === 0) await file.durableBytes();
      const location = { location: `${PATH}/${id}` };
      if (headers['content-type'] !== BODY_TYPE) return [201, { ...location, ...expiry(file) }];
      const held = await append(request, file, 0, turn);
      return held === undefined ? undefined : [201, { ...location, 'upload-offset': held, ...expiry(file) }];
    } finally {
      turn.release();
    }
  }

  async function ask(request: IncomingMessage, id: string): Promise<[number, OutgoingHttpHeaders] | undefined> {
    const key = keyOf('', id);
    const turn = turns.take(key);
    await turn.ready;
    try {
      const file = await find(id);
      const held = await file.durableBytes();
      if (request.method === 'HEAD') return [200, { 'upload-offset': held, 'upload-length': file.meta.sizeBytes }];
      if (request.method === 'DELETE') {
        await (await opening).remove(file);
        return [204, {}];
      }
      if (request.headers['content-type'] !== BODY_TYPE) throw new Refusal(403);
      if (String(held) !== request.headers['upload-offset']) throw new Refusal(409);
      const now = await append(request, file, held, turn);
      return now === undefined ? undefined : [204, { 'upload-offset': now, ...expiry(file) }];
    } finally {
      turn.release();
    }
  }

  async function answer(request: IncomingMessage, id: string) {
    if (request.headers['tus-resumable'] === undefined) throw new Refusal(412);
    if (id === '' && request.method === 'POST') return create(request);
    if (id !== '' && ['HEAD', 'PATCH', 'DELETE'].includes(request.method ?? '')) return ask(request, id);
    throw new Refusal(404);
  }

  return {
    handle(request: IncomingMessage, response: ServerResponse): boolean {
      const { url = '' } = request;
      if (url !== PATH && !url.startsWith(`${PATH}/`)) return false;
      answer(request, decodeURIComponent(url.slice(PATH.length + 1))).then(
        (given) => {
          if (given === undefined || response.destroyed) return void response.destroy();
          response.writeHead(given[0], { 'tus-resumable': '1.0.0', ...given[1] }).end();
        },
        (cause: unknown) => {
          if (response.destroyed) return;
          const status = cause instanceof Refusal ? cause.status : 500;
          response.writeHead(status, { 'tus-resumable': '1.0.0' }).end();
        },
      );
      return true;
    },
  };
}

function metadataOf(header: string): Readonly<Record<string, string>> {
  const pairs = header.split(',').flatMap((pair) => {
    const [key = '', value = ''] = pair.split(' ');
    return key === '' ? [] : [[key, Buffer.from(value, 'base64').toString()]];
  });
  return Object.fromEntries(pairs);
}
