// Request traces of an adapter without a network: a server that gives prepared answers, one after another, and what it
// was asked. `hidden` are headers that a browser would not show to another origin's page.

import type { Answer, Io, RequestOptions, UploadSource } from '../../sw/protocols/adapter.js';

export const NOW = Date.UTC(2026, 10, 22, 12);

export const upload: UploadSource = {
  id: 'random-id',
  endpoint: 'photos',
  name: '文件 1.jpg',
  type: 'image/jpeg',
  sizeBytes: 1000,
  lastModifiedMs: 1_700_000_000_000,
  metadata: {},
};

export interface Said {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly text?: string;
}

export type Asked = readonly [method: string, url: string, headers: Readonly<Record<string, string>>, bytes?: number];

/** What fetch shows across origins without Access-Control-Expose-Headers. */
const safelisted = ['cache-control', 'content-length', 'content-type', 'expires', 'last-modified'];

export function serverSaying(said: readonly (Said | number)[], options: { readonly exposed?: readonly string[] } = {}) {
  const asked: Asked[] = [];
  const bodies: (Blob | undefined)[] = [];
  const file = new Blob([new Uint8Array(upload.sizeBytes).map((_, index) => index)]);
  const shown = options.exposed && [...safelisted, ...options.exposed.map((name) => name.toLowerCase())];
  const io: Io = {
    request: async (url: string, { method, headers = {}, body }: RequestOptions): Promise<Answer> => {
      const next = said[asked.length];
      asked.push(body && body.size > 0 ? [method, url, headers, body.size] : [method, url, headers]);
      bodies.push(body);
      if (next === undefined) throw new Error(`asked too often: ${method} ${url}`);
      const answer: Said = typeof next === 'number' ? { status: next } : next;
      const all = new Headers(answer.headers);
      return {
        url: new URL(url, 'https://app.example/app/sw.js').href,
        status: answer.status,
        ok: answer.status >= 200 && answer.status < 300,
        text: answer.text ?? '',
        header: (name) => (shown && !shown.includes(name.toLowerCase()) ? null : all.get(name)),
      };
    },
    bytes: async () => file,
    sleep: async () => {},
    nowMs: () => NOW,
  };
  const leftOver = () => said.length - asked.length;
  return { io, asked, bodies, file, leftOver };
}

/** What comes out, be it an answer or a failure. */
export async function outcomeOf<Value>(work: Promise<Value> | undefined): Promise<Value | Error | undefined> {
  try {
    return await work;
  } catch (cause) {
    return cause as Error;
  }
}
