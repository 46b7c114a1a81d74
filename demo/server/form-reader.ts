// Reads a multipart/form-data body (RFC 7578) whose file comes last and whose length the fields tell, so that the file's
// bytes go to the disk as they come: nothing is searched for in them, and nothing is held in memory.

import type { BodyReader, BodyStep } from './body-reader.js';
import { BadRequest } from './request-headers.js';

/** Of the fields before the file. */
const maxHeadBytes = 64 * 1024;

export class FormReader {
  readonly #body: BodyReader;
  readonly #boundary: Buffer;
  /** Read, but not yet asked for. */
  #rest: Buffer = Buffer.alloc(0);

  /** Undefined if `contentType` is no form's. */
  static of(contentType: string | undefined, body: BodyReader): FormReader | undefined {
    if (!/^multipart\/form-data\b/i.test(contentType ?? '')) return undefined;
    const [, quoted, plain] = /;\s*boundary=(?:"([^"]{1,70})"|([^\s;,"]{1,70}))/i.exec(contentType ?? '') ?? [];
    const boundary = quoted ?? plain;
    if (boundary === undefined) throw new BadRequest('The form has no boundary.');
    return new FormReader(body, boundary);
  }

  private constructor(body: BodyReader, boundary: string) {
    this.#body = body;
    this.#boundary = Buffer.from(`\r\n--${boundary}`);
  }

  /** The fields up to the file, whose bytes are next; or what ended the body before. */
  async fields(idleMs: number): Promise<Map<string, string> | Exclude<BodyStep['type'], 'bytes'>> {
    for (;;) {
      const fields = this.#parse();
      if (fields !== undefined) return fields;
      if (this.#rest.length > maxHeadBytes) throw new BadRequest(`The fields are longer than ${maxHeadBytes} bytes.`);
      const step = await this.#body.next(idleMs);
      if (step.type === 'end') throw new BadRequest('The form has no file after its fields.');
      if (step.type !== 'bytes') return step.type;
      this.#rest = Buffer.concat([this.#rest, step.bytes]);
    }
  }

  /** Bytes of the file, then what follows it: the caller knows where it ends. */
  async next(idleMs: number, signal: AbortSignal): Promise<BodyStep> {
    const bytes = this.#rest;
    if (bytes.length === 0) return this.#body.next(idleMs, signal);
    this.#rest = Buffer.alloc(0);
    return { type: 'bytes', bytes };
  }

  /** How many bytes the end of the form has at least: `\r\n--boundary--`. */
  get endBytes(): number {
    return this.#boundary.length + 2;
  }

  /** True for what must follow the file: nothing was cut off, and nothing was left out. */
  isEnd(bytes: Buffer): boolean {
    return bytes.subarray(0, this.endBytes).equals(Buffer.concat([this.#boundary, Buffer.from('--')]));
  }

  /** Undefined: more is needed. */
  #parse(): Map<string, string> | undefined {
    const all = this.#rest;
    const fields = new Map<string, string>();
    const first = this.#boundary.subarray(2);
    if (all.length < first.length) return undefined;
    if (!all.subarray(0, first.length).equals(first))
      throw new BadRequest('The form does not begin with its boundary.');
    for (let at = first.length; ; ) {
      const headEnd = all.indexOf('\r\n\r\n', at);
      if (headEnd < 0) return undefined;
      const head = all.toString('utf8', at, headEnd);
      const value = headEnd + 4;
      if (/;\s*filename\*?=/i.test(head)) {
        this.#rest = all.subarray(value);
        return fields;
      }
      const valueEnd = all.indexOf(this.#boundary, value);
      if (valueEnd < 0) return undefined;
      const name = /;\s*name="([^"]*)"/i.exec(head)?.[1];
      if (name === undefined) throw new BadRequest('A field has no name.');
      fields.set(name, all.toString('utf8', value, valueEnd));
      at = valueEnd + this.#boundary.length;
    }
  }
}
