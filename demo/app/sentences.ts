// The honest words: what the page says about all photos and about one. Never more than is known. Pure.
import type { UploadSnapshot, UploadTotals, WaitReason } from '../../src/index.js';
import { type Batch, counted, type Facts, type Medium } from './facts.js';
import { formatBytes, formatDuration, formatSpeed, percentOf } from './format.js';

/** Files that were handed to `enqueue` and are not yet durable. */
export interface Storing {
  readonly count: number;
  readonly medium: Medium;
}

/** The one sentence at the top. Delivered photos are no longer counted as on the device: their bytes were freed. */
export function statusSentence(facts: Facts, storing: Storing): string {
  if (storing.count > 0) return `Storing ${counted(storing.count, storing.medium)} on this device… keep this page open`;
  const { safe, delivered, unreadable, lost, medium } = facts;
  const more = delivered > 0 ? `, ${delivered.toLocaleString('en')} more ${isOrAre(delivered)} delivered` : '';
  if (safe > 0) return `${counted(safe, medium)} ${isOrAre(safe)} safe on this device${more}`;
  const gone = lost + unreadable;
  if (gone > 0) return `${counted(gone, medium)} ${gone === 1 ? 'needs' : 'need'} to be added again${more}`;
  return delivered > 0 ? 'Everything is delivered' : 'No photos are waiting on this device';
}

/** What only the reader can help with; empty when there is nothing. */
export function attentionWords(facts: Facts): string {
  const refused = facts.failed - facts.unreadable;
  const gone = facts.lost + facts.unreadable;
  const words: string[] = [];
  if (refused > 0) words.push(`${counted(refused, facts.medium)} could not be delivered`);
  if (gone > 0 && facts.safe > 0) words.push(`${counted(gone, facts.medium)} ${isOrAre(gone)} gone from this device`);
  return words.join(' · ');
}

/** The line under the bar: how far, how fast, how long. Empty when there is nothing to say. */
export function totalWords(
  batch: Batch,
  speed: Pick<UploadTotals, 'bytesPerSecond' | 'remainingMs'>,
  facts: Facts,
): string {
  if (facts.pending === 0 && facts.paused === 0) return '';
  const words = [`${formatBytes(batch.acknowledgedBytes)} of ${formatBytes(batch.sizeBytes)} delivered`];
  if (facts.pending === 0) words.push('paused');
  else if (speed.bytesPerSecond > 0) words.push(formatSpeed(speed.bytesPerSecond));
  if (facts.pending > 0 && speed.remainingMs !== undefined) words.push(`${formatDuration(speed.remainingMs)} left`);
  return words.join(' · ');
}

/** What became of a share, as the worker's redirect tells it. */
export interface Shared {
  readonly accepted: number;
  readonly refused: number;
  /** Why the first was refused, or why nothing could be read. */
  readonly code: string | undefined;
}

/** What the app says when it opens from a share sheet. */
export function sharedWords({ accepted, refused, code }: Shared, medium: Medium): string {
  const words: string[] = [];
  if (accepted > 0) words.push(`${counted(accepted, medium)} shared, safe on this device.`);
  const reason =
    code === 'quota-exceeded' ? 'there is no room for so much at once' : 'it could not be read. Share it again';
  if (refused > 0) words.push(`${counted(refused, 'file')} ${refused === 1 ? 'was' : 'were'} not added: ${reason}.`);
  if (accepted + refused > 0) return words.join(' ');
  return code === undefined ? 'Only photos and videos can be shared here.' : `Nothing was added: ${reason}.`;
}

/** The state of one photo in a few words. */
export function tileWords(upload: UploadSnapshot): string {
  switch (upload.status) {
    case 'queued':
      return 'Safe, waits its turn';
    case 'preparing':
      return 'Asking the server…';
    case 'uploading': {
      const percent = `${percentOf(upload.acknowledgedBytes, upload.sizeBytes)} %`;
      return upload.remainingMs === undefined ? percent : `${percent} · ${formatDuration(upload.remainingMs)} left`;
    }
    case 'waiting':
      return waitingWords[upload.reason];
    case 'paused':
      return `Paused at ${percentOf(upload.acknowledgedBytes, upload.sizeBytes)} %`;
    case 'completing':
      return 'Finishing…';
    case 'completed':
      return 'Delivered';
    case 'cancelled':
      return 'Cancelled';
    case 'failed':
    case 'lost':
      return errorWords(upload.error);
    default:
      return upload satisfies never;
  }
}

type Reason = Pick<Extract<UploadSnapshot, { status: 'failed' }>['error'], 'code' | 'message' | 'httpStatus'>;

const waitingWords = {
  offline: 'Safe, waits for the network',
  backoff: 'Safe, tries again soon',
  server: 'Safe, the server is busy',
  auth: 'Safe, sign-in needed',
  metered: 'Safe, waits for Wi-Fi',
  battery: 'Safe, waits for the charger',
  'quiet-hours': 'Safe, waits until the quiet hours are over',
  locked: 'Safe, the server is busy with it',
  browser: 'The browser sends it',
} as const;

/** What waits because its user wants it so can be sent all the same. */
export function isPolicy(reason: WaitReason): boolean {
  return reason === 'metered' || reason === 'battery' || reason === 'quiet-hours';
}

/** One error for people: what happened and what helps. The library's own message where no better words are known. */
export function errorWords(error: Reason): string {
  const status = error.httpStatus === undefined ? '' : ` (${error.httpStatus})`;
  switch (error.code) {
    case 'refused':
      return `The server refused it${status}. It is kept here.`;
    case 'too-large':
      return 'Too large for the server. It is kept here.';
    case 'bytes-lost':
      return 'The browser removed it to free space. Add it again.';
    case 'file-missing':
    case 'file-changed':
      return 'The file was changed or moved. Add it again.';
    case 'file-unreadable':
      return 'The file cannot be read. Add it again.';
    case 'quota-exceeded':
      // "<name>" needs 5 MB, 3 MB free. ...: the name stands beside it. Greedy, since a name may hold quotes.
      return /^".*" (needs .*)$/s.exec(error.message)?.[1]?.replace('needs', 'Needs') ?? error.message;
    default:
      return error.message;
  }
}

function isOrAre(count: number): string {
  return count === 1 ? 'is' : 'are';
}
