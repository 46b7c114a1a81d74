// The number on the app's icon: how many uploads wait. Where the browser has none (Firefox), nothing happens.

import { follow } from './follow.js';
import type { InstalledBackhaul } from './install.js';

declare const self: ServiceWorkerGlobalScope;

/** Shows the number of uploads that are not done yet on the icon of the installed app. Call it once, while the script runs. */
export function appBadge(backhaul: InstalledBackhaul): void {
  follow(backhaul, badge(self.navigator));
}

/** Tells the browser only what is new to it. */
export function badge(navigator: Partial<NavigatorBadge>) {
  let shown = -1;
  return async ({ pending }: { readonly pending: number }): Promise<void> => {
    if (pending === shown) return;
    shown = pending;
    // 0 takes it away. Refused where the app is not installed, or (Safari) may not notify.
    await navigator.setAppBadge?.(pending).catch(() => {});
  };
}
