// Pulls a request's body piece by piece, so that nothing is read which nobody wants. Knows nothing of what it means.

import type { IncomingMessage } from 'node:http';

/** What came next: bytes, or why none will. `cut`: the connection ended before the body did. */
export type BodyStep =
  | { readonly type: 'bytes'; readonly bytes: Buffer }
  | { readonly type: 'end' }
  | { readonly type: 'cut' }
  | { readonly type: 'idle' }
  | { readonly type: 'stopped' };

export class BodyReader {
  readonly #request: IncomingMessage;
  #readBytes = 0;

  constructor(request: IncomingMessage) {
    this.#request = request;
    // Without a listener a reset connection would end the process. What it means is seen in `next`.
    request.on('error', () => undefined);
  }

  /** Body bytes taken off the socket so far, wanted or not. */
  get receivedBytes(): number {
    return this.#readBytes + this.#request.readableLength;
  }

  /** As the request announces it; undefined for a chunked body. */
  get announcedBytes(): number | undefined {
    if (this.#request.headers['transfer-encoding'] !== undefined) return undefined;
    return Number(this.#request.headers['content-length'] ?? 0);
  }

  /** The next bytes; `idle` if none came for `idleMs`, `stopped` if `signal` was aborted. */
  async next(idleMs: number, signal?: AbortSignal): Promise<BodyStep> {
    const request = this.#request;
    for (;;) {
      if (signal?.aborted) return { type: 'stopped' };
      // Also after a cut: what had arrived is still in the stream's buffer.
      const bytes: unknown = request.read();
      if (bytes instanceof Buffer) {
        this.#readBytes += bytes.length;
        return { type: 'bytes', bytes };
      }
      if (request.readableEnded) return { type: 'end' };
      if (request.destroyed) return { type: 'cut' };
      if (await this.#silent(idleMs, signal)) return { type: 'idle' };
    }
  }

  /** Throws away what comes, within both limits. */
  async discard(maxBytes: number, maxMs: number): Promise<void> {
    const endBytes = this.#readBytes + maxBytes;
    const limit = AbortSignal.timeout(maxMs);
    while (this.#readBytes < endBytes) {
      const { type } = await this.next(maxMs, limit);
      if (type !== 'bytes') return;
    }
  }

  /** Waits until there is something to look at; true if `idleMs` passed instead. */
  #silent(idleMs: number, signal?: AbortSignal): Promise<boolean> {
    const request = this.#request;
    const events = ['readable', 'end', 'close', 'error'];
    return new Promise((resolve) => {
      const done = (silent: boolean) => {
        clearTimeout(timer);
        for (const event of events) request.off(event, wake);
        signal?.removeEventListener('abort', wake);
        resolve(silent);
      };
      const wake = () => done(false);
      const timer = setTimeout(done, idleMs, true);
      for (const event of events) request.on(event, wake);
      signal?.addEventListener('abort', wake);
    });
  }
}
