// One photo of the queue: builds its element once and afterwards writes only what changed.
import type { UploadSnapshot } from '../../src/index.js';
import { fromTemplate, part, setAttribute, setHidden, setIcon, setText } from './dom.js';
import { percentOf, pictureKey, splitName } from './format.js';
import { Picture } from './picture.js';
import { isPolicy, tileWords } from './sentences.js';
import type { Thumbnails } from './thumbnails.js';

/** What the round button of a tile does in this state. */
type MainAction = 'pause' | 'resume' | 'retry' | 'remove' | 'none';

const labels = { pause: 'Pause', resume: 'Resume', retry: 'Try again:', remove: 'Remove', none: 'Finishing' } as const;
const icons = { pause: 'pause', resume: 'resume', retry: 'retry', remove: 'close', none: 'check' } as const;

export class Tile {
  readonly element = fromTemplate('tile-template');
  readonly #main = part(this.element, '.tile-main', HTMLButtonElement);
  readonly #cancel = part(this.element, '.tile-cancel', HTMLButtonElement);
  readonly #now = part(this.element, '.tile-now', HTMLButtonElement);
  readonly #ring = part(this.element, '.ring', HTMLElement);
  readonly #words = part(this.element, '.words', HTMLElement);
  readonly #picture: Picture;
  #shown: UploadSnapshot | undefined;

  constructor(upload: UploadSnapshot, thumbnails: Thumbnails) {
    const key = pictureKey(upload);
    this.#picture = new Picture(part(this.element, '.picture', HTMLElement), upload, () => thumbnails.find(key));
    this.element.dataset['uploadId'] = upload.id;
    const name = part(this.element, '.name', HTMLElement);
    const { head, tail } = splitName(upload.name);
    setText(part(name, 'span:first-child', HTMLElement), head);
    setText(part(name, 'span:last-child', HTMLElement), tail);
    name.title = upload.name;
    this.#ring.ariaLabel = `Progress of ${upload.name}`;
    this.#cancel.ariaLabel = `Cancel ${upload.name}`;
    this.#now.ariaLabel = `Send now: ${upload.name}`;
    this.patch(upload);
  }

  patch(upload: UploadSnapshot): void {
    if (this.#shown === upload) return;
    const words = tileWords(upload);
    setText(this.#words, words);
    const percent = percentOf(upload.acknowledgedBytes, upload.sizeBytes);
    if (this.#ring.ariaValueNow !== String(percent)) {
      this.#ring.ariaValueNow = String(percent);
      this.element.style.setProperty('--progress', String(percent));
    }
    setAttribute(this.#ring, 'aria-valuetext', words);
    if (this.#shown?.status !== upload.status) this.#patchStatus(upload);
    setAttribute(this.element, 'data-reason', upload.status === 'waiting' ? upload.reason : undefined);
    const hadFocus = document.activeElement === this.#now;
    setHidden(this.#now, upload.status !== 'waiting' || !isPolicy(upload.reason));
    if (hadFocus && this.#now.hidden) this.focus();
    this.#shown = upload;
  }

  focus(): void {
    (this.#main.disabled ? this.#cancel : this.#main).focus();
  }

  dispose(): void {
    this.#picture.dispose();
    this.element.remove();
  }

  #patchStatus({ status, name }: UploadSnapshot): void {
    const action = mainAction(status);
    const hadFocus = document.activeElement === this.#cancel || document.activeElement === this.#main;
    this.element.dataset['status'] = status;
    this.#main.dataset['action'] = action;
    this.#main.ariaLabel = `${labels[action]} ${name}`;
    this.#main.disabled = action === 'none';
    setIcon(this.#main, icons[action]);
    setHidden(this.#cancel, status === 'cancelled' || status === 'lost' || status === 'completed');
    if (hadFocus && (document.activeElement === document.body || this.#cancel.hidden)) this.focus();
    void this.#picture.refresh();
  }
}

function mainAction(status: UploadSnapshot['status']): MainAction {
  switch (status) {
    case 'queued':
    case 'preparing':
    case 'uploading':
    case 'waiting':
      return 'pause';
    case 'paused':
      return 'resume';
    case 'failed':
      return 'retry';
    case 'cancelled':
    case 'lost':
      return 'remove';
    case 'completing':
    case 'completed':
      return 'none';
    default:
      return status satisfies never;
  }
}
