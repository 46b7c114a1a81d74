// Whether there is room for what is about to be stored, by the browser's own estimate. For workers that call it; without
// it, the browser's refusal decides when a file is stored, and says less.

import { UploadError } from '../src/contracts/errors.js';
import { within } from './clock.js';
import { type InstalledBackhaul, opened } from './install.js';
import { type IntakeTools, noRoom, type RoomCheck } from './intake.js';
import type { NewUpload } from './store/upload-store.js';

/** Chromium reports this much as free whatever is (its guard against fingerprinting), so no more can be read from it. */
const REPORTED_AT_MOST_BYTES = 10 * 2 ** 30;
/** An estimate takes 1 ms; one that has not come by then is not waited for. A guess. */
const ESTIMATE_LIMIT_MS = 1000;

type Estimate = () => Promise<StorageEstimate>;

/**
 * Refuses files for which the browser says that there is no room, with numbers ("needs 812 MB, 430 MB free"), before any of
 * their bytes are stored. Firefox and Safari tell; Chromium does not, there the files are refused when they are stored.
 * Call it once, while the worker's script runs.
 */
export function checkRoom(backhaul: InstalledBackhaul): void {
  // No `navigator.storage` in WebKitGTK.
  opened(backhaul).room = roomBy(async () => navigator.storage.estimate());
}

/** Refuses, in their order, those for which the others leave no room. One that is here already needs none. */
export function roomBy(estimate: Estimate): RoomCheck {
  return async (uploads, tools) => {
    let leftBytes = await freeBytes(estimate, tools);
    const checked: (NewUpload | UploadError)[] = [];
    let known: ReadonlySet<string> | undefined;
    for (const upload of uploads) {
      if (upload instanceof UploadError) checked.push(upload);
      else if (upload.sizeBytes <= leftBytes) {
        leftBytes -= upload.sizeBytes;
        checked.push(upload);
      } else {
        known ??= await allKeys(tools);
        const free = `${Math.max(0, Math.floor(leftBytes / 1e6))} MB free`;
        checked.push(known.has(keyOf(upload)) ? upload : noRoom(upload, free));
      }
    }
    return checked;
  };
}

/** The same endpoint and fingerprint is the same upload. */
const keyOf = ({ endpoint, fingerprint }: Pick<NewUpload, 'endpoint' | 'fingerprint'>) => `${endpoint}\n${fingerprint}`;

/** One look at all there is, only where room is scarce. */
async function allKeys({ store }: IntakeTools): Promise<ReadonlySet<string>> {
  const keys = new Set<string>();
  for await (const page of store.pages()) for (const record of page) keys.add(keyOf(record));
  return keys;
}

/** Bytes that are free; Infinity where that cannot be known. A hint: what it lets in may still find no room. */
async function freeBytes(estimate: Estimate, { clock }: IntakeTools): Promise<number> {
  const { quota = Infinity, usage = 0 } = await within<StorageEstimate>(
    estimate().catch(() => ({})),
    ESTIMATE_LIMIT_MS,
    clock,
    {},
  );
  return quota - usage < REPORTED_AT_MOST_BYTES ? quota - usage : Infinity;
}
