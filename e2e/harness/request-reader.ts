// Owns the reading of HTTP/1.1 requests as they pass: where a head ends, how long its body is, what it is about.
// Changes no byte. Browsers neither pipeline nor send chunked bodies; a chunked one counts as endless.

/** What a request says of itself, and what became of it on the link. Times are epoch milliseconds. */
export interface LinkRequest {
  readonly method: string;
  readonly path: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** X-File-Id as sent. */
  readonly fileId: string | undefined;
  /** X-Start-Byte. */
  readonly startByte: number | undefined;
  /** X-File-Size. */
  readonly sizeBytes: number | undefined;
  /** Content-Length; 0 without one. */
  readonly bodyBytes: number;
  readonly startedAtMs: number;
  /** Handed to the server's socket. Sent is not acknowledged. */
  bodyBytesForwarded: number;
  /** The first byte of the body left for the server. */
  firstByteAtMs?: number;
  /** The server began to answer. */
  answeredAtMs?: number;
  /** Status of the server's answer, also if the browser never saw it. */
  status?: number;
  /** Nothing more happens: answered in full length of the request, or lost. */
  endedAtMs?: number;
  outcome: 'open' | 'answered' | 'dropped' | 'replaced' | 'lost';
}

/** A run of bytes that belongs to one request. `last` marks the request's final bytes. */
export interface Segment {
  readonly part: 'head' | 'body';
  readonly request: LinkRequest;
  readonly bytes: Buffer;
  readonly last: boolean;
}

/** Node's own limit for a head is 16 KiB; what is longer is not HTTP. */
const MAX_HEAD_BYTES = 64 * 1024;
const NOTHING = Buffer.alloc(0);

/** Cuts the bytes of one keep-alive connection into heads and bodies. */
export class RequestReader {
  #unread: Buffer = NOTHING;
  #request: LinkRequest | undefined;
  #remaining = 0;

  /** Segments that `chunk` completes; the beginning of a head is kept until its end has come. */
  push(chunk: Buffer): Segment[] {
    const segments: Segment[] = [];
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#request !== undefined && this.#remaining > 0) {
        const bytes = rest.subarray(0, Math.min(rest.length, this.#remaining));
        this.#remaining -= bytes.length;
        segments.push({ part: 'body', request: this.#request, bytes, last: this.#remaining === 0 });
        rest = rest.subarray(bytes.length);
        continue;
      }
      const unread = this.#unread.length === 0 ? rest : Buffer.concat([this.#unread, rest]);
      const end = unread.indexOf('\r\n\r\n');
      if (end < 0) {
        if (unread.length > MAX_HEAD_BYTES) throw new Error('Not an HTTP/1.1 request: its head does not end.');
        this.#unread = unread;
        break;
      }
      this.#unread = NOTHING;
      const bytes = unread.subarray(0, end + 4);
      const request = parseHead(bytes.toString('latin1'));
      this.#request = request;
      this.#remaining = request.headers['transfer-encoding'] === undefined ? request.bodyBytes : Infinity;
      segments.push({ part: 'head', request, bytes, last: this.#remaining === 0 });
      rest = unread.subarray(end + 4);
    }
    return segments;
  }
}

function parseHead(head: string): LinkRequest {
  const [requestLine = '', ...lines] = head.trimEnd().split('\r\n');
  const [method = '', path = ''] = requestLine.split(' ');
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    if (colon > 0) headers[line.slice(0, colon).trim().toLowerCase()] = line.slice(colon + 1).trim();
  }
  const number = (name: string) => {
    const text = headers[name];
    return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
  };
  return {
    method,
    path,
    headers,
    fileId: headers['x-file-id'],
    startByte: number('x-start-byte'),
    sizeBytes: number('x-file-size'),
    bodyBytes: number('content-length') ?? 0,
    startedAtMs: Date.now(),
    bodyBytesForwarded: 0,
    outcome: 'open',
  };
}

/** True for the POST whose body ends where the file ends. Without X-File-Size nobody but the caller knows the size. */
export function carriesLastByte(request: LinkRequest, sizeBytes = request.sizeBytes): boolean {
  return sizeBytes !== undefined && (request.startByte ?? 0) + request.bodyBytes === sizeBytes;
}
