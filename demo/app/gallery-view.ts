// The list "Delivered": what the server holds, newest first, drawn from local thumbnails wherever there is one.
import { type DeliveredPhoto, fetchDeliveredPhotos, photoUrl } from './delivered-photos.js';
import { byId, fromTemplate, part, setHidden, setText } from './dom.js';
import { pictureKey } from './format.js';
import { Lightbox } from './lightbox.js';
import { Picture } from './picture.js';
import type { Thumbnails } from './thumbnails.js';

/** While photos arrive several times a second, the list is asked for once in this time. */
const refreshEveryMs = 1000;

export class GalleryView {
  readonly #list = byId('gallery', HTMLUListElement);
  readonly #note = byId('gallery-note', HTMLElement);
  readonly #items = new Map<string, { readonly element: HTMLElement; readonly picture: Picture }>();
  readonly #thumbnails: Thumbnails;
  readonly #lightbox: Lightbox;
  #photos: readonly DeliveredPhoto[] = [];
  #isRefreshing = false;
  #wanted = false;

  constructor(thumbnails: Thumbnails) {
    this.#thumbnails = thumbnails;
    this.#lightbox = new Lightbox((photo) => thumbnails.find(keyOf(photo)));
    this.#list.addEventListener('click', ({ target }) => {
      const key = target instanceof Element ? target.closest('li')?.dataset['photoKey'] : undefined;
      const index = this.#photos.findIndex((photo) => photo.key === key);
      if (index >= 0) this.#lightbox.open(this.#photos, index, (shown) => this.#focus(shown));
    });
  }

  /** One request at a time; a wish during one leads to one more afterwards. */
  async refresh(): Promise<void> {
    this.#wanted = true;
    if (this.#isRefreshing) return;
    this.#isRefreshing = true;
    while (this.#wanted) {
      this.#wanted = false;
      await this.#fetch();
      await new Promise((resolve) => setTimeout(resolve, refreshEveryMs));
    }
    this.#isRefreshing = false;
  }

  async #fetch(): Promise<void> {
    try {
      this.#render(await fetchDeliveredPhotos(this.#photos));
      setHidden(this.#note, true);
    } catch {
      setText(this.#note, 'The server cannot be asked right now. This is what was known last.');
      setHidden(this.#note, this.#photos.length === 0);
    }
    setHidden(byId('gallery-empty', HTMLElement), this.#photos.length > 0);
    setHidden(this.#list, this.#photos.length === 0);
  }

  #render(photos: readonly DeliveredPhoto[]): void {
    this.#photos = photos;
    setText(byId('count-delivered', HTMLElement), photos.length > 0 ? photos.length.toLocaleString('en') : '');
    const wanted = new Set(photos.map(({ key }) => key));
    for (const [key, { element, picture }] of this.#items) {
      if (wanted.has(key)) continue;
      picture.dispose();
      element.remove();
      this.#items.delete(key);
    }
    let place = this.#list.firstElementChild;
    for (const photo of photos) {
      const element = this.#items.get(photo.key)?.element ?? this.#add(photo);
      if (element === place) place = place.nextElementSibling;
      else this.#list.insertBefore(element, place);
    }
  }

  #add(photo: DeliveredPhoto): HTMLElement {
    const element = fromTemplate('photo-template');
    const button = part(element, 'button', HTMLButtonElement);
    element.dataset['photoKey'] = photo.key;
    button.ariaLabel = `Open ${photo.name}`;
    button.title = photo.name;
    const picture = new Picture(button, photo, (isWanted) => this.#thumbnail(photo, isWanted));
    this.#items.set(photo.key, { element, picture });
    return element;
  }

  /** Photos of another device are fetched once, when they come into view, and scaled down here. */
  #thumbnail(photo: DeliveredPhoto, isWanted: () => boolean): Promise<Blob | undefined> {
    const key = keyOf(photo);
    if (!photo.type.startsWith('image/')) return this.#thumbnails.find(key);
    const fetchPhoto = async () => {
      const response = await fetch(photoUrl(photo), { priority: 'low' });
      if (!response.ok) throw new Error(`${response.status}`);
      return response.blob();
    };
    return this.#thumbnails.make(key, fetchPhoto, isWanted);
  }

  #focus(photo: DeliveredPhoto): void {
    this.#items.get(photo.key)?.element.querySelector('button')?.focus();
  }
}

function keyOf(photo: DeliveredPhoto): string {
  // A server that does not know the file's date still has a key of its own.
  const { name, sizeBytes, lastModifiedMs } = photo;
  return lastModifiedMs === undefined ? `delivered-${photo.key}` : pictureKey({ name, sizeBytes, lastModifiedMs });
}
