// The gallery's shelf in a folder: what the upload server has finished.

import { open } from 'node:fs/promises';
import type { Photo, Shelf } from './gallery.js';
import { own } from './own-files.js';
import type { UploadFile } from './upload-file.js';

/** What is shown of a finished file, whichever protocol brought it. */
export type FinishedFile = Pick<UploadFile, 'key' | 'path' | 'meta' | 'finishedAtMs'>;

/** `finished`: in the order in which they were finished. */
export function fileShelf(finished: () => Promise<readonly FinishedFile[]>): Shelf {
  const find = async (key: string) => (await finished()).findLast((file) => file.key === key);
  return {
    async list(limit, after) {
      const files = await finished();
      const end = after === undefined ? files.length : files.findLastIndex(({ key }) => key === after);
      return files
        .slice(Math.max(0, end - limit), Math.max(0, end))
        .reverse()
        .map(photoOf);
    },
    async find(key) {
      const file = await find(key);
      return file && photoOf(file);
    },
    async read(key, start, end) {
      const file = await find(key);
      if (file === undefined) throw new Error('The file is gone.');
      const handle = await open(file.path, own.r);
      return handle.createReadStream({ start, end: end - 1 });
    },
  };
}

function photoOf({ key, meta, finishedAtMs = 0 }: FinishedFile): Photo {
  const { filename = 'unnamed', filetype = '', lastModified = '' } = meta.metadata;
  const { sizeBytes } = meta;
  const dated = /^\d{1,15}$/.test(lastModified) ? { lastModifiedMs: Number(lastModified) } : {};
  return { key, name: filename, type: filetype, sizeBytes, ...dated, finishedAtMs };
}
