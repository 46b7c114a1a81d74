// What the chunk server answers where it does not do as it was asked.

import type { OutgoingHttpHeaders } from 'node:http';
import type { ChunkOutcome } from './receive-chunk.js';
import type { outcomeOf } from './receive-upload.js';

/** How one request is answered. Without a status its connection is ended without a word. */
export interface Verdict {
  readonly outcome: string;
  readonly status?: number;
  readonly json?: object;
  readonly text?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly acceptedBytes?: number;
}

export const refusals: Readonly<Record<Exclude<ChunkOutcome, 'ok' | 'stored'>, Omit<Verdict, 'outcome'>>> = {
  'wrong-size': { status: 400, text: 'More or fewer bytes than this chunk has.' },
  aborted: { status: 410, text: 'This upload was given up.' },
  // Not a reset: after one, browsers send the request again by themselves, and would end the newer one in turn.
  replaced: { status: 409, text: 'A newer request brings this chunk.' },
  closing: { status: 503, text: 'The server is stopping.', headers: { 'retry-after': '1' } },
  cut: {},
  // No 408: Chromium repeats the request.
  idle: {},
};

export const failures: Readonly<Record<ReturnType<typeof outcomeOf>, Omit<Verdict, 'outcome'>>> = {
  'too-many': { status: 429, text: 'Too many unfinished uploads.', headers: { 'retry-after': '60' } },
  'disk-full': { status: 507, text: 'The disk is full.', headers: { 'retry-after': '30' } },
  'storage-failed': { status: 500, text: 'The server could not store the bytes.' },
};
