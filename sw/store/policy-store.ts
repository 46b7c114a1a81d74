// What the user wants: of each endpoint's policy, and which uploads at once. A database of its own beside that of the uploads,
// so that this one's version need not change: an app without policies goes on reading its uploads.

import { openDB } from 'idb';

const STORE = 'policies';

/** By endpoint what is wanted of its policy, by upload `true`. As stored, and unchecked: another version may have written it. */
export type Kept = Readonly<Record<string, unknown>>;

/** Answers with what is kept, after these changes to it; what is undefined, at any depth, is forgotten. */
export type PolicyStore = (changes?: Kept) => Promise<Kept>;

/** `name`: of the uploads' database. */
export function createPolicyStore(name: string): PolicyStore {
  return async (changes) => {
    // Opened for each use: there are few, and so none stands in the way of whoever deletes it, or finds it dead later.
    const database = await openDB(`${name}:policies`, 1, { upgrade: (made) => void made.createObjectStore(STORE) });
    try {
      const { store, done } = database.transaction(STORE, 'readwrite', { durability: 'strict' });
      const kept: Kept = JSON.parse(JSON.stringify({ ...(await store.get(0)), ...changes }));
      if (changes) await store.put(kept, 0);
      await done;
      return kept;
    } finally {
      database.close();
    }
  };
}
