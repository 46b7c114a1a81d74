// A lock over all tabs where Web Locks are missing (pages over http): a database waits with an upgrade until every
// connection to it is closed, and the browser closes those of a tab that has died.

import { openDB } from 'idb';

/** Runs `task` while no other tab is in here with the same `name`. First come, first served. */
export async function holdConnection(name: string, task: () => Promise<void>): Promise<void> {
  const connection = await connect(name);
  try {
    await task();
  } finally {
    connection.close();
  }
}

async function connect(name: string): Promise<{ close(): void }> {
  for (;;) {
    const known = await openDB(name);
    const version = known.version + 1;
    known.close();
    let isOurs = false;
    const upgrade = () => {
      isOurs = true;
    };
    const connection = await openDB(name, version, { upgrade }).catch((cause: Error) => {
      // Another took this version meanwhile, and a higher one since.
      if (cause.name !== 'VersionError') throw cause;
    });
    if (connection && isOurs) return connection;
    // It is another's, who was quicker: whoever has not upgraded has waited for nobody.
    connection?.close();
  }
}
