// A server that knows a file only by its MD5, as many tutorials on 大文件上传 have it, in memory: GET /upload_already?HASH=,
// POST /upload_chunk (a form, chunks named HASH_index.suffix, from 1), POST /upload_merge (HASH, count). Every answer is
// 200 with a code. What is merged twice is appended twice; what is merged is no longer listed.

import type { RequestListener } from 'node:http';
import { bodyOf, formOf } from './faulty-server.js';

export class Md5Server {
  /** Finished files, by HASH.suffix. */
  readonly files = new Map<string, Buffer>();
  readonly received: string[] = [];
  /** Says `intact` for what is finished, as the better ones do. */
  readonly #tells: boolean;
  #folders = new Map<string, Map<string, Buffer>>();

  constructor({ tells = false } = {}) {
    this.#tells = tells;
  }

  /** What a restart does to temporary files. */
  forget(): void {
    this.#folders = new Map();
  }

  readonly listener: RequestListener = async (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://x');
    const answer = (code: number, more: object) => {
      response.setHeader('Content-Type', 'application/json');
      response.end(JSON.stringify({ code, ...more }));
    };
    switch (`${request.method} ${pathname}`) {
      case 'GET /upload_already': {
        const hash = searchParams.get('HASH') ?? '';
        const fileList = [...(this.#folders.get(hash)?.keys() ?? [])];
        const intact = [...this.files.keys()].some((name) => name.startsWith(`${hash}.`));
        return answer(0, { codeText: '', fileList, ...(this.#tells && { intact: intact ? 1 : 0 }) });
      }
      case 'POST /upload_chunk': {
        const form = await formOf(request);
        if (form === undefined) return;
        const name = form.fields['filename'] ?? '';
        const hash = /^([^_]+)_\d+\.\w+$/.exec(name)?.[1];
        if (hash === undefined) return answer(1, { codeText: 'no filename' });
        const folder = this.#folders.get(hash) ?? new Map<string, Buffer>();
        this.#folders.set(hash, folder);
        this.received.push(name);
        if (folder.has(name)) return answer(0, { codeText: 'file is exists' });
        folder.set(name, form.file);
        return answer(0, { codeText: 'upload success' });
      }
      case 'POST /upload_merge': {
        const body = await bodyOf(request);
        if (body === undefined) return;
        const fields = new URLSearchParams(body.toString());
        const hash = fields.get('HASH') ?? '';
        const folder = this.#folders.get(hash);
        if (folder === undefined) return answer(1, { codeText: 'HASH path is not found!' });
        if (folder.size < Number(fields.get('count')))
          return answer(1, { codeText: 'the slice has not been uploaded!' });
        const nth = (name: string) => Number(/_(\d+)/.exec(name)?.[1]);
        const names = [...folder.keys()].sort((a, b) => nth(a) - nth(b));
        const suffix = /\.(\w+)$/.exec(names[0] ?? '')?.[1];
        const name = `${hash}.${suffix}`;
        const parts = names.flatMap((each) => folder.get(each) ?? []);
        this.files.set(name, Buffer.concat([this.files.get(name) ?? Buffer.alloc(0), ...parts]));
        this.#folders.delete(hash);
        return answer(0, { codeText: 'merge success', originalFilename: name });
      }
      default:
        response.statusCode = 404;
        response.end();
    }
  };
}
