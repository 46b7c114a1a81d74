// The square picture of a tile: placeholder with the extension first, thumbnail once there is one, loaded only near
// the viewport. Knows neither queue nor gallery.
import { part, setText } from './dom.js';
import { extensionOf } from './format.js';

type Load = (isWanted: () => boolean) => Promise<Blob | undefined>;

const loaders = new WeakMap<Element, Picture>();
const near = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) loaders.get(entry.target)?.setNear(entry.isIntersecting);
  },
  { rootMargin: '400px 0px' },
);

export class Picture {
  readonly #image: HTMLImageElement;
  readonly #root: HTMLElement;
  readonly #load: Load;
  #near = false;
  #state: 'empty' | 'loading' | 'shown' = 'empty';

  constructor(root: HTMLElement, file: { readonly name: string; readonly type: string }, load: Load) {
    this.#root = root;
    this.#load = load;
    this.#image = part(root, 'img', HTMLImageElement);
    setText(part(root, '.extension', HTMLElement), extensionOf(file.name, file.type));
    root.dataset['medium'] = file.type.split('/')[0] ?? '';
    loaders.set(root, this);
    near.observe(root);
  }

  setNear(isNear: boolean): void {
    this.#near = isNear;
    void this.refresh();
  }

  /** Looks again for a thumbnail: another tab may have made it meanwhile. */
  async refresh(): Promise<void> {
    if (!this.#near || this.#state !== 'empty') return;
    this.#state = 'loading';
    const blob = await this.#load(() => this.#near).catch(() => undefined);
    this.#state = blob ? 'shown' : 'empty';
    if (blob) this.#show(blob);
  }

  dispose(): void {
    near.unobserve(this.#root);
  }

  #show(blob: Blob): void {
    const url = URL.createObjectURL(blob);
    const done = () => URL.revokeObjectURL(url);
    this.#image.addEventListener('load', done, { once: true });
    this.#image.addEventListener('error', done, { once: true });
    this.#image.src = url;
    this.#image.hidden = false;
    this.#root.dataset['picture'] = 'shown';
    near.unobserve(this.#root);
  }
}
