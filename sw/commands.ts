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
  readonly endpoints: readonly string[];
}

/** The command in `data`; undefined if it is not Backhaul's. Throws `version-mismatch` or `invalid-message`. */
export function parseCommand(data: unknown): Command | undefined {
  const envelope = openEnvelope(data);
  if (envelope === undefined) return undefined;
  if (envelope.wire !== WIRE_VERSION) {
    throw new UploadError(
      'version-mismatch',
      `This page speaks version ${envelope.wire} of Backhaul's messages, its service worker version ${WIRE_VERSION}. Reload the page.`,
    );
  }
  const { body } = envelope;
  if (!isCommand(body))
    throw new UploadError(
      'invalid-message',
      'The service worker got a message that it cannot read. Send commands through the Backhaul class only.',
    );
  return body;
}

/** Carries out a command; the value is its reply. */
export async function execute(command: Command, tools: CommandTools): Promise<ReplyOf[Command['type']]> {
  const { store, outbox, scheduler } = tools;
  switch (command.type) {
    case 'hello':
      return { endpoints: tools.endpoints };
    case 'enqueue': {
      const outcomes = await acceptFiles(command, tools);
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
      ? new UploadError('unknown-upload', `There is no upload ${id} on this device.`, { uploadId: id })
      : new UploadError(
          'invalid-transition',
          `Cannot ${control} "${record.name}": it is ${record.course.state.status}.`,
          { uploadId: id },
        );
  return toWire(error);
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;
const isText = (value: unknown, most: number): value is string => typeof value === 'string' && value.length <= most;

function isItem(value: unknown): value is EnqueueItem {
  return (
    isObject(value) &&
    isText(value['name'], NAME_CHARACTERS) &&
    isText(value['type'], NAME_CHARACTERS) &&
    isSize(value['sizeBytes']) &&
    Number.isFinite(value['lastModifiedMs']) &&
    isText(value['fingerprint'], 2 * NAME_CHARACTERS)
  );
}

function isMetadata(value: unknown): boolean {
  if (!isObject(value) || !Object.values(value).every((text) => typeof text === 'string')) return false;
  return JSON.stringify(value).length <= METADATA_CHARACTERS;
}

const controls: readonly unknown[] = ['pause', 'resume', 'cancel', 'retry', 'remove'] satisfies Control[];
const wakeReasons: readonly unknown[] = [
  'online',
  'visible',
  'start',
  'heartbeat',
  'command',
  'sync',
  'timer',
] satisfies WakeReason[];

function isCommand(body: unknown): body is Command {
  if (!isObject(body)) return false;
  switch (body['type'] as Command['type'] | undefined) {
    case 'hello':
      return true;
    case 'enqueue': {
      const { endpoint, metadata, priority, items } = body;
      return (
        isText(endpoint, NAME_CHARACTERS) &&
        isMetadata(metadata) &&
        (priorities as readonly unknown[]).includes(priority) &&
        Array.isArray(items) &&
        items.length <= MOST_ITEMS &&
        items.every(isItem)
      );
    }
    case 'list':
      return typeof body['afterOrder'] === 'number' && isSize(body['limit']) && body['limit'] > 0;
    case 'control': {
      const { control, ids } = body;
      return (
        controls.includes(control) &&
        (ids === 'all' || (Array.isArray(ids) && ids.every((id) => isText(id, NAME_CHARACTERS))))
      );
    }
    case 'wake':
      return wakeReasons.includes(body['reason']);
    default:
      return false;
  }
}
