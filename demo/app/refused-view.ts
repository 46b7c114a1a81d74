// The files that could not be stored, each with its reason, until the reader dismisses the list.
import type { UploadError } from '../../src/index.js';
import { byId, setText } from './dom.js';
import { errorWords } from './sentences.js';

export class RefusedView {
  readonly #root = byId('refused', HTMLElement);
  readonly #list = byId('refused-list', HTMLUListElement);

  constructor() {
    byId('refused-dismiss', HTMLButtonElement).addEventListener('click', () => {
      this.#list.replaceChildren();
      this.#root.hidden = true;
      byId('views', HTMLElement).focus();
    });
  }

  add(rejected: readonly { readonly name: string; readonly error: UploadError }[]): void {
    for (const { name, error } of rejected) {
      const item = document.createElement('li');
      const title = document.createElement('strong');
      title.dir = 'auto';
      title.textContent = name;
      const reason = document.createElement('span');
      reason.textContent = errorWords(error);
      item.append(title, ' ', reason);
      this.#list.append(item);
    }
    const count = this.#list.childElementCount;
    setText(byId('refused-title', HTMLElement), `${count} ${count === 1 ? 'file was' : 'files were'} not added`);
    this.#root.hidden = count === 0;
    // A list that scrolls must be reachable with the keyboard.
    if (this.#list.scrollHeight > this.#list.clientHeight) this.#list.tabIndex = 0;
    else this.#list.removeAttribute('tabindex');
  }
}
