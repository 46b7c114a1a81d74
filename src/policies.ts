// What a user may want of the policies of the worker: other conditions, or one upload at once. On a wire of its own, so that
// apps without policies have nothing of it in their bundle.

import { askWorker } from './ask-worker.js';
import type { Backhaul } from './backhaul.js';
import { UploadError } from './contracts/errors.js';
import { type Policy, type PolicyChange, type PolicyMessage, policyMessage } from './contracts/policy.js';
import { isSettled, type UploadId } from './contracts/upload.js';

/** A browser on a busy phone may need some to start the worker. */
const ANSWER_LIMIT_MS = 10_000;
const SILENT = 'The service worker heeds no wishes. Check that it calls userWishes() while its script runs.';

/** What has to be so while uploads of `endpoint` are sent: what the app wants, and over it what the user does. Throws like {@link setPolicy}. */
export function policy(backhaul: Backhaul, endpoint: string): Promise<Policy> {
  return ask(backhaul, { endpoint });
}

/**
 * Changes what the user wants of that policy, field by field, on this device and for good; `undefined` goes back to what
 * the app wants. What is under way and may not be any more stops at once. Throws {@link UploadError}: `invalid-option` (no
 * policy), `unknown-endpoint` (that the worker's `policies()` does not name), `storage-failed`, `worker-unresponsive`.
 */
export function setPolicy(backhaul: Backhaul, endpoint: string, change: PolicyChange): Promise<Policy> {
  return ask(backhaul, { endpoint, change });
}

/**
 * Sends this one whatever the policy of its endpoint says, also after a restart, until it settles; goes on with a paused
 * one, too. Throws {@link UploadError}: `unknown-upload`, `invalid-transition` (settled),
 * `unknown-endpoint` (without a policy), `storage-failed`, `worker-unresponsive`.
 */
export async function sendNow(backhaul: Backhaul, id: UploadId): Promise<void> {
  const snapshot = backhaul.get(id)?.snapshot;
  if (!snapshot) throw new UploadError('unknown-upload', `No upload ${id} on this device.`, { uploadId: id });
  const { name, status, endpoint } = snapshot;
  if (isSettled(status)) {
    throw new UploadError('invalid-transition', `Cannot send "${name}" now: it is ${status}.`, { uploadId: id });
  }
  await ask(backhaul, { endpoint, id });
}

async function ask(backhaul: Backhaul, message: PolicyMessage): Promise<Policy> {
  const { registration } = backhaul;
  const answer = await askWorker(registration, policyMessage(message), ANSWER_LIMIT_MS, SILENT);
  // Each tab has a loop of its own, and only one of them drives; the others are answered when it has let go.
  if (registration.inPage) backhaul.wake().catch(() => {});
  return answer as Policy;
}
