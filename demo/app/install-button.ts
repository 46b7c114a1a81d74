// Offers to install the app where the browser lets a page do that (Chromium); elsewhere the button never shows.
import { byId } from './dom.js';

/** Not in lib.dom: https://developer.mozilla.org/docs/Web/API/BeforeInstallPromptEvent */
interface BeforeInstallPromptEvent extends Event {
  prompt(): Promise<unknown>;
}

export function offerInstall(): void {
  const button = byId('install', HTMLButtonElement);
  let offer: BeforeInstallPromptEvent | undefined;
  addEventListener('beforeinstallprompt', (event) => {
    event.preventDefault();
    offer = event as BeforeInstallPromptEvent;
    button.hidden = false;
  });
  button.addEventListener('click', () => {
    // An offer works once; the browser fires another event if there may be a second.
    button.hidden = true;
    void offer?.prompt();
    offer = undefined;
  });
  addEventListener('appinstalled', () => {
    button.hidden = true;
  });
}
