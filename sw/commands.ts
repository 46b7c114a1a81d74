// What a page may ask for. Everything that arrives is `unknown` until it was parsed here; a stranger's message is
// ignored in silence, a relative's of another version is told so.

import { UploadError } from '../src/contracts/errors.js';
import {
  type Command,
  type Control,
  type EnqueueItem,
  openEnvelope,
  type ReplyOf,
  WIRE_VERSION,
} from '../src/contracts/messages.js';
import { type Check, fits, isSize, oneOf } from '../src/contracts/shape.js';
import { priorities } from '../src/contracts/upload.js';
import { acceptFiles, type IntakeTools } from './intake.js';
import { hastened, type Scheduler } from './scheduler.js';
import { idsOf } from './store/upload-store.js';

/** The page sends at most 500 files at once; more in one transaction would cost memory, not save time. */
const MOST_ITEMS = 1000;
const MOST_LISTED = 1000;
/** Names and metadata travel in a header; servers allow 8 KiB to 16 KiB for all of them. */
const METADATA_CHARACTERS = 4096;
export const NAME_CHARACTERS = 1024;

export interface CommandTools extends IntakeTools {
  readonly scheduler: Scheduler;
}

/** The command in `data`; undefined if it is not Backhaul's. Throws `version-mismatch` or `invalid-message`. */
export function parseCommand(data: unknown): Command | undefined {
  const envelope = openEnvelope(data);
  if (!envelope) return undefined;
  if (envelope.wire !== WIRE_VERSION) {
    throw new UploadError(
      'version-mismatch',
      `Wire version ${envelope.wire} of the page, ${WIRE_VERSION} of the worker`,
    );
  }
  const { body } = envelope;
  if (!isCommand(body)) throw new UploadError('invalid-message', 'The command');
  return body;
}

/** Carries out a command; the value is its reply. */
export async function execute(command: Command, tools: CommandTools): Promise<ReplyOf[Command['type']]> {
  const { store, outbox, scheduler } = tools;
  switch (command.type) {
    case 'enqueue': {
      const outcomes = await scheduler.after(acceptFiles(command, tools));
      void scheduler.wake('command');
      return { outcomes };
    }
    case 'list': {
      const records = await store.list(command.afterOrder, MOST_LISTED);
      const snapshots = records.map(outbox.snapshotOf);
      return { snapshots, more: records.length === MOST_LISTED, bornAtMs: store.bornAtMs };
    }
    case 'control': {
      const { control, ids } = command;
      return { refused: ids === 'all' ? await applyToAll(control, tools) : await apply(control, ids, tools) };
    }
    case 'clear': {
      const gone = await store.clear(command.endpoint);
      outbox.removed(gone);
      await scheduler.stop(gone);
      return {};
    }
    case 'wake':
      return { working: await scheduler.wake(command.reason) };
    default:
      return command satisfies never;
  }
}

/** Names none that it does not apply to: pausing what has completed meanwhile is no mistake, only too late. */
async function applyToAll(control: Control, tools: CommandTools): Promise<readonly string[]> {
  for await (const page of tools.store.pages()) await apply(control, idsOf(page), tools);
  return [];
}

const eventTypes = { pause: 'paused', resume: 'resumed', cancel: 'cancelled', retry: 'retried' } as const;

/** Answers with those that it does not apply to. */
async function apply(
  control: Control,
  ids: readonly string[],
  { store, outbox, scheduler, clock }: CommandTools,
): Promise<readonly string[]> {
  let changed: readonly string[];
  if (control === 'remove') {
    const removed = await store.remove(ids);
    outbox.removed(removed);
    changed = removed;
  } else {
    const records = await store.applyAll(ids, { type: eventTypes[control], atMs: clock.now() });
    outbox.changed(...records);
    changed = idsOf(records);
    if (control === 'pause' || control === 'cancel') await scheduler.stop(changed);
    else scheduler.forgive();
    void scheduler.wake('command');
  }
  const done = new Set(changed);
  return ids.filter((id) => !done.has(id));
}

const isText = (most: number) => (value: unknown) => typeof value === 'string' && value.length <= most;
const isName = isText(NAME_CHARACTERS);
const isList = (check: (value: unknown) => boolean) => (value: unknown) =>
  Array.isArray(value) && value.length <= MOST_ITEMS && value.every(check);

const itemShape: Readonly<Record<keyof EnqueueItem, Check>> = {
  file: () => true,
  name: isName,
  type: isName,
  sizeBytes: isSize,
  lastModifiedMs: Number.isFinite,
  fingerprint: isText(2 * NAME_CHARACTERS),
};

function isMetadata(value: unknown): boolean {
  return (
    fits(value, {}) &&
    !Array.isArray(value) &&
    Object.values(value).every((text) => typeof text === 'string') &&
    JSON.stringify(value).length <= METADATA_CHARACTERS
  );
}

/** What each command must carry. */
const shapes: { readonly [Type in Command['type']]: Readonly<Record<string, Check>> } = {
  enqueue: {
    endpoint: isName,
    metadata: isMetadata,
    priority: oneOf(priorities),
    items: isList((item) => fits(item, itemShape)),
  },
  list: { afterOrder: Number.isFinite },
  control: {
    control: oneOf([...Object.keys(eventTypes), 'remove']),
    ids: (ids) => ids === 'all' || isList(isName)(ids),
  },
  clear: { endpoint: isName },
  wake: {
    reason: oneOf([...Object.keys(hastened), 'heartbeat', 'command'] satisfies string[]),
  },
};

function isCommand(body: unknown): body is Command {
  if (!fits(body, { type: oneOf(Object.keys(shapes)) })) return false;
  return fits(body, shapes[body['type'] as Command['type']]);
}
