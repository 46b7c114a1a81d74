// The switch "Tell me when done": asks the browser for the permission when it is turned on, and says so if that is denied.
import { setWantsToBeTold, wantsToBeTold } from '../sw/tell-me.js';
import { byId, setHidden, setText } from './dom.js';

export async function offerToTell(): Promise<void> {
  // iOS has none before the app is on the home screen, and it is the worker that tells; else there is nothing to switch.
  if (!('Notification' in globalThis && 'serviceWorker' in navigator)) return;
  const box = byId('tell-me-switch', HTMLInputElement);
  const hint = byId('tell-me-hint', HTMLElement);
  box.addEventListener('change', () => void change());
  box.checked = Notification.permission === 'granted' && (await wantsToBeTold());
  setHidden(byId('tell-me', HTMLElement), false);

  async function change(): Promise<void> {
    const wanted = box.checked;
    const allowed = !wanted || (await Notification.requestPermission()) === 'granted';
    box.checked = wanted && allowed;
    setText(hint, allowed ? '' : 'Notifications are blocked. Allow them for this site in the browser, then try again.');
    setHidden(hint, allowed);
    await setWantsToBeTold(box.checked);
  }
}
