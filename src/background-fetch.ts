// Hands an upload over to the browser itself (Background Fetch, Chromium only), which a page alone may ask for. The requests
// are the worker's; nothing here decides where bytes go. Apps that do not use it have none of it in their bundle.

import { askWorker } from './ask-worker.js';
import type { Backhaul } from './backhaul.js';
import type { WireError } from './contracts/errors.js';
import { fetchIdOf, type Handed, handOver, handOverLock } from './contracts/hand-over.js';
import { sharedName } from './contracts/messages.js';
import type { UploadId } from './contracts/upload.js';

/** What the browser shows while it sends. */
export interface BackgroundText {
  readonly title: string;
  readonly icons?: readonly { readonly src: string; readonly sizes?: string; readonly type?: string }[];
}

interface BackgroundFetchManager {
  fetch(id: string, requests: readonly Request[], text: BackgroundText): Promise<unknown>;
}

/** A worker that asks for a token for each piece may need a while. A guess. */
const ANSWER_LIMIT_MS = 60_000;
const SILENT = 'The service worker hands nothing over. Check that it calls backgroundFetch() while its script runs.';

/**
 * Has the browser send the rest of an upload: also when the last page is closed, the worker stopped and the browser started
 * again. It shows its progress, and the user can end it there, which pauses the upload. Needs `backgroundFetch()` in the
 * worker. Call it on a click: Chromium allows one without, then no more.
 *
 * True: the browser has it. False: it has no Background Fetch, or would not; the worker sends as ever. So it does where
 * this throws {@link UploadError}: `unknown-upload`, `invalid-transition` (paused, or settled), `invalid-option` (an endpoint
 * that the worker's `backgroundFetch()` does not name, or of another origin), `worker-unresponsive`, and what
 * the hook that gives tokens throws, or `timeout`, `network`.
 */
export async function sendInBackground(backhaul: Backhaul, id: UploadId, text: BackgroundText): Promise<boolean> {
  const { registration } = backhaul;
  const { backgroundFetch } = registration as { readonly backgroundFetch?: BackgroundFetchManager };
  if (!backgroundFetch) return false;
  // The worker sends nothing of it as long as this is held, and looks what has become of it afterwards.
  return navigator.locks.request(handOverLock(sharedName(registration.scope), id), async () => {
    const handed = (await askWorker(registration, handOver(id), ANSWER_LIMIT_MS, SILENT)) as Exclude<Handed, WireError>;
    const requests = handed.pieces.map(({ url, start, end, ...init }) => {
      const body = (handed.bytes as Blob).slice(start, end);
      // Chromium's Background Fetch follows redirects whatever `redirect` says, with headers and body; not out of this mode.
      return new Request(url, { ...init, body, mode: 'same-origin' });
    });
    return backgroundFetch.fetch(fetchIdOf(id), requests, text).then(
      () => true,
      () => false,
    );
  });
}
