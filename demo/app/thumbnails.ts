// Makes one small square picture per photo, once, two at a time, and finds it again after a reload.
// A photo that this browser cannot decode (HEIC in Chromium, videos) has none: `undefined`, never an error.
import { ThumbnailStore } from './thumbnail-store.js';

/** A tile is at most 200 CSS pixels wide. Twice the pixels are four times the work, so only where they can be seen. */
const sidePixels = devicePixelRatio > 1 ? 400 : 240;
const maxAtOnce = 2;

interface Job {
  readonly run: () => Promise<void>;
  readonly isWanted: () => boolean;
  readonly drop: () => void;
}

export class Thumbnails {
  readonly #store = new ThumbnailStore();
  readonly #jobs: Job[] = [];
  readonly #making = new Map<string, Promise<Blob | undefined>>();
  #running = 0;

  /** The stored one, or the one that is being made. */
  find(key: string): Promise<Blob | undefined> {
    return this.#making.get(key) ?? this.#store.read(key);
  }

  /**
   * The stored one, or a new one drawn from `source()` when its turn comes. A job that nobody wants any more by then
   * (its tile was scrolled away) is dropped.
   */
  make(
    key: string,
    source: () => Blob | Promise<Blob>,
    isWanted: () => boolean = () => true,
  ): Promise<Blob | undefined> {
    const current = this.#making.get(key);
    if (current) return current;
    const made = new Promise<Blob | undefined>((resolve) => {
      const run = async () => resolve(await this.#findOrDraw(key, source));
      this.#jobs.push({ run, isWanted, drop: () => resolve(undefined) });
    }).finally(() => this.#making.delete(key));
    this.#making.set(key, made);
    this.#next();
    return made;
  }

  prune(): Promise<void> {
    return this.#store.prune();
  }

  #next(): void {
    while (this.#running < maxAtOnce) {
      const job = this.#jobs.shift();
      if (!job) return;
      if (!job.isWanted()) {
        job.drop();
        continue;
      }
      this.#running += 1;
      void job.run().finally(() => {
        this.#running -= 1;
        this.#next();
      });
    }
  }

  async #findOrDraw(key: string, source: () => Blob | Promise<Blob>): Promise<Blob | undefined> {
    const stored = await this.#store.read(key);
    if (stored) return stored;
    try {
      const drawn = await draw(await source());
      await this.#store.write(key, drawn);
      return drawn;
    } catch {
      return undefined;
    }
  }
}

/** Decoding and scaling happen off the main thread; only the crop is drawn here. */
async function draw(photo: Blob): Promise<Blob> {
  let bitmap = await createImageBitmap(photo, { resizeHeight: sidePixels, resizeQuality: 'medium' });
  if (bitmap.width < sidePixels) {
    // Portrait: the width is the short side.
    bitmap.close();
    bitmap = await createImageBitmap(photo, { resizeWidth: sidePixels, resizeQuality: 'medium' });
  }
  const side = Math.min(bitmap.width, bitmap.height);
  const canvas = new OffscreenCanvas(side, side);
  const context = canvas.getContext('2d');
  if (!context) throw new Error('No 2D canvas.');
  // JPEG knows no transparency: a logo on nothing is drawn on white, not on black.
  context.fillStyle = '#fff';
  context.fillRect(0, 0, side, side);
  context.drawImage(bitmap, (side - bitmap.width) / 2, (side - bitmap.height) / 2);
  bitmap.close();
  return canvas.convertToBlob({ type: 'image/jpeg', quality: 0.8 });
}
