// The kits of one test file: started by its tests, closed after each.

import { afterEach } from 'vitest';
import type { DemoOptions } from './demo-server.js';
import { type Kit, startKit } from './test-kit.js';

/** Call it once in a file. What a test gets by `restart()` it pushes to `kits` itself. */
export function startedKits(): { readonly kits: Kit[]; start(options?: Partial<DemoOptions>): Promise<Kit> } {
  const kits: Kit[] = [];
  afterEach(async () => {
    await Promise.all(kits.splice(0).map((kit) => kit.close()));
  });
  return {
    kits,
    async start(options = {}) {
      const kit = await startKit(options);
      kits.push(kit);
      return kit;
    },
  };
}
