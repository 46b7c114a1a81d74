import type { UploadRecord } from '../../sw/store/schema.js';
import type { UploadStore } from '../../sw/store/upload-store.js';

/** What the store has under that id. */
export async function recordOf(store: Pick<UploadStore, 'list'>, id: string): Promise<UploadRecord | undefined> {
  return (await store.list(-1, 1000)).find((record) => record.id === id);
}
