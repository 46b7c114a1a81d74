// The list "On this device": keyed tiles in order of acceptance, one listener for all their buttons, and the buttons
// for all photos at once. Delivered photos leave it; the gallery has them.
import { type Backhaul, sendNow, type UploadId, type UploadSnapshot } from '../../src/index.js';
import { byId, setHidden, setText } from './dom.js';
import type { Facts } from './facts.js';
import type { Thumbnails } from './thumbnails.js';
import { Tile } from './tile.js';

const controls = ['pause', 'resume', 'cancel', 'retry', 'remove'] as const;
type Control = (typeof controls)[number];

/** Hundreds of photos added at once come in over several frames, so that none of them is a long one. */
const newTilesPerFrame = 80;

export class QueueView {
  readonly #list = byId('queue', HTMLUListElement);
  readonly #bulk = byId('bulk', HTMLElement);
  readonly #buttons = {
    pause: byId('pause-all', HTMLButtonElement),
    resume: byId('resume-all', HTMLButtonElement),
    cancel: byId('cancel-all', HTMLButtonElement),
    retry: byId('retry-all', HTMLButtonElement),
    clear: byId('clear-ended', HTMLButtonElement),
  };
  readonly #tiles = new Map<UploadId, Tile>();
  readonly #thumbnails: Thumbnails;

  constructor(backhaul: Backhaul, thumbnails: Thumbnails, onError: (error: unknown) => void) {
    this.#thumbnails = thumbnails;
    const control = (name: Control, ids?: readonly UploadId[]) => void backhaul[name](ids).catch(onError);
    this.#list.addEventListener('click', ({ target }) => {
      const button = target instanceof Element ? target.closest('button') : null;
      const name = controls.find((known) => known === button?.dataset['action']);
      const id = button?.closest('li')?.dataset['uploadId'] as UploadId | undefined;
      if (name && id) control(name, [id]);
      if (id && button?.dataset['action'] === 'sendNow') sendNow(backhaul, id).catch(onError);
    });
    for (const name of ['pause', 'resume', 'cancel', 'retry'] as const) {
      this.#buttons[name].addEventListener('click', () => control(name));
    }
    this.#buttons.clear.addEventListener('click', () => {
      const { uploads } = backhaul.getSnapshot();
      const ended = uploads.filter(({ status }) => status === 'cancelled' || status === 'lost');
      control(
        'remove',
        ended.map(({ id }) => id),
      );
    });
  }

  /** True if not every photo has its tile yet: call again in the next frame. */
  update(uploads: readonly UploadSnapshot[], facts: Facts, isStoring: boolean): boolean {
    const shown = uploads.filter(({ status }) => status !== 'completed');
    this.#patchTiles(shown);
    this.#patchButtons(facts);
    setText(byId('count-device', HTMLElement), shown.length > 0 ? shown.length.toLocaleString('en') : '');
    setHidden(this.#list, this.#tiles.size === 0);
    setHidden(byId('queue-empty', HTMLElement), this.#tiles.size > 0 || isStoring);
    this.#patchEmpty(facts.delivered > 0);
    return this.#tiles.size < shown.length;
  }

  #patchEmpty(hasDelivered: boolean): void {
    setHidden(byId('show-delivered', HTMLElement), !hasDelivered);
    setHidden(byId('steps', HTMLElement), hasDelivered);
    setText(byId('queue-empty-title', HTMLElement), hasDelivered ? 'All done here' : 'Bring your photos');
    setText(
      byId('queue-empty-text', HTMLElement),
      hasDelivered
        ? 'The server has confirmed every byte, and the copies on this device were freed.'
        : 'Drop them anywhere on this page, paste them, or choose them from this device. A network is not needed.',
    );
  }

  /** Touches the document only where the list differs from it. */
  #patchTiles(uploads: readonly UploadSnapshot[]): void {
    const stale = new Set(this.#tiles.keys());
    for (const { id } of uploads) stale.delete(id);
    for (const id of stale) this.#drop(id);
    let place = this.#list.firstElementChild;
    let budget = newTilesPerFrame;
    for (const upload of uploads) {
      let tile = this.#tiles.get(upload.id);
      if (tile) {
        tile.patch(upload);
      } else {
        if (budget === 0) continue;
        budget -= 1;
        tile = new Tile(upload, this.#thumbnails);
        this.#tiles.set(upload.id, tile);
      }
      if (tile.element === place) place = place.nextElementSibling;
      else this.#list.insertBefore(tile.element, place);
    }
  }

  /** Focus must not fall out of the list when the photo under it was delivered. */
  #drop(id: UploadId): void {
    const tile = this.#tiles.get(id);
    if (!tile) return;
    const { element } = tile;
    const neighbour = element.nextElementSibling ?? element.previousElementSibling;
    const hadFocus = element.contains(document.activeElement);
    this.#tiles.delete(id);
    tile.dispose();
    if (!hadFocus) return;
    const next = neighbour instanceof HTMLElement ? (neighbour.dataset['uploadId'] as UploadId | undefined) : undefined;
    const nextTile = next && this.#tiles.get(next);
    if (nextTile) nextTile.focus();
    else byId('view-device', HTMLElement).focus();
  }

  #patchButtons(facts: Facts): void {
    const focused = document.activeElement;
    setHidden(this.#buttons.pause, facts.pending === 0);
    setHidden(this.#buttons.resume, facts.paused === 0);
    setHidden(this.#buttons.retry, facts.failed === 0);
    setHidden(this.#buttons.cancel, facts.pending + facts.paused + facts.failed === 0);
    setHidden(this.#buttons.clear, facts.cancelled + facts.lost === 0);
    if (focused instanceof HTMLButtonElement && focused.hidden && this.#bulk.contains(focused)) {
      const visible = Object.values(this.#buttons).find(({ hidden }) => !hidden);
      (visible ?? byId('view-device', HTMLElement)).focus();
    }
  }
}
