// Owns a network for one browser, at the end of a cable that can be pulled: the browser learns of it as from a real one,
// and no debugger has to pretend. Linux, as root.
import { execFile } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { promisify } from 'node:util';
import { systemPath, whyMissing } from './debian-install.js';

const run = promisify(execFile);
const ip = (...args: readonly string[]) => run('ip', args, { env: { ...process.env, PATH: systemPath() } });

export interface Cable {
  /** Where this machine is, as seen from the other end. */
  readonly address: string;
  /** A command's first words: what follows runs at the other end. */
  readonly farEnd: readonly string[];
  pull(): Promise<void>;
  plug(): Promise<void>;
  remove(): Promise<void>;
}

/** Undefined if there can be one here; else the reason why not. */
export async function whyNoCable(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'only root may lay a cable';
  const missing = await whyMissing({ programs: ['ip'], packages: ['iproute2'], variable: 'BACKHAUL_CABLE' });
  if (missing !== undefined) return missing;
  const name = `backhaul-${randomInt(1e9)}`;
  try {
    await ip('netns', 'add', name);
    await ip('netns', 'del', name);
    return undefined;
  } catch (error) {
    return `no network of its own can be made here: ${String((error as { stderr?: string }).stderr ?? error).trim()}`;
  }
}

/** Plugged in. */
export async function layCable(): Promise<Cable> {
  const name = `backhaul-${randomInt(1e9)}`;
  // Interface names have 15 characters.
  const [near, far] = [`bhn${randomInt(1e9)}`, `bhf${randomInt(1e9)}`];
  const net = `10.${randomInt(200, 250)}.${randomInt(250)}`;
  await ip('netns', 'add', name);
  await ip('link', 'add', near, 'type', 'veth', 'peer', 'name', far, 'netns', name);
  await ip('addr', 'add', `${net}.1/30`, 'dev', near);
  await ip('link', 'set', near, 'up');
  const there = (...args: readonly string[]) => ip('-n', name, ...args);
  await there('addr', 'add', `${net}.2/30`, 'dev', far);
  await there('link', 'set', 'lo', 'up');
  await there('link', 'set', far, 'up');
  return {
    address: `${net}.1`,
    farEnd: ['ip', 'netns', 'exec', name],
    pull: async () => void (await there('link', 'set', far, 'down')),
    plug: async () => void (await there('link', 'set', far, 'up')),
    // The pair goes with its network.
    remove: async () => void (await ip('netns', 'del', name)),
  };
}
