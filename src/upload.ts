// The handle of one upload: what it is now, how it ends, what can be done to it. Keeps no state of its own.

import { fromWire, UploadError } from './contracts/errors.js';
import type { Control } from './contracts/messages.js';
import { isSettled, type UploadId, type UploadSnapshot } from './contracts/upload.js';
import type { Mirror } from './mirror.js';

/** One upload. Handles of the same upload, in all tabs and page loads, tell the same. */
export class Upload {
  /** Stable over reloads: `backhaul.get(id)` finds it again. */
  readonly id: UploadId;
  readonly #mirror: Mirror;
  readonly #control: (control: Control, id: UploadId) => Promise<void>;
  #last: UploadSnapshot;
  #finished: Promise<UploadSnapshot> | undefined;

  /** @internal */
  constructor(snapshot: UploadSnapshot, mirror: Mirror, control: (control: Control, id: UploadId) => Promise<void>) {
    this.id = snapshot.id;
    this.#last = snapshot;
    this.#mirror = mirror;
    this.#control = control;
  }

  /** How it stands now; after `remove()`, how it last stood. */
  get snapshot(): UploadSnapshot {
    this.#last = this.#mirror.get(this.id) ?? this.#last;
    return this.#last;
  }

  /**
   * Resolves with the last snapshot once the server has confirmed every byte, maybe in a later page load. Rejects with
   * the {@link UploadError} of `failed` and `lost`, or with code `cancelled`. After `retry()`, read it again.
   */
  get finished(): Promise<UploadSnapshot> {
    if (this.#finished === undefined) {
      this.#finished = new Promise((resolve, reject) => {
        const look = () => {
          const { snapshot } = this;
          if (!isSettled(snapshot.status) && this.#mirror.get(this.id) !== undefined) return;
          unsubscribe();
          if (snapshot.status === 'completed') resolve(snapshot);
          else {
            // A retry makes it open again.
            this.#finished = undefined;
            reject('error' in snapshot && snapshot.error ? fromWire(snapshot.error) : cancelled(this.id));
          }
        };
        const unsubscribe = this.#mirror.subscribe(look);
        queueMicrotask(look);
      });
    }
    return this.#finished;
  }

  /** Calls `listener` after each change of this upload; returns what ends that. */
  subscribe(listener: () => void): () => void {
    let before = this.#mirror.get(this.id);
    return this.#mirror.subscribe(() => {
      const now = this.#mirror.get(this.id);
      if (now === before) return;
      before = now;
      listener();
    });
  }

  /** Stops it where it is; nothing is lost. Throws `invalid-transition` if it has ended, like all that follow. */
  pause(): Promise<void> {
    return this.#control('pause', this.id);
  }

  /** Goes on from the same byte; also cuts a wait short. */
  resume(): Promise<void> {
    return this.#control('resume', this.id);
  }

  /** Ends it and frees its bytes on this device. */
  cancel(): Promise<void> {
    return this.#control('cancel', this.id);
  }

  /** Tries a failed one again, from where the server stands. */
  retry(): Promise<void> {
    return this.#control('retry', this.id);
  }

  /** Forgets a settled one. */
  remove(): Promise<void> {
    return this.#control('remove', this.id);
  }
}

function cancelled(uploadId: UploadId): UploadError {
  return new UploadError('cancelled', 'The upload was cancelled.', { uploadId });
}
