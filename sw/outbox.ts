// The only publisher of events. Collects what changed and tells all tabs at once, at most every FLUSH_MS, so that
// a thousand small uploads do not become a thousand messages. Also keeps the figures that are never stored: speed.

import type { UploadEvent } from '../src/contracts/messages.js';
import type { UploadId, UploadSnapshot } from '../src/contracts/upload.js';
import type { Clock } from './clock.js';
import { totalBytes } from './core/ranges.js';
import type { UploadRecord } from './store/schema.js';

/** Ten times a second is what an eye can use. */
const FLUSH_MS = 100;

export interface Outbox {
  /** Publishes the records as they now are. */
  changed(...records: readonly UploadRecord[]): void;
  /** The speed of one upload; undefined while nothing of it is under way. Published with its next change. */
  speed(id: string, bytesPerSecond: number | undefined): void;
  removed(ids: readonly UploadId[]): void;
  tick(): void;
  /** What a page may see of a record. */
  snapshotOf(record: UploadRecord): UploadSnapshot;
}

export function createOutbox(post: (event: UploadEvent) => void, clock: Clock): Outbox {
  const unsaid = new Map<string, UploadRecord>();
  const speeds = new Map<string, number>();

  function snapshotOf(record: UploadRecord): UploadSnapshot {
    const { course, fingerprint: _, turn: __, ...info } = record;
    const { state, held } = course;
    const { id, sizeBytes } = info;
    const acknowledgedBytes = state.status === 'completed' ? sizeBytes : totalBytes(held);
    const speed = speeds.get(id);
    const figures = speed && {
      bytesPerSecond: speed,
      remainingMs: Math.round(((sizeBytes - acknowledgedBytes) * 1000) / speed),
    };
    return { ...info, acknowledgedBytes, ...figures, ...state };
  }

  function flush(): void {
    const snapshots = [...unsaid.values()].map(snapshotOf);
    unsaid.clear();
    if (snapshots.length > 0) post({ type: 'changed', snapshots });
  }

  return {
    changed(...records) {
      if (unsaid.size === 0 && records.length > 0) clock.sleep(FLUSH_MS).then(flush, flush);
      for (const record of records) {
        // Two tasks may have read the same record at different times.
        if ((unsaid.get(record.id)?.revision ?? 0) <= record.revision) unsaid.set(record.id, record);
      }
    },
    speed(id, bytesPerSecond) {
      if (bytesPerSecond === undefined) speeds.delete(id);
      else speeds.set(id, bytesPerSecond);
    },
    removed(ids) {
      for (const id of ids) unsaid.delete(id);
      if (ids.length > 0) post({ type: 'removed', ids });
    },
    tick: () => post({ type: 'tick' }),
    snapshotOf,
  };
}
