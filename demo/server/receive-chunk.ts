// What happens to one chunk between its fields and its answer: the turn, the bytes, the word that they are stored. Knows no
// socket: it pulls from a BodyReader and returns a verdict for somebody else to send.

import type { BodyReader, BodyStep } from './body-reader.js';
import type { ChunkRange } from './chunk-claim.js';
import type { ChunkedUpload, ChunkFile } from './chunked-upload.js';
import type { FormReader } from './form-reader.js';
import type { Turns } from './turns.js';

/** `stored`: it was there before. `wrong-size`: more or fewer bytes than the chunk has. */
export type ChunkOutcome = 'ok' | 'stored' | 'cut' | 'idle' | 'replaced' | 'aborted' | 'closing' | 'wrong-size';

export interface ReceiveChunkContext {
  readonly turns: Turns;
  readonly requestIdleMs: number;
  readonly now: () => number;
}

export interface SentChunk {
  readonly upload: ChunkedUpload;
  readonly range: ChunkRange;
  readonly body: BodyReader;
  /** Absent where the chunk is the whole body. */
  readonly form: FormReader | undefined;
}

export async function receiveChunk(context: ReceiveChunkContext, chunk: SentChunk): Promise<ChunkOutcome> {
  const { upload, range } = chunk;
  // Browsers send a request again by themselves: of two that bring the same chunk the newer one goes on.
  const turn = context.turns.take(`${upload.key}/${range.index}`);
  try {
    await turn.ready;
    const signal = AbortSignal.any([turn.signal, upload.signal]);
    // What is acknowledged is never written over, not even by the same bytes, which may be cut this time.
    const stored = upload.has(range.index);
    if (stored) {
      const outcome = await copy(context, chunk, signal, undefined);
      return outcome === 'ok' ? 'stored' : outcome;
    }
    const seen: { outcome: ChunkOutcome } = { outcome: 'cut' };
    await upload.write(range.index, context.now(), async (file) => {
      seen.outcome = await copy(context, chunk, signal, file);
      return seen.outcome === 'ok';
    });
    return seen.outcome;
  } finally {
    turn.release();
  }
}

async function copy(
  { requestIdleMs }: ReceiveChunkContext,
  { range, body, form, upload }: SentChunk,
  signal: AbortSignal,
  file: ChunkFile | undefined,
): Promise<ChunkOutcome> {
  let position = range.start;
  let tail = Buffer.alloc(0);
  for (;;) {
    const step: BodyStep = form ? await form.next(requestIdleMs, signal) : await body.next(requestIdleMs, signal);
    if (step.type === 'stopped')
      return upload.signal.aborted ? 'aborted' : signal.reason === 'closing' ? 'closing' : 'replaced';
    if (step.type === 'end') {
      const isWhole = position === range.end && (form ? form.isEnd(tail) : tail.length === 0);
      return isWhole ? 'ok' : 'wrong-size';
    }
    if (step.type !== 'bytes') return step.type;
    const own = step.bytes.subarray(0, range.end - position);
    // A full disk takes a part of a write.
    for (let done = 0; file !== undefined && done < own.length; ) {
      done += (await file.write(own, done, own.length - done, position + done)).bytesWritten;
    }
    position += own.length;
    tail = Buffer.concat([tail, step.bytes.subarray(own.length)]);
    // The form's end, and nothing after it that matters.
    if (tail.length > (form?.endBytes ?? 0) + 1024) return 'wrong-size';
  }
}
