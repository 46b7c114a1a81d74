// Shows the banner that banner.ts chose and lets its countdown tick, without telling screen readers every second.
import { type Banner, type BannerAction, type Circumstances, chooseBanner } from './banner.js';
import { byId, setHidden, setIcon, setText } from './dom.js';

const icons = {
  'in-page': 'reconnecting',
  offline: 'offline',
  reconnecting: 'reconnecting',
  server: 'reconnecting',
  auth: 'auth',
  update: 'retry',
  broken: 'broken',
} as const satisfies Record<Banner['kind'], string>;

type Given = Omit<Circumstances, 'nowMs' | 'previous' | 'online' | 'updateReady'>;

export class BannerView {
  readonly #root = byId('banner', HTMLElement);
  readonly #text = byId('banner-text', HTMLElement);
  readonly #countdown = byId('banner-countdown', HTMLElement);
  readonly #button = byId('banner-action', HTMLButtonElement);
  #given: Given | undefined;
  #updateReady = false;
  #shown: Banner | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(act: (action: BannerAction) => void) {
    this.#button.addEventListener('click', () => {
      if (this.#shown?.action) act(this.#shown.action.type);
    });
    addEventListener('online', () => this.#render());
    addEventListener('offline', () => this.#render());
  }

  update(given: Given): void {
    this.#given = given;
    this.#render();
  }

  offerUpdate(): void {
    this.#updateReady = true;
    this.#render();
  }

  #render(): void {
    if (!this.#given) return;
    const banner = chooseBanner({
      ...this.#given,
      online: navigator.onLine,
      nowMs: Date.now(),
      updateReady: this.#updateReady,
      previous: this.#shown?.kind,
    });
    this.#shown = banner;
    this.#tick(banner?.countdown !== undefined);
    setHidden(this.#root, banner === undefined);
    if (!banner) return;
    this.#root.dataset['kind'] = banner.kind;
    setIcon(this.#root, icons[banner.kind]);
    setText(this.#text, banner.text);
    setText(this.#countdown, banner.countdown ?? '');
    setHidden(this.#button, banner.action === undefined);
    setText(this.#button, banner.action?.label ?? '');
  }

  #tick(wanted: boolean): void {
    if (wanted) {
      this.#timer ??= setInterval(() => this.#render(), 1000);
    } else {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
  }
}
