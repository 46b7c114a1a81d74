// The only publisher of events. Collects what changed and tells all tabs at once, at most every FLUSH_MS, so that
// a thousand small uploads do not become a thousand messages. Also keeps the figures that are never stored: speed.

import type { UploadEvent } from '../src/contracts/messages.js';
import type { UploadId, UploadSnapshot } from '../src/contracts/upload.js';
import type { Clock } from './clock.js';
import { totalBytes } from './core/ranges.js';
import type { Listed } from './store/upload-store.js';

/** Ten times a second is what an eye can use. */
const FLUSH_MS = 100;

export class Outbox {
  readonly #post: (event: UploadEvent) => void;
  readonly #clock: Clock;
  readonly #changed = new Map<string, Listed>();
  readonly #speeds = new Map<string, number>();
  #flushing = false;

  constructor(post: (event: UploadEvent) => void, clock: Clock) {
    this.#post = post;
    this.#clock = clock;
  }

  /** Publishes the records as they now are. */
  changed(...records: readonly Listed[]): void {
    for (const record of records) {
      // Two tasks may have read the same record at different times.
      if ((this.#changed.get(record.id)?.revision ?? 0) <= record.revision) this.#changed.set(record.id, record);
    }
    this.#flushSoon();
  }

  /** The speed of one upload; undefined while nothing of it is under way. Published with its next change. */
  speed(id: string, bytesPerSecond: number | undefined): void {
    if (bytesPerSecond === undefined) this.#speeds.delete(id);
    else this.#speeds.set(id, bytesPerSecond);
  }

  removed(ids: readonly UploadId[]): void {
    for (const id of ids) this.#changed.delete(id);
    if (ids.length > 0) this.#post({ type: 'removed', ids });
  }

  tick(): void {
    this.#post({ type: 'tick' });
  }

  /** What a page may see of a record. */
  snapshot(record: Listed): UploadSnapshot {
    if ('corrupt' in record) {
      const { corrupt: _, ...info } = record;
      const message = `The record of "${info.name}" is damaged. Remove it, then add the file again.`;
      const error = { code: 'corrupt-record', message, uploadId: info.id } as const;
      return { ...info, acknowledgedBytes: 0, status: 'failed', error };
    }
    const { course, fingerprint: _, turn: __, ...info } = record;
    const { state, held } = course;
    const { id, sizeBytes } = info;
    const acknowledgedBytes = state.status === 'completed' ? sizeBytes : totalBytes(held);
    const speed = this.#speeds.get(id);
    const figures = speed && {
      bytesPerSecond: speed,
      remainingMs: Math.round(((sizeBytes - acknowledgedBytes) * 1000) / speed),
    };
    return { ...info, acknowledgedBytes, ...figures, ...state };
  }

  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    const flush = () => {
      this.#flushing = false;
      const records = [...this.#changed.values()];
      this.#changed.clear();
      if (records.length > 0)
        this.#post({ type: 'changed', snapshots: records.map((record) => this.snapshot(record)) });
    };
    this.#clock.sleep(FLUSH_MS).then(flush, flush);
  }
}
