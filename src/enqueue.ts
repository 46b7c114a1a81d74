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

/** What goes into one message, and one transaction. More would cost memory; 100 or 250 took 1.3 to 1.5 times as long. */
const BATCH_FILES = 500;
const BATCH_BYTES = 1_000_000_000;
/** One batch is stored while the next one is on its way. */
const BATCHES_AT_ONCE = 2;
/** The page may paint and answer between two slices of work. */
const SLICE_MS = 8;
const METADATA_CHARACTERS = 4096;
/** What the worker takes; longer than any file system allows. */
const NAME_CHARACTERS = 1024;

/** Throws `invalid-option` for what the worker would not understand. */
export function checkOptions({ endpoint, metadata = {}, priority = 'normal' }: EnqueueOptions): void {
  const bad = (what: string) => new UploadError('invalid-option', `enqueue: ${what}.`);
  if (typeof endpoint !== 'string') throw bad("`endpoint` must be the name of one of the worker's endpoints");
  if (!priorities.includes(priority)) throw bad(`\`priority\` must be one of ${priorities.join(', ')}`);
  if (
    typeof metadata !== 'object' ||
    metadata === null ||
    Array.isArray(metadata) ||
    !Object.values(metadata).every((value) => typeof value === 'string')
  ) {
    throw bad('`metadata` must be an object whose values are strings');
  }
  if (JSON.stringify(metadata).length > METADATA_CHARACTERS)
    throw bad(`\`metadata\` must fit into ${METADATA_CHARACTERS} characters as JSON`);
}

type Enqueue = Extract<Command, { type: 'enqueue' }>;

/** One outcome for each file, in their order. `send` is called for several batches at once. */
export async function sendFiles(
  files: readonly unknown[],
  options: EnqueueOptions,
  send: (command: Enqueue) => Promise<readonly EnqueueOutcome[]>,
): Promise<readonly EnqueueOutcome[]> {
  const { endpoint, metadata = {}, priority = 'normal', fingerprint } = options;
  const outcomes: EnqueueOutcome[] = files.map(neverSent);
  await touch(files);
  let next = 0;
  const sendSome = async (): Promise<void> => {
    while (next < files.length) {
      await aBreath();
      const { items, places, end } = fill(files, next, fingerprint);
      next = end;
      const replied = items.length === 0 ? [] : await send({ type: 'enqueue', endpoint, metadata, priority, items });
      for (const [index, outcome] of replied.entries()) outcomes[places[index] ?? 0] = outcome;
    }
  };
  try {
    await Promise.all(Array.from({ length: BATCHES_AT_ONCE }, sendSome));
  } finally {
    // A failure of the whole call (unknown endpoint, no worker) ends it; what was stored before stays stored.
    next = files.length;
  }
  return outcomes;
}

/**
 * Reads the size of every file once. The first read of a picked File is a synchronous question to Chromium's browser
 * process: 0.1 ms while that is idle, five times as long once it is storing.
 */
async function touch(files: readonly unknown[]): Promise<void> {
  let untilMs = performance.now() + SLICE_MS;
  for (const file of files) {
    if (file instanceof Blob) void file.size;
    if (performance.now() < untilMs) continue;
    await aBreath();
    untilMs = performance.now() + SLICE_MS;
  }
}

/** The next batch. `places`: where its items stand in `files`. */
function fill(files: readonly unknown[], from: number, fingerprint: EnqueueOptions['fingerprint']) {
  const items: EnqueueItem[] = [];
  const places: number[] = [];
  let end = from;
  let bytes = 0;
  while (end < files.length && items.length < BATCH_FILES && bytes < BATCH_BYTES) {
    const file = files[end];
    if (file instanceof Blob) {
      const item = itemOf(file, fingerprint);
      if (item.name.length <= NAME_CHARACTERS && item.fingerprint.length <= 2 * NAME_CHARACTERS) {
        items.push(item);
        places.push(end);
        bytes += item.sizeBytes;
      }
    }
    end += 1;
  }
  return { items, places, end };
}

function itemOf(file: Blob, fingerprint: EnqueueOptions['fingerprint']): EnqueueItem {
  const { type, size: sizeBytes } = file;
  if (!(file instanceof File)) {
    const unique = crypto.randomUUID();
    const name = `blob-${unique}`;
    return { file, name, type, sizeBytes, lastModifiedMs: Date.now(), fingerprint: fingerprint?.(file) ?? unique };
  }
  const { name, lastModified } = file;
  const same = fingerprint?.(file) ?? `${name}-${sizeBytes}-${lastModified}`;
  return { file, name, type, sizeBytes, lastModifiedMs: lastModified, fingerprint: same };
}

/** What is said of whatever was never sent. */
function neverSent(file: unknown, place: number): EnqueueOutcome {
  const [code, what] =
    file instanceof Blob
      ? (['invalid-option', 'has a name or fingerprint that is too long'] as const)
      : (['not-a-file', 'is not a File or Blob'] as const);
  return { type: 'rejected', error: { code, message: `Item ${place} of enqueue ${what}.` } };
}

/** Lets the page paint and answer: each batch is a task of its own. */
function aBreath(): Promise<void> {
  // A message, since nested timers take 4 ms at least.
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(0);
  });
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
