// The switch "Only on Wi-Fi". It is there only where the browser tells what it is connected by: elsewhere it would be a
// promise that nobody can keep.
import { type Backhaul, knownConditions, policy, relayConditions, setPolicy } from '../../src/index.js';
import { byId, setHidden } from './dom.js';

const endpoint = 'photos';

export async function offerOnlyWifi(backhaul: Backhaul): Promise<void> {
  relayConditions(backhaul);
  if (!knownConditions().metered) return;
  const box = byId('only-wifi-switch', HTMLInputElement);
  const { unmetered = false } = await policy(backhaul, endpoint);
  box.checked = unmetered;
  box.addEventListener('change', () => void change());
  setHidden(byId('only-wifi', HTMLElement), false);

  async function change(): Promise<void> {
    // What could not be stored does not stay switched.
    const now = await setPolicy(backhaul, endpoint, { unmetered: box.checked }).catch(() => policy(backhaul, endpoint));
    box.checked = now.unmetered ?? false;
  }
}
