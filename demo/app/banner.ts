// Decides what the banner says, out of everything that could be said. Pure: time and network state are parameters.
import type { BackhaulSnapshot, UploadError, UploadSnapshot } from '../../src/index.js';
import { counted, type Facts } from './facts.js';
import { formatDuration } from './format.js';
import { isPolicy } from './sentences.js';

export type BannerAction = 'reload' | 'resume';

export interface Banner {
  readonly kind: 'in-page' | 'offline' | 'reconnecting' | 'auth' | 'server' | 'update' | 'broken';
  readonly text: string;
  /** Ticks every second; shown, not read out. */
  readonly countdown?: string;
  readonly action?: { readonly type: BannerAction; readonly label: string };
}

export interface Circumstances {
  readonly snapshot: Pick<BackhaulSnapshot, 'uploads' | 'error'> & Partial<Pick<BackhaulSnapshot, 'host'>>;
  readonly facts: Facts;
  readonly online: boolean;
  readonly nowMs: number;
  /** A newer worker took over while this page was open. */
  readonly updateReady: boolean;
  /** Shown until now: a retry that is under way should not make the banner blink. */
  readonly previous?: Banner['kind'] | undefined;
}

type Waiting = Extract<UploadSnapshot, { status: 'waiting' }>;

/** The most pressing thing to say, or undefined when all is fine. */
export function chooseBanner(now: Circumstances): Banner | undefined {
  const { snapshot, facts, online } = now;
  if (snapshot.error) return broken(snapshot.error);
  const waiting = snapshot.uploads.filter((upload): upload is Waiting => upload.status === 'waiting');
  const safe = facts.pending > 0 ? `${counted(facts.pending, facts.medium)} ${facts.pending === 1 ? 'is' : 'are'}` : '';
  const goOn = facts.pending === 1 ? 'goes on' : 'go on';

  if (!online || (waiting.length > 0 && waiting.every(({ reason }) => reason === 'offline'))) {
    const text = safe
      ? `You are offline. ${safe} safe on this device and ${goOn} when the network is back.`
      : 'You are offline. Photos that you add are kept on this device until the network is back.';
    return { kind: 'offline', text };
  }
  if (waiting.some(({ reason }) => reason === 'auth')) {
    const text = `The server asks you to sign in. ${safe} safe on this device and ${goOn} after that.`;
    return { kind: 'auth', text, action: { type: 'resume', label: 'Try again' } };
  }
  const inPage: Banner = {
    kind: 'in-page',
    text: `Here, photos are sent only while a window of this app is open. ${safe} safe on this device.`,
  };
  return (
    reconnecting(now, waiting) ??
    (now.updateReady ? update : undefined) ??
    (snapshot.host === 'page' && safe ? inPage : undefined)
  );
}

const update: Banner = {
  kind: 'update',
  text: 'A new version is ready.',
  action: { type: 'reload', label: 'Reload to update' },
};

/** Only while nothing gets through: one photo that waits among others that move is the tile's business. */
function reconnecting(now: Circumstances, waiting: readonly Waiting[]): Banner | undefined {
  const { uploads } = now.snapshot;
  if (uploads.some(({ status }) => status === 'uploading' || status === 'completing')) return undefined;
  const next = waiting
    .filter(({ reason }) => reason !== 'offline' && !isPolicy(reason))
    .sort((a, b) => (a.untilMs ?? Number.POSITIVE_INFINITY) - (b.untilMs ?? Number.POSITIVE_INFINITY))[0];
  if (!next) {
    const asking = uploads.some(({ status }) => status === 'preparing');
    return asking && now.previous === 'reconnecting'
      ? { kind: 'reconnecting', text: 'The server did not answer.', countdown: 'Trying again now…' }
      : undefined;
  }
  const kind = next.reason === 'server' ? 'server' : 'reconnecting';
  const text = reasonText(next);
  if (next.untilMs === undefined) return { kind, text };
  const leftMs = next.untilMs - now.nowMs;
  return { kind, text, countdown: leftMs > 0 ? `Trying again in ${formatDuration(leftMs)}.` : 'Trying again now…' };
}

function reasonText({ reason, error }: Waiting): string {
  if (reason === 'server') return 'The server asked for some time.';
  if (reason === 'locked') return 'The server is still busy with an earlier request.';
  switch (error?.code) {
    case 'server-error':
    case 'unexpected-answer':
      return 'The server has a problem.';
    case 'rate-limited':
      return 'The server asked for some time.';
    default:
      return 'The server does not answer.';
  }
}

function broken(error: Pick<UploadError, 'code' | 'message'>): Banner {
  if (error.code === 'version-mismatch') {
    const text = 'Another version of this app is running. Your photos stay safe on this device.';
    return { kind: 'update', text, action: { type: 'reload', label: 'Reload to update' } };
  }
  if (error.code === 'no-service-worker') {
    return { kind: 'broken', text: 'This browser window cannot keep photos safe: it allows no service workers here.' };
  }
  return { kind: 'broken', text: error.message, action: { type: 'reload', label: 'Reload' } };
}
