// Keeps small pictures between page loads, in a database of its own. Knows neither uploads nor the page.
// Losing it costs only the time to draw them again, so every failure here is answered with "there is none".
import { type DBSchema, type IDBPDatabase, openDB } from 'idb';

interface ThumbnailSchema extends DBSchema {
  thumbnails: {
    key: string;
    value: { readonly bytes: ArrayBuffer; readonly type: string; readonly madeAtMs: number };
    indexes: { madeAtMs: number };
  };
}

// About 20 kB each: 60 MB at most.
const maxThumbnails = 3000;

export class ThumbnailStore {
  readonly #database: Promise<IDBPDatabase<ThumbnailSchema> | undefined>;

  constructor() {
    this.#database = openDB<ThumbnailSchema>('photo-thumbnails', 1, {
      upgrade(database) {
        database.createObjectStore('thumbnails').createIndex('madeAtMs', 'madeAtMs');
      },
    }).catch(() => undefined);
  }

  async read(key: string): Promise<Blob | undefined> {
    try {
      const found = await (await this.#database)?.get('thumbnails', key);
      return found && new Blob([found.bytes], { type: found.type });
    } catch {
      return undefined;
    }
  }

  async write(key: string, thumbnail: Blob): Promise<void> {
    try {
      const value = { bytes: await thumbnail.arrayBuffer(), type: thumbnail.type, madeAtMs: Date.now() };
      await (await this.#database)?.put('thumbnails', value, key);
    } catch {
      // A full disk: the picture is drawn again next time.
    }
  }

  /** Drops the oldest beyond the limit. */
  async prune(): Promise<void> {
    try {
      const database = await this.#database;
      if (!database) return;
      let excess = (await database.count('thumbnails')) - maxThumbnails;
      if (excess <= 0) return;
      const index = database.transaction('thumbnails', 'readwrite').store.index('madeAtMs');
      for (let cursor = await index.openCursor(); cursor && excess > 0; excess -= 1) {
        await cursor.delete();
        cursor = await cursor.continue();
      }
    } catch {
      // Next time.
    }
  }
}
