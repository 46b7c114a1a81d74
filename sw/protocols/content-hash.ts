// Names a file by its content, in constant memory. Knows no algorithm: the app brings one, and pays for it only then.

import { type Io, ProtocolFailure } from './adapter.js';

/** What hash-wasm's `createMD5()`, `createSHA256()` and the like give; anything of this shape will do. */
export interface Hasher {
  init?(): unknown;
  update(bytes: Uint8Array): unknown;
  /** As the server writes it; usually hex. */
  digest(): string;
}

const UNREADABLE_MESSAGE = 'The browser lost this file. Add it again: it goes on where it stands.';

/** Read at once. A guess: large enough that reading costs more than calling, small enough for any phone. */
const SLICE_BYTES = 4_194_304;

/**
 * For the option `hash` of `chunks`: `contentHash(createMD5)`, with what makes a hasher. Reads the file slice by slice, and
 * ends early when the upload is stopped. A worker cannot load modules later, so an app that wants it imports it.
 */
export function contentHash(make: () => Hasher | Promise<Hasher>) {
  return async ({ bytes, sleep }: Pick<Io, 'bytes' | 'sleep'>): Promise<string> => {
    const [hasher, file] = await Promise.all([make(), bytes()]);
    hasher.init?.();
    for (let start = 0; start < file.size; start += SLICE_BYTES) {
      await sleep(0);
      const slice = file.slice(start, start + SLICE_BYTES);
      const buffer = await slice.arrayBuffer().catch(() => undefined);
      // Safari has given back fewer bytes than were stored (WebKit bug 319985).
      if (buffer?.byteLength !== slice.size) throw new ProtocolFailure('fatal', 'bytes-lost', UNREADABLE_MESSAGE);
      hasher.update(new Uint8Array(buffer));
    }
    return hasher.digest();
  };
}
