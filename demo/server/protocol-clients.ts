// The plainest client of each protocol that the demo keeps in files, for tests that are about what the protocols share:
// begins an upload by its first half, goes on to its end, gives it up. Refusals are answers, not errors.

import { ask, claim, type Got } from './test-kit.js';

export type FileProtocol = 'byte-offset' | 'chunks' | 'tus' | 'ietf';

export interface Client {
  /** Sends the first half. */
  begin(port: number, headers?: Readonly<Record<string, string>>): Promise<Got>;
  /** Asks where it stands and sends the rest from there; what was answered. */
  goOn(port: number, headers?: Readonly<Record<string, string>>): Promise<string[]>;
  /** Frees it, where the protocol has a way; what was answered. */
  giveUp(port: number, headers?: Readonly<Record<string, string>>): Promise<string[]>;
}

type Make = (id: string, bytes: Buffer) => Client;

const textOf = ({ status, text, headers }: Got) => `${status} ${text} ${headers['upload-offset'] ?? ''}`;

const byteOffset: Make = (id, bytes) => {
  const middle = bytes.length / 2;
  const post = (port: number, start: number, end: number, more = {}) =>
    ask(port, '/api/upload', {
      method: 'POST',
      headers: { ...claim(id, start, bytes.length), ...more },
      body: bytes.subarray(start, end),
    });
  return {
    begin: (port, more) => post(port, 0, middle, more),
    async goOn(port, more) {
      const held = await ask(port, '/api/status', { headers: { 'x-file-id': id, ...more } });
      const start = held.status === 200 ? Number(held.text) : middle;
      return [textOf(held), textOf(await post(port, start, bytes.length, more))];
    },
    giveUp: async () => [],
  };
};

const chunks: Make = (id, bytes) => {
  const chunkBytes = bytes.length / 2;
  const query = `?id=${id}&size=${bytes.length}&chunkSize=${chunkBytes}`;
  const send = (port: number, index: number, more = {}) =>
    ask(port, `/api/chunks${query}&index=${index}`, {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream', ...more },
      body: bytes.subarray(index * chunkBytes, (index + 1) * chunkBytes),
    });
  return {
    begin: (port, more) => send(port, 0, more),
    async goOn(port, more = {}) {
      const headers = { 'content-type': 'application/x-www-form-urlencoded', ...more };
      const answers = [await ask(port, `/api/chunks${query}`, { headers: more })];
      for (const index of [0, 1]) answers.push(await send(port, index, more));
      const body = Buffer.from(query.slice(1));
      answers.push(await ask(port, '/api/chunks/merge', { method: 'POST', headers, body }));
      return answers.map(textOf);
    },
    giveUp: async (port, headers = {}) => [
      textOf(await ask(port, `/api/chunks?id=${id}`, { method: 'DELETE', headers })),
    ],
  };
};

/** An upload that is a resource: `create` says how it is made, `dress` what its requests wear. */
const resource =
  (
    create: (port: number, id: string, bytes: Buffer, more: object) => Promise<Got>,
    dress: (offset: number, isLast: boolean) => Readonly<Record<string, string>>,
  ): Make =>
  (id, bytes) => {
    let url = '';
    const on = (port: number, method: string, headers: object, body?: Buffer) =>
      ask(port, url, { method, headers: { ...dress(0, false), ...headers }, ...(body && { body }) });
    return {
      async begin(port, more = {}) {
        const made = await create(port, id, bytes, more);
        url = made.headers.location ?? url;
        return made;
      },
      async goOn(port, more = {}) {
        const held = await on(port, 'HEAD', more);
        const start = Number(held.headers['upload-offset'] ?? bytes.length / 2);
        const rest = bytes.subarray(start);
        return [textOf(held), textOf(await on(port, 'PATCH', { ...dress(start, true), ...more }, rest))];
      },
      giveUp: async (port, more = {}) => [textOf(await on(port, 'DELETE', more))],
    };
  };

const tus = resource(
  (port, id, bytes, more) =>
    ask(port, '/api/tus', {
      method: 'POST',
      headers: {
        'tus-resumable': '1.0.0',
        'upload-length': String(bytes.length),
        'upload-metadata': `id ${Buffer.from(id).toString('base64')}`,
        'content-type': 'application/offset+octet-stream',
        ...more,
      },
      body: bytes.subarray(0, bytes.length / 2),
    }),
  (offset) => ({
    'tus-resumable': '1.0.0',
    'content-type': 'application/offset+octet-stream',
    'upload-offset': String(offset),
  }),
);

const ietf = resource(
  (port, _id, bytes, more) =>
    ask(port, '/api/resumable', {
      method: 'POST',
      headers: {
        'upload-draft-interop-version': '9',
        'upload-complete': '?0',
        'upload-length': String(bytes.length),
        ...more,
      },
      body: bytes.subarray(0, bytes.length / 2),
    }),
  (offset, isLast) => ({
    'upload-draft-interop-version': '9',
    'content-type': 'application/partial-upload',
    'upload-offset': String(offset),
    'upload-complete': isLast ? '?1' : '?0',
  }),
);

export const clients: Readonly<Record<FileProtocol, Make>> = { 'byte-offset': byteOffset, chunks, tus, ietf };
