// The byte-offset protocol for servers that take pieces: requests that were made in advance, for Background Fetch. Such a
// request carries `X-Piece: 1`; it may come two at a time, and after an interruption again from its first byte, so that the
// server lets one wait for the one before it, and passes over what it holds. demo/server/receive-upload.ts does.

import type { Adapter, Answer, Io, PieceRequest } from './adapter.js';
import { type ByteOffsetOptions, byteOffset } from './byte-offset.js';

const taken: Answer = { url: '', status: 200, ok: true, text: '', header: () => null };

/** Like {@link byteOffset}, for `backgroundFetch()`, and for servers that take pieces. */
export function byteOffsetPieces(options: ByteOffsetOptions): Adapter {
  const adapter = byteOffset(options);
  return {
    ...adapter,
    async piece(upload, state, range): Promise<PieceRequest> {
      let made: PieceRequest = { url: '', method: '', headers: {} };
      // The very request that `send` would make.
      const request: Io['request'] = async (url, { method, headers }) => {
        made = { url, method, headers: { ...headers, 'X-Piece': '1' } };
        return taken;
      };
      await adapter.send(upload, state, range, new Blob(), { request } as Io);
      return made;
    },
  };
}
