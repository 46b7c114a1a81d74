// Hands files to Backhaul and counts those that are not durable yet; while there are any, leaving the page would lose
// them, and the page says so.
import { type Backhaul, EnqueueError, UploadError } from '../../src/index.js';
import { mediumOf } from './facts.js';
import { pictureKey } from './format.js';
import type { RefusedView } from './refused-view.js';
import type { Storing } from './sentences.js';
import type { Thumbnails } from './thumbnails.js';

export class Adding {
  readonly #backhaul: Backhaul;
  readonly #thumbnails: Thumbnails;
  readonly #refused: RefusedView;
  readonly #onChange: () => void;
  readonly #batches = new Set<readonly File[]>();

  constructor(backhaul: Backhaul, thumbnails: Thumbnails, refused: RefusedView, onChange: () => void) {
    this.#backhaul = backhaul;
    this.#thumbnails = thumbnails;
    this.#refused = refused;
    this.#onChange = onChange;
    addEventListener('beforeunload', (event) => {
      if (this.#batches.size > 0) event.preventDefault();
    });
  }

  get storing(): Storing {
    const files = [...this.#batches].flat();
    return { count: files.length, medium: mediumOf(files) };
  }

  async add(files: readonly File[]): Promise<void> {
    this.#batches.add(files);
    this.#onChange();
    for (const file of files) this.#makeThumbnail(file);
    try {
      await this.#backhaul.enqueue(files, { endpoint: 'photos' });
    } catch (error) {
      this.#refused.add(refusedBy(error, files));
    } finally {
      this.#batches.delete(files);
      this.#onChange();
    }
    // Asked for once something is worth keeping; browsers grant it by engagement, and nothing depends on it.
    void navigator.storage?.persist?.().catch(() => false);
  }

  #makeThumbnail(file: File): void {
    if (!file.type.startsWith('image/')) return;
    const key = pictureKey({ name: file.name, sizeBytes: file.size, lastModifiedMs: file.lastModified });
    void this.#thumbnails.make(key, () => file);
  }
}

function refusedBy(error: unknown, files: readonly File[]): { name: string; error: UploadError }[] {
  if (error instanceof EnqueueError) {
    return error.rejected.map(({ file, error: reason }) => ({
      name: file instanceof File ? file.name : 'A picture without a name',
      error: reason,
    }));
  }
  // The worker did not answer at all: none of them is known to be stored.
  const reason = error instanceof UploadError ? error : new UploadError('worker-failed', String(error));
  return files.map(({ name }) => ({ name, error: reason }));
}
