// Accepts files: checks them, stores them, proves that they can be read back, and only then says so (invariant 1).
// One bad file never stops the others.

import { type ErrorCode, toWire, UploadError } from '../src/contracts/errors.js';
import type { Command, EnqueueItem, EnqueueOutcome } from '../src/contracts/messages.js';
import type { UploadId } from '../src/contracts/upload.js';
import type { Clock } from './clock.js';
import type { Outbox } from './outbox.js';
import type { Adapter } from './protocols/adapter.js';
import { bytesLost, isReadable, lastByte, read } from './readable.js';
import type { UploadRecord } from './store/schema.js';
import { idsOf, type NewUpload, type UploadStore } from './store/upload-store.js';
import { unknownEndpoint } from './unknown-endpoint.js';

type Enqueue = Extract<Command, { type: 'enqueue' }>;

/**
 * From here on a stored copy is read back. A smaller file is copied in one read, which cannot be half a file; reading it
 * back would cost half as much again as storing it (1000 files of 100 kB in Chromium: 0.4 s on top of 0.6 s).
 */
const VERIFIED_BYTES = 524_288;
/** Up to here bytes are stored as an ArrayBuffer: 1.5 times faster than a Blob row for 10 kB files. */
const INLINE_BYTES = 65_536;

/** What there is no room for is an error in its place. */
export type RoomCheck = (
  uploads: readonly (NewUpload | UploadError)[],
  tools: IntakeTools,
) => Promise<readonly (NewUpload | UploadError)[]>;

export interface IntakeTools {
  readonly store: UploadStore;
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly newId: () => string;
  /** Refuses what finds no room; absent, or without an answer: storing it will tell. */
  room?: RoomCheck | undefined;
  /** What serves an endpoint of that name. */
  readonly adapterOf: (endpoint: string) => Adapter | undefined;
}

/** One outcome for each item, in their order. What is `accepted` is durable. */
export async function acceptFiles(command: Enqueue, tools: IntakeTools): Promise<readonly EnqueueOutcome[]> {
  if (!tools.adapterOf(command.endpoint)) throw unknownEndpoint(command.endpoint);
  const made = await Promise.all(command.items.map((item) => prepare(item, command, tools)));
  const prepared = (await tools.room?.(made, tools)) ?? made;
  const good = prepared.filter((upload): upload is NewUpload => !(upload instanceof UploadError));
  const stored = await storeBatch(good, tools);
  return prepared.map((upload) => {
    // One for each that is good.
    const result = upload instanceof UploadError ? upload : (stored.shift() as UploadRecord | UploadError);
    return result instanceof UploadError
      ? { type: 'rejected', error: toWire(result) }
      : { type: 'accepted', snapshot: tools.outbox.snapshotOf(result) };
  });
}

async function prepare(
  { file, name, type, sizeBytes, lastModifiedMs, fingerprint }: EnqueueItem,
  { endpoint, metadata, priority }: Enqueue,
  { clock, newId }: IntakeTools,
): Promise<NewUpload | UploadError> {
  if (!(file instanceof Blob)) return refuse('not-a-file', name);
  try {
    const bytes = sizeBytes <= INLINE_BYTES ? await read(file, clock) : file;
    if (!bytes) return unreadable(name, 'too slow');
    if ((bytes instanceof Blob ? bytes.size : bytes.byteLength) !== sizeBytes) return changed(name);
    const info = { endpoint, fingerprint, name, type, sizeBytes, lastModifiedMs, metadata, priority };
    return { ...info, id: newId() as UploadId, addedAtMs: clock.now(), bytes };
  } catch (cause) {
    return unreadable(name, cause);
  }
}

/** One transaction if all goes well; else halves, so that only the files at fault are refused. */
async function storeBatch(uploads: readonly NewUpload[], tools: IntakeTools): Promise<(UploadRecord | UploadError)[]> {
  const [only] = uploads;
  if (!only) return [];
  let added: readonly UploadRecord[];
  try {
    added = await tools.store.add(uploads);
  } catch (cause) {
    if (uploads.length === 1) {
      const error = await blame(only, cause, tools.clock);
      // WebKit stores no Blob in a private window (which keeps all in memory), but it does store bytes.
      const whole = error === cause && only.bytes instanceof Blob ? read(only.bytes, tools.clock) : undefined;
      const bytes = await whole?.catch(() => undefined);
      return bytes ? storeBatch([{ ...only, bytes }], tools) : [error];
    }
    const half = Math.ceil(uploads.length / 2);
    const first = await storeBatch(uploads.slice(0, half), tools);
    return [...first, ...(await storeBatch(uploads.slice(half), tools))];
  }
  return verify(uploads, added, tools);
}

/**
 * Reads the last byte of each copy back. A source that was cut while it was copied is stored "complete" and cannot be
 * read (seen in Chromium and Firefox). Twins that nobody has sent yet are looked at too: the worker may have been
 * stopped between storing and verifying them.
 */
async function verify(
  uploads: readonly NewUpload[],
  added: readonly UploadRecord[],
  { store, outbox, clock }: IntakeTools,
): Promise<(UploadRecord | UploadError)[]> {
  const doubtful = added.filter(({ sizeBytes, course }) => sizeBytes >= VERIFIED_BYTES && !course.tried);
  const blobs = await store.bytesOf(idsOf(doubtful));
  const lost = new Map<string, UploadRecord>();
  await Promise.all(
    doubtful.map(async (record, index) => {
      const { id, sizeBytes } = record;
      const blob = blobs[index];
      if (blob?.size === sizeBytes && (await isReadable(lastByte(blob), clock))) return;
      // Does not apply to what was delivered meanwhile, and so has no bytes any more.
      const now = await store.apply(id, { type: 'lost', error: bytesLost(record) });
      if (now) lost.set(id, now);
    }),
  );
  outbox.changed(...added.map((item) => lost.get(item.id) ?? item));
  // Of new ones nothing was promised yet. A twin may have been accepted before: it stays, and says so.
  outbox.removed(await store.remove(idsOf(uploads).filter((id) => lost.has(id))));
  return added.map((item) => (lost.has(item.id) ? changed(item.name) : item));
}

/** A refused transaction does not say which way its file is bad; the file itself does. */
async function blame(upload: NewUpload, cause: unknown, clock: Clock): Promise<UploadError> {
  const { name, bytes } = upload;
  // The store throws nothing else.
  const error = cause as UploadError;
  if (error.code === 'quota-exceeded') return noRoom(upload, 'less is free', cause);
  try {
    if (bytes instanceof Blob) await read(lastByte(bytes), clock);
  } catch (reading) {
    return unreadable(name, reading);
  }
  return error;
}

/** Rounded apart, so that what is needed always reads as more than what is free. */
export function noRoom({ name, sizeBytes }: NewUpload, free: string, cause?: unknown): UploadError {
  const what = ` needs ${Math.ceil(sizeBytes / 1e6)} MB, ${free}`;
  return refuse('quota-exceeded', name, what, cause);
}

/** What a failed read means: NotFoundError, NotReadableError ... are the same in every browser. */
function unreadable(name: string, cause: unknown): UploadError {
  const reason = cause instanceof Error ? cause.name : cause;
  if (reason === 'NotReadableError') return changed(name);
  return reason === 'NotFoundError' ? refuse('file-missing', name) : refuse('file-unreadable', name, ` (${reason})`);
}

function changed(name: string): UploadError {
  return refuse('file-changed', name);
}

function refuse(code: ErrorCode, name: string, what = '', cause?: unknown): UploadError {
  return new UploadError(code, `"${name}"${what}`, { cause });
}
