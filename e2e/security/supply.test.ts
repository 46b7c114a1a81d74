// What a user of the package pulls in, and what may run while it is installed.

import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const read = (name: string) => JSON.parse(readFileSync(join(root, name), 'utf8'));
interface Locked {
  readonly resolved?: string;
  readonly integrity?: string;
  readonly dev?: boolean;
  readonly hasInstallScript?: boolean;
}

test('the package has two dependencies, runs nothing when it is installed, and is published with provenance', () => {
  const { dependencies, scripts, publishConfig } = read('package.json');
  expect(Object.keys(dependencies).sort()).toEqual(['idb', 'workbox-window']);
  const hooks = ['preinstall', 'install', 'postinstall', 'prepublish', 'preprepare', 'prepare', 'postprepare'];
  expect(Object.keys(scripts).filter((name) => hooks.includes(name))).toEqual([]);
  expect(publishConfig).toEqual({ access: 'public', provenance: true });
});

test('every locked package has its hash, and comes from no other registry; none at run time has an install script', () => {
  const locked = Object.entries<Locked>(read('package-lock.json').packages).filter(([path]) => path !== '');
  expect(locked.length).toBeGreaterThan(100);
  for (const [path, { resolved = '', integrity = '', dev, hasInstallScript }] of locked) {
    // Left out by npm's omit-lockfile-registry-resolved: then it is the registry of whoever installs, and the hash decides.
    if (resolved !== '') expect(resolved, path).toMatch(/^https:\/\/registry\.npmjs\.org\//);
    expect(integrity, path).toMatch(/^sha512-/);
    expect(Boolean(hasInstallScript) && !dev, path).toBe(false);
  }
});
