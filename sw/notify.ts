// Tells the user what no page is there to show: that the last upload is done, or that it takes a sign-in to go on. One
// notification, which the next one replaces. The words are the app's; nothing of an upload decides what a click opens.

import type { UploadSnapshot } from '../src/contracts/upload.js';
import { everyUpload, follow, type Listing, type Situation } from './follow.js';
import { type InstalledBackhaul, opened } from './install.js';

declare const self: ServiceWorkerGlobalScope;

/** What the browser's `showNotification()` takes, with the title. `tag` is Backhaul's own. */
export interface NotificationText extends Omit<NotificationOptions, 'tag' | 'data'> {
  readonly title: string;
}

export interface FinishedBatch {
  /** Since the queue was last empty. */
  readonly delivered: number;
  /** Failed for good, or lost, and not yet removed: they need the user. */
  readonly failed: number;
}

type MaybeLater<Value> = Value | Promise<Value>;

export interface NotifyOptions {
  /** Said when nothing is left to do. Absent: it is not said. */
  readonly done?: (batch: FinishedBatch) => MaybeLater<NotificationText>;
  /** Said when uploads wait for a sign-in. Absent: it is not said. */
  readonly signIn?: () => MaybeLater<NotificationText>;
  /** What a click opens if no window of the app is there to be focused. Default: the worker's scope. */
  readonly url?: string;
  /** Asked each time, for a switch in the app. Default: the browser's permission decides alone. */
  readonly enabled?: () => MaybeLater<boolean>;
}

const TAG = 'backhaul';

/** What of the worker this needs; a test gives its own. */
export interface Desk {
  readonly registration: Pick<ServiceWorkerRegistration, 'scope' | 'showNotification' | 'getNotifications'>;
  readonly clients: Pick<Clients, 'matchAll' | 'openWindow'>;
  readonly permission: () => string;
}

/**
 * Shows a notification when the last upload is done, or needs a sign-in, while no window of the app is visible. The page
 * asks for the permission (`Notification.requestPermission()`, on a click). Call it once, while the script runs.
 */
export function notify(backhaul: InstalledBackhaul, options: NotifyOptions): void {
  const { registration, clients } = self;
  // iOS has none before the app is on the home screen.
  const permission = () => (typeof Notification === 'undefined' ? 'denied' : Notification.permission);
  const desk = { registration, clients, permission };
  follow(backhaul, (situation) => tell(situation, options, desk, opened(backhaul)));
  self.addEventListener('notificationclick', (event) => {
    if (event.notification.tag !== TAG) return;
    event.notification.close();
    event.waitUntil(open(options.url ?? registration.scope, desk));
  });
}

/** Shows what there is to say; or, if the app is visible, takes back what was said. */
export async function tell(
  { snapshots, pending, signIn }: Situation,
  { done, signIn: askToSignIn, enabled = () => true }: NotifyOptions,
  { registration, clients, permission }: Desk,
  tools: Listing,
): Promise<void> {
  // What a user has ended needs no word.
  const over = pending === 0 && snapshots.some(({ status }) => ['completed', 'failed', 'lost'].includes(status));
  if (!over && !signIn) return;
  const windows = await clients.matchAll({ type: 'window', includeUncontrolled: true });
  if (windows.some(({ visibilityState }) => visibilityState === 'visible')) {
    for (const notification of await registration.getNotifications({ tag: TAG })) notification.close();
    return;
  }
  if (permission() !== 'granted' || !(await enabled())) return;
  const text = over ? await done?.(await lastBatch(tools)) : await askToSignIn?.();
  if (text) await registration.showNotification(text.title, { ...text, tag: TAG });
}

/** Brings the app to the front, or opens it. */
export async function open(url: string, { registration, clients }: Desk): Promise<void> {
  const windows = await clients.matchAll({ type: 'window', includeUncontrolled: true });
  const app = windows.find((client) => client.url.startsWith(registration.scope));
  await (app ? app.focus() : clients.openWindow(url));
}

/** What was delivered since the queue was last empty; and all that needs the user. */
export async function lastBatch(tools: Listing): Promise<FinishedBatch> {
  const completed: Extract<UploadSnapshot, { status: 'completed' }>[] = [];
  let failed = 0;
  for await (const upload of everyUpload(tools)) {
    if (upload.status === 'completed') completed.push(upload);
    if (upload.status === 'failed' || upload.status === 'lost') failed += 1;
  }
  let sinceMs = Infinity;
  let delivered = 0;
  for (const { atMs, addedAtMs } of completed.sort((a, b) => b.atMs - a.atMs)) {
    if (delivered > 0 && atMs < sinceMs) break;
    sinceMs = Math.min(sinceMs, addedAtMs);
    delivered += 1;
  }
  return { delivered, failed };
}
