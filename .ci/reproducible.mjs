// Builds twice from nothing, and fails unless both are the same, byte for byte: what is published can be checked by
// anybody who builds the same commit.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

function build() {
  const { status } = spawnSync(process.execPath, ['build.mjs'], { stdio: 'inherit' });
  if (status !== 0) process.exit(1);
  const entries = readdirSync('dist', { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  // Types come from the compiler, which keeps what is up to date.
  const built = files.filter((file) => !/^dist\/(types|tsbuildinfo)/.test(file)).sort();
  return new Map(built.map((file) => [file, createHash('sha256').update(readFileSync(file)).digest('hex')]));
}

const [first, second] = [build(), build()];
const differing = [...new Set([...first.keys(), ...second.keys()])].filter(
  (file) => first.get(file) !== second.get(file),
);
console.log(`${first.size} files built twice, ${differing.length} differ ${differing.join(' ')}`);
if (differing.length > 0 || first.size === 0) process.exitCode = 1;
