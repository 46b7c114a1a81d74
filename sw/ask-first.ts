// How an addition gets a say before the loop's requests, without the loop knowing of it.

import type { Adapter, UploadSource } from './protocols/adapter.js';

type Asked = 'create' | 'probe' | 'send' | 'complete' | 'piece';

/** Has these methods, as far as the adapter has them, wait for `ask`; what that throws is what the request fails with. */
export function askFirst(
  adapter: Adapter,
  names: readonly Asked[],
  ask: (upload: UploadSource) => Promise<void>,
): void {
  const methods = adapter as unknown as Record<Asked, ((...args: UploadSource[]) => unknown) | undefined>;
  for (const name of names) {
    const method = methods[name]?.bind(adapter);
    if (method) methods[name] = (...args) => ask(args[0] as UploadSource).then(() => method(...args));
  }
}
