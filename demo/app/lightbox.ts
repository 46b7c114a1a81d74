// One delivered photo in full: arrow keys, swipe, Escape. Shows the thumbnail until, or instead of, the real one.
import { type DeliveredPhoto, photoUrl } from './delivered-photos.js';
import { byId, setHidden, setText } from './dom.js';
import { formatBytes } from './format.js';

const swipePixels = 50;

export class Lightbox {
  readonly #dialog = byId('lightbox', HTMLDialogElement);
  readonly #stage = byId('lightbox-stage', HTMLElement);
  readonly #trouble = byId('lightbox-trouble', HTMLElement);
  readonly #save = byId('lightbox-save', HTMLAnchorElement);
  readonly #previous = byId('lightbox-previous', HTMLButtonElement);
  readonly #next = byId('lightbox-next', HTMLButtonElement);
  readonly #thumbnailOf: (photo: DeliveredPhoto) => Promise<Blob | undefined>;
  #photos: readonly DeliveredPhoto[] = [];
  #index = 0;
  #thumbnailUrl: string | undefined;

  constructor(thumbnailOf: (photo: DeliveredPhoto) => Promise<Blob | undefined>) {
    this.#thumbnailOf = thumbnailOf;
    this.#previous.addEventListener('click', () => this.#step(-1));
    this.#next.addEventListener('click', () => this.#step(1));
    byId('lightbox-close', HTMLButtonElement).addEventListener('click', () => this.#dialog.close());
    this.#dialog.addEventListener('keydown', (event) => {
      if (event.key === 'ArrowLeft') this.#step(-1);
      else if (event.key === 'ArrowRight') this.#step(1);
    });
    this.#watchPointer();
  }

  /** `onClose` gets the photo that was shown last, so that focus can go there. */
  open(photos: readonly DeliveredPhoto[], index: number, onClose: (shown: DeliveredPhoto) => void): void {
    this.#photos = photos;
    this.#dialog.showModal();
    this.#show(index);
    const closed = () => {
      const shown = this.#photos[this.#index];
      this.#clear();
      if (shown) onClose(shown);
    };
    this.#dialog.addEventListener('close', closed, { once: true });
  }

  #step(by: -1 | 1): void {
    const goal = this.#index + by;
    if (this.#photos[goal]) this.#show(goal);
  }

  #show(index: number): void {
    const photo = this.#photos[index];
    if (!photo) return;
    this.#index = index;
    this.#clear();
    setText(byId('lightbox-name', HTMLElement), photo.name);
    const day = new Date(photo.lastModifiedMs ?? photo.finishedAtMs);
    const words = [day.toLocaleDateString(undefined, { dateStyle: 'medium' }), formatBytes(photo.sizeBytes)];
    setText(byId('lightbox-facts', HTMLElement), `${words.join(' · ')} · ${index + 1} of ${this.#photos.length}`);
    this.#save.href = photoUrl(photo);
    this.#save.download = photo.name;
    const focused = document.activeElement;
    this.#previous.disabled = index === 0;
    this.#next.disabled = index === this.#photos.length - 1;
    if (focused instanceof HTMLButtonElement && focused.disabled) byId('lightbox-close', HTMLElement).focus();
    this.#stage.append(photo.type.startsWith('video/') ? this.#video(photo) : this.#image(photo));
  }

  #image(photo: DeliveredPhoto): HTMLImageElement {
    const image = new Image();
    image.alt = photo.name;
    image.decoding = 'async';
    image.addEventListener('error', () => void this.#fallBack(photo, image), { once: true });
    image.src = photoUrl(photo);
    return image;
  }

  #video(photo: DeliveredPhoto): HTMLVideoElement {
    const video = document.createElement('video');
    video.controls = true;
    video.playsInline = true;
    video.ariaLabel = photo.name;
    video.addEventListener('error', () => this.#complain('This video cannot be played here.'), { once: true });
    video.src = photoUrl(photo);
    return video;
  }

  /** Offline, or a format that this browser cannot draw. */
  async #fallBack(photo: DeliveredPhoto, image: HTMLImageElement): Promise<void> {
    const thumbnail = await this.#thumbnailOf(photo);
    if (!image.isConnected) return;
    if (thumbnail) {
      this.#thumbnailUrl = URL.createObjectURL(thumbnail);
      image.src = this.#thumbnailUrl;
    } else {
      image.hidden = true;
    }
    const isReachable = await fetch(photoUrl(photo), { method: 'HEAD' }).then(
      ({ ok }) => ok,
      () => false,
    );
    if (!image.isConnected) return;
    this.#complain(
      isReachable
        ? 'This browser cannot show the picture. You can save it.'
        : `The full picture cannot be fetched right now.${thumbnail ? ' This is the small one from this device.' : ''}`,
    );
  }

  #complain(words: string): void {
    setText(this.#trouble, words);
    setHidden(this.#trouble, false);
  }

  #clear(): void {
    this.#stage.replaceChildren();
    setHidden(this.#trouble, true);
    if (this.#thumbnailUrl) URL.revokeObjectURL(this.#thumbnailUrl);
    this.#thumbnailUrl = undefined;
  }

  #watchPointer(): void {
    let startX: number | undefined;
    this.#stage.addEventListener('pointerdown', ({ clientX, pointerType }) => {
      startX = pointerType === 'touch' ? clientX : undefined;
    });
    this.#stage.addEventListener('pointerup', ({ clientX }) => {
      const movedX = startX === undefined ? 0 : clientX - startX;
      if (Math.abs(movedX) > swipePixels) this.#step(movedX > 0 ? -1 : 1);
    });
    this.#stage.addEventListener('click', ({ target }) => {
      // Beside the picture: close, as everywhere else.
      if (target === this.#stage) this.#dialog.close();
    });
  }
}
