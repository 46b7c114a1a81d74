// The folder of @tus/server's uploads, as @tus/file-store keeps it, with two differences: nothing is opened through a
// link, and a full disk is told apart from other failures. Knows no HTTP but the answers that @tus/server takes from errors.

import { open, rm, writeFile } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { FileConfigstore, FileStore } from '@tus/file-store';
import { ERRORS, type Upload } from '@tus/server';
import { own, readOwn, statOwn } from './own-files.js';
import { outcomeOf } from './receive-upload.js';

/** What @tus/server takes an answer from. */
export function refusal(status_code: number, body: string): Error {
  return Object.assign(new Error(body), { status_code, body: `${body}\n` });
}

const told = (error: unknown) =>
  outcomeOf(error) === 'disk-full' ? refusal(507, 'The disk is full.') : ERRORS.FILE_WRITE_ERROR;

/** What was declared of each upload, in a file of JSON beside its bytes. */
class Words extends FileConfigstore<Upload> {
  override async get(id: string): Promise<Upload | undefined> {
    try {
      return JSON.parse(await readOwn(`${this.directory}/${id}.json`));
    } catch {
      return undefined;
    }
  }

  override set(id: string, upload: Upload): Promise<void> {
    return writeFile(`${this.directory}/${id}.json`, JSON.stringify(upload), { flag: own.w });
  }
}

/** Ids are names without a path: whoever calls sees to that. */
export class TusFileStore extends FileStore {
  constructor(directory: string, expireAfterMs: number) {
    super({ directory, expirationPeriodInMilliseconds: expireAfterMs, configstore: new Words(directory) });
  }

  override async create(upload: Upload): Promise<Upload> {
    const path = this.#path(upload.id);
    try {
      await writeFile(path, '', { flag: own.w });
      await this.configstore.set(upload.id, upload);
    } catch (error) {
      // Half of it would be of no use, and take room.
      for (const each of [path, `${path}.json`]) await rm(each, { force: true });
      throw told(error);
    }
    upload.storage = { type: 'file', path };
    return upload;
  }

  override async getUpload(id: string): Promise<Upload> {
    const upload = await super.getUpload(id);
    if ((await statOwn(this.#path(id))) === undefined) throw ERRORS.FILE_NOT_FOUND;
    return upload;
  }

  override async write(readable: Readable, id: string, offset: number): Promise<number> {
    let position = offset;
    try {
      const file = await open(this.#path(id), own['r+']);
      try {
        // Left open by a failure: @tus/server would take its end for a client that went away.
        for await (const bytes of readable.iterator({ destroyOnReturn: false })) {
          // A full disk takes a part of a write.
          for (let done = 0; done < bytes.length; ) {
            const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position);
            done += bytesWritten;
            position += bytesWritten;
          }
        }
      } finally {
        await file.close();
      }
    } catch (error) {
      throw told(error);
    }
    return position;
  }

  #path(id: string): string {
    return `${this.directory}/${id}`;
  }
}
