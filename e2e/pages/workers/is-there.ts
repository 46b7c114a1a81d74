// Whether a browser has something, by its name: in the page and in the worker alike.

/** `path`: names from `root` on, with dots between. */
export function isThere(root: unknown, path: string): boolean {
  const into = (from: unknown, name: string) => (from as Record<string, unknown> | undefined)?.[name];
  return path.split('.').reduce(into, root) !== undefined;
}
