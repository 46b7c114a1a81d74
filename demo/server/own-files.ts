// How files of the data folder are opened: never through a link. The server makes none; one that is there was put there by
// somebody else, and would lead writes, truncations and photos out of the folder. Opening one fails with ELOOP.

import { constants, lstat, readFile } from 'node:fs/promises';

// Not on Windows, where making a link needs an administrator.
const { O_RDONLY, O_RDWR, O_WRONLY, O_CREAT, O_TRUNC, O_APPEND, O_NOFOLLOW = 0 } = constants;

export const own = {
  r: O_RDONLY | O_NOFOLLOW,
  'r+': O_RDWR | O_NOFOLLOW,
  w: O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW,
  a: O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW,
} as const;

/** The text of a file; empty if a link is in its place. */
export async function readOwn(path: string): Promise<string> {
  try {
    return await readFile(path, { encoding: 'utf8', flag: own.r });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ELOOP') return '';
    throw error;
  }
}

/** Size and times of a file; undefined if there is none, or something else under its name. */
export async function statOwn(path: string): Promise<{ readonly size: number; readonly mtimeMs: number } | undefined> {
  const found = await lstat(path).catch(() => undefined);
  return found?.isFile() ? found : undefined;
}
