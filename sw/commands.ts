// What a page may ask for. Everything that arrives is `unknown` until it was parsed here; a stranger's message is
// ignored in silence, a relative's of another version is told so.

import { toWire, UploadError, type WireError } from '../src/contracts/errors.js';
import {
  type Command,
  type Control,
  type EnqueueItem,
  openEnvelope,
  type ReplyOf,
  type WakeReason,
  WIRE_VERSION,
} from '../src/contracts/messages.js';
import { priorities } from '../src/contracts/upload.js';
import type { CourseEvent } from './core/machine.js';
import { type Check, fits, isSize, oneOf } from './core/shape.js';
import { acceptFiles, type IntakeTools } from './intake.js';
import type { Scheduler } from './scheduler.js';

/** The page sends at most 500 at once; more in one transaction would cost memory, not save time. */
const MOST_ITEMS = 1000;
const MOST_LISTED = 1000;
/** Names and metadata travel in a header; servers allow 8 KiB to 16 KiB for all of them. */
const METADATA_CHARACTERS = 4096;
const NAME_CHARACTERS = 1024;

export interface CommandTools extends IntakeTools {
  readonly scheduler: Scheduler;
}

/** The command in `data`; undefined if it is not Backhaul's. Throws `version-mismatch` or `invalid-message`. */
export function parseCommand(data: unknown): Command | undefined {
  const envelope = openEnvelope(data);
  if (envelope === undefined) return undefined;
  if (envelope.wire !== WIRE_VERSION) {
    throw new UploadError(
      'version-mismatch',
      `This page speaks wire version ${envelope.wire}, its service worker ${WIRE_VERSION}. Reload the page.`,
    );
  }
  const { body } = envelope;
  if (!isCommand(body)) throw new UploadError('invalid-message', 'Not a command of the Backhaul class.');
  return body;
}

/** Carries out a command; the value is its reply. */
export async function execute(command: Command, tools: CommandTools): Promise<ReplyOf[Command['type']]> {
  const { store, outbox, scheduler } = tools;
  switch (command.type) {
    case 'hello':
      return {};
    case 'enqueue': {
      const outcomes = await scheduler.after(acceptFiles(command, tools));
      void scheduler.wake('command').catch(() => {});
      return { outcomes };
    }
    case 'list': {
      const limit = Math.min(command.limit, MOST_LISTED);
      const records = await store.list(command.afterOrder, limit);
      return { snapshots: records.map((record) => outbox.snapshot(record)), more: records.length === limit };
    }
    case 'control':
      return { errors: await control(command.control, command.ids, tools) };
    case 'wake':
      return { working: await scheduler.wake(command.reason) };
    default:
      return command satisfies never;
  }
}

async function control(
  control: Control,
  ids: readonly string[] | 'all',
  tools: CommandTools,
): Promise<readonly WireError[]> {
  if (ids !== 'all') return apply(control, ids, tools, true);
  let afterOrder = -1;
  for (;;) {
    const page = await tools.store.list(afterOrder, MOST_LISTED);
    const last = page.at(-1);
    if (last === undefined) return [];
    await apply(
      control,
      page.map(({ id }) => id),
      tools,
      false,
    );
    afterOrder = last.order;
  }
}

/** `strict`: name those that it does not apply to. Pausing what has completed meanwhile is no mistake, only too late. */
async function apply(
  control: Control,
  ids: readonly string[],
  tools: CommandTools,
  strict: boolean,
): Promise<readonly WireError[]> {
  const { store, outbox, scheduler, clock } = tools;
  let changed: readonly string[];
  if (control === 'remove') {
    const removed = await store.remove(ids);
    outbox.removed(removed);
    changed = removed;
  } else {
    const records = await store.applyAll(ids, eventOf(control, clock.now()));
    outbox.changed(...records);
    changed = records.map(({ id }) => id);
    if (control === 'pause' || control === 'cancel') await scheduler.stop(changed);
    else scheduler.forgive();
    void scheduler.wake('command').catch(() => {});
  }
  if (!strict) return [];
  const done = new Set<string>(changed);
  const rest = ids.filter((id) => !done.has(id));
  return Promise.all(rest.map((id) => refused(control, id, tools)));
}

function eventOf(control: Exclude<Control, 'remove'>, atMs: number): CourseEvent {
  switch (control) {
    case 'pause':
      return { type: 'paused' };
    case 'resume':
      return { type: 'resumed' };
    case 'cancel':
      return { type: 'cancelled', atMs };
    case 'retry':
      return { type: 'retried' };
    default:
      return control satisfies never;
  }
}

async function refused(control: Control, id: string, { store }: CommandTools): Promise<WireError> {
  const record = await store.get(id);
  const error =
    record === undefined
      ? new UploadError('unknown-upload', `No upload ${id} on this device.`, { uploadId: id })
      : new UploadError(
          'invalid-transition',
          `Cannot ${control} "${record.name}": it is ${record.course.state.status}.`,
          { uploadId: id },
        );
  return toWire(error);
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
  hello: {},
  enqueue: {
    endpoint: isName,
    metadata: isMetadata,
    priority: oneOf(priorities),
    items: isList((item) => fits(item, itemShape)),
  },
  list: { afterOrder: Number.isFinite, limit: (limit) => Number.isSafeInteger(limit) && Number(limit) > 0 },
  control: {
    control: oneOf(['pause', 'resume', 'cancel', 'retry', 'remove'] satisfies Control[]),
    ids: (ids) => ids === 'all' || isList(isName)(ids),
  },
  wake: {
    reason: oneOf(['online', 'visible', 'start', 'heartbeat', 'command', 'sync', 'timer'] satisfies WakeReason[]),
  },
};

function isCommand(body: unknown): body is Command {
  if (!fits(body, { type: oneOf(Object.keys(shapes)) })) return false;
  return fits(body, shapes[body['type'] as Command['type']]);
}
