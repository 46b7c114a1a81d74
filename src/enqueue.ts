// From a list of files to commands: checks options, says what makes two files the same, cuts the list so that the
// page's main thread never blocks, and puts the outcomes back in order.

import { fromWire, UploadError } from './contracts/errors.js';
import type { Command, EnqueueItem, EnqueueOutcome } from './contracts/messages.js';
import { type Priority, priorities } from './contracts/upload.js';
import type { Upload } from './upload.js';

export interface EnqueueOptions {
  /** A name from the worker's `installBackhaul({ endpoints })`. */
  readonly endpoint: string;
  /** Goes to the server as the protocol can carry it; at most 4096 characters as JSON. Default none. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Default `'normal'`. */
  readonly priority?: Priority;
  /**
   * What makes two files the same upload (per endpoint). Default: `name-size-lastModified` for a File. A Blob without a
   * name is always a new one.
   */
  readonly fingerprint?: (file: Blob) => string;
}

/** Some of the files were refused. The others are `accepted`, and durable. `code` and `message` are the first refusal's. */
export class EnqueueError extends UploadError {
  readonly accepted: readonly Upload[];
  readonly rejected: readonly { readonly file: Blob; readonly error: UploadError }[];

  constructor(accepted: readonly Upload[], rejected: readonly { readonly file: Blob; readonly error: UploadError }[]) {
    const first = rejected[0]?.error;
    const more = rejected.length > 1 ? ` (and ${rejected.length - 1} more)` : '';
    super(first?.code ?? 'not-a-file', `${first?.message ?? ''}${more}`, { cause: first });
    this.accepted = accepted;
    this.rejected = rejected;
  }
}

/** So many Files cross postMessage in under 10 ms, and make one transaction. */
const BATCH_FILES = 250;
/** One transaction that fails should not have copied too much. */
const BATCH_BYTES = 1_000_000_000;
/** One batch is stored while the next one is on its way. */
const BATCHES_AT_ONCE = 2;
const METADATA_CHARACTERS = 4096;

/** Throws `invalid-option` for what the worker would not understand. */
export function checkOptions({ endpoint, metadata = {}, priority = 'normal' }: EnqueueOptions): void {
  const bad = (what: string) => new UploadError('invalid-option', `enqueue: ${what}.`);
  if (typeof endpoint !== 'string') throw bad("`endpoint` must be the name of one of the worker's endpoints");
  if (!priorities.includes(priority)) throw bad(`\`priority\` must be one of ${priorities.join(', ')}`);
  if (
    typeof metadata !== 'object' ||
    metadata === null ||
    !Object.values(metadata).every((value) => typeof value === 'string')
  ) {
    throw bad('`metadata` must be an object whose values are strings');
  }
  if (JSON.stringify(metadata).length > METADATA_CHARACTERS)
    throw bad(`\`metadata\` must fit into ${METADATA_CHARACTERS} characters as JSON`);
}

/** One outcome for each file, in their order. `send` may be called for two batches at once. */
export async function sendFiles(
  files: readonly unknown[],
  options: EnqueueOptions,
  send: (command: Extract<Command, { type: 'enqueue' }>) => Promise<readonly EnqueueOutcome[]>,
): Promise<readonly EnqueueOutcome[]> {
  const { endpoint, metadata = {}, priority = 'normal', fingerprint = defaultFingerprint } = options;
  const outcomes: EnqueueOutcome[] = new Array(files.length);
  const batches = cut(files);
  const next = async (): Promise<void> => {
    for (let batch = batches.next(); batch.done !== true; batch = batches.next()) {
      const items: EnqueueItem[] = [];
      const places: number[] = [];
      for (const place of batch.value) {
        const file = files[place];
        if (file instanceof Blob) {
          items.push(itemOf(file, fingerprint));
          places.push(place);
        } else outcomes[place] = { type: 'rejected', error: notAFile(place) };
      }
      if (items.length > 0) {
        const replied = await send({ type: 'enqueue', endpoint, metadata, priority, items });
        for (const [index, place] of places.entries()) {
          const outcome = replied[index];
          if (outcome !== undefined) outcomes[place] = outcome;
        }
      }
      await aBreath();
    }
  };
  // A failure of the whole call (unknown endpoint, no worker) ends it; what was stored before stays stored.
  await Promise.all(Array.from({ length: BATCHES_AT_ONCE }, next));
  return outcomes;
}

/** Places of the files that go together. */
function* cut(files: readonly unknown[]): Generator<readonly number[], undefined> {
  let batch: number[] = [];
  let bytes = 0;
  for (const [place, file] of files.entries()) {
    const size = file instanceof Blob ? file.size : 0;
    if (batch.length >= BATCH_FILES || (batch.length > 0 && bytes + size > BATCH_BYTES)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(place);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
  return undefined;
}

function itemOf(file: Blob, fingerprint: (file: Blob) => string): EnqueueItem {
  const isFile = file instanceof File;
  return {
    file,
    name: isFile ? file.name : `blob-${crypto.randomUUID()}`,
    type: file.type,
    sizeBytes: file.size,
    lastModifiedMs: isFile ? file.lastModified : Date.now(),
    fingerprint: fingerprint(file),
  };
}

function defaultFingerprint(file: Blob): string {
  return file instanceof File ? `${file.name}-${file.size}-${file.lastModified}` : crypto.randomUUID();
}

function notAFile(place: number) {
  return {
    code: 'not-a-file',
    message: `Item ${place} of enqueue is not a File or Blob. Pass what an <input type="file">, a drop or a paste gives.`,
  } as const;
}

/** Lets the page paint and answer between batches. */
function aBreath(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

/** Sorts outcomes into handles and refusals; throws {@link EnqueueError} if there are any of the latter. */
export function collect(
  files: readonly unknown[],
  outcomes: readonly EnqueueOutcome[],
  handle: (outcome: Extract<EnqueueOutcome, { type: 'accepted' }>) => Upload,
): Upload[] {
  const accepted: Upload[] = [];
  const rejected: { file: Blob; error: UploadError }[] = [];
  for (const [place, outcome] of outcomes.entries()) {
    if (outcome.type === 'accepted') accepted.push(handle(outcome));
    else rejected.push({ file: files[place] as Blob, error: fromWire(outcome.error) });
  }
  if (rejected.length > 0) throw new EnqueueError(accepted, rejected);
  return accepted;
}
