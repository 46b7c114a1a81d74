// Accepts files: checks them, stores them, proves that they can be read back, and only then says so (invariant 1).
// One bad file never stops the others.

import { toWire, UploadError } from '../src/contracts/errors.js';
import type { Command, EnqueueItem, EnqueueOutcome } from '../src/contracts/messages.js';
import type { UploadId } from '../src/contracts/upload.js';
import type { Clock } from './clock.js';
import type { Outbox } from './outbox.js';
import type { Added, NewUpload, UploadStore } from './store/upload-store.js';

type Enqueue = Extract<Command, { type: 'enqueue' }>;

/** Up to here bytes are stored as an ArrayBuffer: 1.5 times faster than a Blob row for 10 kB files. */
const INLINE_BYTES = 65_536;
/** Chromium leaves reads of a copy whose source shrank meanwhile pending for ever. */
const READ_LIMIT_MS = 10_000;

export interface IntakeTools {
  readonly store: UploadStore;
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly newId: () => string;
  /** True for a name that installBackhaul gave to a server. */
  readonly isEndpoint: (name: string) => boolean;
}

/** One outcome for each item, in their order. What is `accepted` is durable. */
export async function acceptFiles(command: Enqueue, tools: IntakeTools): Promise<readonly EnqueueOutcome[]> {
  if (!tools.isEndpoint(command.endpoint)) {
    throw new UploadError(
      'unknown-endpoint',
      `The worker has no endpoint "${command.endpoint}". Name it in installBackhaul({ endpoints }).`,
    );
  }
  const prepared = await Promise.all(command.items.map((item) => prepare(item, command, tools)));
  const good = prepared.filter((upload): upload is NewUpload => !(upload instanceof UploadError));
  const stored = await storeBatch(good, tools);
  let index = 0;
  return prepared.map((upload) => {
    const result = upload instanceof UploadError ? upload : stored[index++];
    if (result === undefined || result instanceof UploadError) {
      return { type: 'rejected', error: toWire(result) };
    }
    return { type: 'accepted', snapshot: tools.outbox.snapshot(result.record) };
  });
}

async function prepare(item: EnqueueItem, command: Enqueue, tools: IntakeTools): Promise<NewUpload | UploadError> {
  const { file, name, type, sizeBytes, lastModifiedMs, fingerprint } = item;
  if (!(file instanceof Blob)) {
    return new UploadError(
      'not-a-file',
      `"${name}" is not a File or Blob. Pass what an <input type="file">, a drop or a paste gives.`,
    );
  }
  try {
    const bytes = sizeBytes <= INLINE_BYTES ? await file.arrayBuffer() : file;
    const storedBytes = bytes instanceof Blob ? bytes.size : bytes.byteLength;
    if (storedBytes !== sizeBytes) return changed(name);
    return {
      id: tools.newId() as UploadId,
      endpoint: command.endpoint,
      fingerprint,
      name,
      type,
      sizeBytes,
      lastModifiedMs,
      metadata: command.metadata,
      priority: command.priority,
      addedAtMs: tools.clock.now(),
      bytes,
    };
  } catch (cause) {
    return unreadable(name, cause);
  }
}

/** One transaction if all goes well; else halves, so that only the files at fault are refused. */
async function storeBatch(
  uploads: readonly NewUpload[],
  tools: IntakeTools,
): Promise<readonly (Added | UploadError)[]> {
  const [only] = uploads;
  if (only === undefined) return [];
  let added: readonly Added[];
  try {
    added = await tools.store.add(uploads);
  } catch (cause) {
    if (uploads.length === 1) return [await blame(only, cause)];
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
  added: readonly Added[],
  tools: IntakeTools,
): Promise<readonly (Added | UploadError)[]> {
  const results = await Promise.all(
    added.map(async (item, index) => {
      const upload = uploads[index];
      const { record, stored } = item;
      if (upload === undefined || (!stored && record.course.tried) || (stored && !(upload.bytes instanceof Blob)))
        return item;
      if (record.course.state.status === 'completed' || (await endIsReadable(record.id, record.sizeBytes, tools)))
        return item;
      await tools.store.apply(record.id, { type: 'cancelled', atMs: tools.clock.now() });
      await tools.store.remove([record.id]);
      return changed(upload.name);
    }),
  );
  tools.outbox.changed(...results.flatMap((result) => (result instanceof UploadError ? [] : [result.record])));
  return results;
}

async function endIsReadable(id: string, sizeBytes: number, { store, clock }: IntakeTools): Promise<boolean> {
  if (sizeBytes === 0) return true;
  const limit = new AbortController();
  const late = clock.sleep(READ_LIMIT_MS, limit.signal).then(
    () => false,
    () => false,
  );
  try {
    const bytes = await store.bytes(id);
    if (bytes === undefined || bytes.size !== sizeBytes) return false;
    const read = bytes
      .slice(sizeBytes - 1)
      .arrayBuffer()
      .then(
        (buffer) => buffer.byteLength === 1,
        () => false,
      );
    return await Promise.race([read, late]);
  } finally {
    limit.abort();
  }
}

/** A refused transaction does not say which way its file is bad; the file itself does. */
async function blame(upload: NewUpload, cause: unknown): Promise<UploadError> {
  if (cause instanceof UploadError && cause.code === 'quota-exceeded') {
    return new UploadError(
      'quota-exceeded',
      `There is no room on this device for "${upload.name}" (${upload.sizeBytes} bytes). Free some space, then add it again.`,
      { cause },
    );
  }
  try {
    if (upload.bytes instanceof Blob) await upload.bytes.slice(Math.max(0, upload.sizeBytes - 1)).arrayBuffer();
  } catch (reading) {
    return unreadable(upload.name, reading);
  }
  return cause instanceof UploadError ? cause : new UploadError('storage-failed', toWire(cause).message, { cause });
}

/** What a failed read means: NotFoundError, NotReadableError ... are the same in every browser. */
function unreadable(name: string, cause: unknown): UploadError {
  const reason = cause instanceof Error ? cause.name : '';
  if (reason === 'NotFoundError') {
    return new UploadError(
      'file-missing',
      `"${name}" is not there any more: it was moved or deleted before it was stored. Choose it again.`,
      { cause },
    );
  }
  if (reason === 'NotReadableError') return changed(name, cause);
  return new UploadError(
    'file-unreadable',
    `"${name}" could not be read (${reason || 'unknown reason'}). Check that this browser may open it.`,
    { cause },
  );
}

function changed(name: string, cause?: unknown): UploadError {
  return new UploadError('file-changed', `"${name}" changed while it was being stored. Choose it again.`, { cause });
}
