// What a piece asks of the server is what send() asks, and that it is one.

import { expect, test } from 'vitest';
import type { Answer, Io, RequestOptions, UploadSource } from './adapter.js';
import { byteOffsetPieces } from './byte-offset-pieces.js';
import { jsonHeader } from './json-header.js';

const upload: UploadSource = {
  id: 'random',
  endpoint: 'photos',
  name: '照片.png',
  type: 'image/png',
  sizeBytes: 1000,
  lastModifiedMs: 1_700_000_000_000,
  metadata: { album: '7' },
};

test.each([
  [0, 400],
  [400, 1000],
] as const)('a piece [%i, %i) is the request of send(), marked as one, and nothing is sent', async (start, end) => {
  const adapter = byteOffsetPieces({
    statusUrl: '/status',
    uploadUrl: '/upload',
    metadataHeader: jsonHeader('X-Meta'),
  });
  const sent: [string, RequestOptions][] = [];
  const request: Io['request'] = async (url, options) => {
    sent.push([url, options]);
    return { url, status: 200, ok: true, text: String(end), header: () => null } satisfies Answer;
  };
  await adapter.send(upload, {}, [start, end], new Blob([new Uint8Array(end - start)]), { request } as Io);
  const [[url, { method, headers }] = ['', { method: '' }]] = sent;
  const piece = await adapter.piece?.(upload, {}, [start, end]);
  expect(piece).toEqual({ url, method, headers: { ...headers, 'X-Piece': '1' } });
  expect(piece?.headers['X-Start-Byte']).toBe(String(start));
  expect(sent).toHaveLength(1);
});
