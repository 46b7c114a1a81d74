// This tab's copy of what the worker knows, and whoever watches it. Work per change does not grow with the queue:
// totals are kept up to date by differences, and the list is built only when somebody reads it (invariant 12).

import { type UploadError, whole } from './contracts/errors.js';
import {
  isPending,
  type UploadId,
  type UploadSnapshot,
  type UploadStatus,
  uploadStatuses,
} from './contracts/upload.js';

/** Sums over all uploads that this device remembers. */
export interface UploadTotals {
  readonly count: number;
  readonly byStatus: Readonly<Record<UploadStatus, number>>;
  readonly sizeBytes: number;
  readonly acknowledgedBytes: number;
  /** Acknowledged over the last seconds; 0 while nothing is under way. */
  readonly bytesPerSecond: number;
  /** Expected time until nothing is pending; absent while it cannot be known. */
  readonly remainingMs?: number;
}

/** Everything at one moment. A new object after each change, the same one as long as there is none. */
export interface BackhaulSnapshot {
  /** In order of acceptance. Built when first read. */
  readonly uploads: readonly UploadSnapshot[];
  readonly totals: UploadTotals;
  /** Where the uploads run. In a `page` they go on while any page of the app is open, and at its next visit. */
  readonly host: 'service-worker' | 'page';
  /** Endpoints whose uploads wait for a sign-in. */
  readonly unauthorized: readonly string[];
  /** What is wrong between page and worker, such as `version-mismatch`. */
  readonly error?: UploadError;
}

type Waiting = Extract<UploadSnapshot, { status: 'waiting' }>;

/** By these a page, which knows no fingerprints, tells that two uploads are of the same file. */
const sameFile = ['endpoint', 'name', 'sizeBytes', 'lastModifiedMs'] as const;

/** Acknowledgements come every 5 s or so on a slow link: a window that always holds two. */
const SPEED_WINDOW_MS = 15_000;

export class Mirror {
  readonly #host: BackhaulSnapshot['host'];
  readonly #uploads = new Map<UploadId, UploadSnapshot>();
  /** Removed for good: a listing that began before may still name them. */
  readonly #gone = new Set<UploadId>();
  readonly #unauthorized = new Map<string, number>();
  /** Known to this page alone: what the device had of them was deleted. */
  readonly #vanished = new Map<UploadId, UploadSnapshot>();
  /** Of the worker's database, as far as it was told. */
  #bornAtMs: number | undefined;
  readonly #listeners = new Set<() => void>();
  readonly #samples: { readonly atMs: number; readonly bytes: number }[] = [];
  readonly #byStatus = Object.fromEntries(uploadStatuses.map((status) => [status, 0])) as Record<UploadStatus, number>;
  #sizeBytes = 0;
  #acknowledgedBytes = 0;
  #pending = 0;
  #pendingBytes = 0;
  #error: UploadError | undefined;
  #snapshot: BackhaulSnapshot | undefined;

  constructor(host: BackhaulSnapshot['host']) {
    this.#host = host;
  }

  get(id: UploadId): UploadSnapshot | undefined {
    return this.#uploads.get(id);
  }

  /** Uploads for which the worker has something to do by itself. A sign-in it can't do. */
  get working(): boolean {
    return this.#pending > 0;
  }

  /** Takes over what is newer than what is here. */
  apply(snapshots: readonly UploadSnapshot[]): void {
    let changed = false;
    for (const said of snapshots) {
      const snapshot = 'error' in said && said.error ? { ...said, error: whole(said.error) } : said;
      const before = this.#uploads.get(snapshot.id);
      const isOver = this.#gone.has(snapshot.id) || this.#vanished.has(snapshot.id);
      if (isOver || (before?.revision ?? 0) > snapshot.revision) continue;
      // The same file was added again.
      if (!before) this.forget((lost) => sameFile.every((key) => lost[key] === snapshot[key]));
      this.#uploads.set(snapshot.id, snapshot);
      this.#count(before, -1);
      this.#count(snapshot, 1);
      this.#progressed(snapshot.acknowledgedBytes - (before?.acknowledgedBytes ?? snapshot.acknowledgedBytes));
      changed = true;
    }
    if (changed) this.#notify();
  }

  remove(ids: readonly UploadId[]): void {
    for (const id of ids) {
      this.#gone.add(id);
      this.#vanished.delete(id);
      this.#count(this.#uploads.get(id), -1);
      this.#uploads.delete(id);
    }
    if (ids.length > 0) this.#notify();
  }

  /**
   * Makes this copy equal to a full listing: of `known`, the ids that were here when it began, what it lacks is gone. If
   * that is because the database was made anew at `bornAtMs`, what had not ended is lost, and stays here to be seen.
   */
  replace(known: readonly UploadId[], listed: readonly UploadSnapshot[], bornAtMs = this.#bornAtMs): void {
    this.#error = undefined;
    const present = new Set(listed.map(({ id }) => id));
    const missing = known.filter((id) => !present.has(id));
    if (bornAtMs !== this.#bornAtMs) this.#lose(missing);
    this.#bornAtMs = bornAtMs;
    this.remove(missing.filter((id) => !this.#vanished.has(id)));
    this.apply(listed);
    this.#notify();
  }

  /** Drops those that only this page knows and `test` is true of; answers with their ids. */
  forget(test: (lost: UploadSnapshot) => boolean): readonly UploadId[] {
    const ids = [...this.#vanished.values()].filter(test).map(({ id }) => id);
    this.remove(ids);
    return ids;
  }

  ids(): readonly UploadId[] {
    return [...this.#uploads.keys()];
  }

  fail(error: UploadError): void {
    this.#error = error;
    this.#notify();
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  snapshot(): BackhaulSnapshot {
    this.#snapshot ??= this.#build();
    return this.#snapshot;
  }

  #lose(ids: readonly UploadId[]): void {
    for (const id of ids) {
      const snapshot = this.#uploads.get(id);
      // Completed or cancelled: nothing was lost.
      if (!snapshot || 'atMs' in snapshot) continue;
      const message = `The data of this site were deleted before "${snapshot.name}" was delivered. Add it again.`;
      const error = { code: 'bytes-lost', message, uploadId: id } as const;
      const { reason: _, untilMs: __, bytesPerSecond: ___, remainingMs: ____, ...rest } = snapshot as Waiting;
      const lost = { ...rest, status: 'lost', error } as const;
      this.apply([lost]);
      this.#vanished.set(id, lost);
    }
  }

  #build(): BackhaulSnapshot {
    const uploads = this.#uploads;
    let list: readonly UploadSnapshot[] | undefined;
    const bytesPerSecond = this.#bytesPerSecond();
    const totals: UploadTotals = {
      count: uploads.size,
      byStatus: { ...this.#byStatus },
      sizeBytes: this.#sizeBytes,
      acknowledgedBytes: this.#acknowledgedBytes,
      bytesPerSecond,
      ...(bytesPerSecond === 0 ? {} : { remainingMs: Math.round((this.#pendingBytes * 1000) / bytesPerSecond) }),
    };
    return {
      totals,
      host: this.#host,
      unauthorized: [...this.#unauthorized.keys()],
      ...(this.#error === undefined ? {} : { error: this.#error }),
      get uploads() {
        list ??= [...uploads.values()].sort((a, b) => a.order - b.order);
        return list;
      },
    };
  }

  #count(snapshot: UploadSnapshot | undefined, sign: 1 | -1): void {
    if (snapshot === undefined) return;
    this.#byStatus[snapshot.status] += sign;
    this.#sizeBytes += sign * snapshot.sizeBytes;
    this.#acknowledgedBytes += sign * snapshot.acknowledgedBytes;
    if (!isPending(snapshot.status)) return;
    this.#pendingBytes += sign * (snapshot.sizeBytes - snapshot.acknowledgedBytes);
    if (snapshot.status !== 'waiting' || snapshot.untilMs !== undefined) this.#pending += sign;
    else if (snapshot.reason === 'auth') this.#countUnauthorized(snapshot.endpoint, sign);
  }

  #countUnauthorized(endpoint: string, sign: 1 | -1): void {
    const count = (this.#unauthorized.get(endpoint) ?? 0) + sign;
    if (count > 0) this.#unauthorized.set(endpoint, count);
    else this.#unauthorized.delete(endpoint);
  }

  #progressed(bytes: number): void {
    if (bytes <= 0) return;
    const now = Date.now();
    this.#samples.push({ atMs: now, bytes });
    while ((this.#samples[0]?.atMs ?? now) < now - SPEED_WINDOW_MS) this.#samples.shift();
  }

  #bytesPerSecond(): number {
    const first = this.#samples[0];
    const { preparing, uploading, completing } = this.#byStatus;
    if (first === undefined || preparing + uploading + completing === 0) return 0;
    // The first sample opens the window; its own bytes came before it.
    const bytes = this.#samples.reduce((sum, sample) => sum + sample.bytes, -first.bytes);
    const seconds = (Date.now() - first.atMs) / 1000;
    return seconds <= 0 ? 0 : Math.round(bytes / seconds);
  }

  #notify(): void {
    this.#snapshot = undefined;
    for (const listener of [...this.#listeners]) listener();
  }
}
