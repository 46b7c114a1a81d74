// The name under which an upload is kept.

import { createHash } from 'node:crypto';

/** Hex, whatever the id holds: no id becomes a path. Ids have no NUL, so owner and id cannot run together. */
export function keyOf(owner: string, fileId: string): string {
  return createHash('sha256')
    .update(owner === '' ? fileId : `${owner}\0${fileId}`)
    .digest('hex');
}

/** The same for a name that is safe in a path and that nobody can guess: where everybody is one owner, it is the key. */
export function secretKeyOf(owner: string, name: string): string {
  return owner === '' ? name : keyOf(owner, name);
}
