// What is known about the queue, counted once per change; every sentence of the page is made from this. Pure.
import type { UploadSnapshot, UploadStatus } from '../../src/index.js';

export type Medium = 'photo' | 'video' | 'mixed' | 'file';

export interface Facts {
  /** Bytes are on this device and not yet confirmed by the server; paused and refused uploads included. */
  readonly safe: number;
  readonly delivered: number;
  readonly failed: number;
  /** Failed, and the bytes themselves are gone or unreadable: not safe. */
  readonly unreadable: number;
  readonly paused: number;
  readonly lost: number;
  readonly cancelled: number;
  /** The worker has something to do for them, now or later. */
  readonly pending: number;
  /** What to call all of them together. */
  readonly medium: Medium;
}

// A failure that says the bytes themselves are gone or unreadable: such an upload must not be called safe.
const unsafeCodes: ReadonlySet<string> = new Set(['bytes-lost', 'file-missing', 'file-unreadable', 'corrupt-record']);

const ended: ReadonlySet<UploadStatus> = new Set<UploadStatus>(['completed', 'failed', 'cancelled', 'lost']);

export function factsOf(uploads: readonly UploadSnapshot[]): Facts {
  const count = { safe: 0, delivered: 0, failed: 0, unreadable: 0, paused: 0, lost: 0, cancelled: 0, pending: 0 };
  for (const upload of uploads) {
    switch (upload.status) {
      case 'completed':
        count.delivered += 1;
        break;
      case 'cancelled':
        count.cancelled += 1;
        break;
      case 'lost':
        count.lost += 1;
        break;
      case 'failed':
        count.failed += 1;
        if (unsafeCodes.has(upload.error.code)) count.unreadable += 1;
        else count.safe += 1;
        break;
      case 'paused':
        count.paused += 1;
        count.safe += 1;
        break;
      case 'queued':
      case 'preparing':
      case 'uploading':
      case 'waiting':
      case 'completing':
        count.pending += 1;
        count.safe += 1;
        break;
      default:
        upload satisfies never;
    }
  }
  return { ...count, medium: mediumOf(uploads.filter((upload) => upload.status !== 'cancelled')) };
}

/** Bytes of what is under way together: everything unfinished, and what was delivered since the oldest of it was added. */
export interface Batch {
  readonly sizeBytes: number;
  readonly acknowledgedBytes: number;
}

export function batchOf(uploads: readonly UploadSnapshot[]): Batch {
  let sinceMs = Number.POSITIVE_INFINITY;
  for (const upload of uploads) if (!ended.has(upload.status)) sinceMs = Math.min(sinceMs, upload.addedAtMs);
  const batch = { sizeBytes: 0, acknowledgedBytes: 0 };
  for (const upload of uploads) {
    if (ended.has(upload.status) && !(upload.status === 'completed' && upload.atMs >= sinceMs)) continue;
    batch.sizeBytes += upload.sizeBytes;
    batch.acknowledgedBytes += upload.acknowledgedBytes;
  }
  return batch;
}

/** "photo" if that is true of all of them, "video" likewise, "mixed" for both, else "file". */
export function mediumOf(files: readonly { readonly name: string; readonly type: string }[]): Medium {
  const kinds = new Set(files.map(kindOf));
  if (kinds.has('file')) return 'file';
  if (kinds.has('photo') && kinds.has('video')) return 'mixed';
  return kinds.has('video') ? 'video' : 'photo';
}

/** "1 photo", "12 photos", "12 photos and videos". */
export function counted(count: number, medium: Medium): string {
  const number = count.toLocaleString('en');
  if (medium === 'mixed') return count === 1 ? '1 file' : `${number} photos and videos`;
  return `${number} ${medium}${count === 1 ? '' : 's'}`;
}

// Browsers report no type for what their system does not know, which on many desktops includes HEIC.
const photoName = /\.(?:heic|heif|avif|dng|jxl)$/i;

function kindOf({ name, type }: { readonly name: string; readonly type: string }): 'photo' | 'video' | 'file' {
  if (type.startsWith('image/') || photoName.test(name)) return 'photo';
  return type.startsWith('video/') ? 'video' : 'file';
}
