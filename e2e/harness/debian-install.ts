// Owns one question: can these programs run on this machine? Installs Debian's packages where that is allowed; otherwise
// says why not. Knows nothing of what the programs do.
import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

export interface Software {
  readonly programs: readonly string[];
  readonly packages: readonly string[];
  /** Asked once the programs are there: whether what has no program of its own is there, too. */
  readonly works?: () => Promise<boolean>;
  /** `NAME=no` in the environment goes without it. */
  readonly variable: string;
}

/** Ceph, the largest: 64 MB to download, 290 MB on the disk, 71 s when it was tried. */
const INSTALL_LIMIT_MS = 480_000;
/** Not on the path of everybody. */
const SYSTEM_FOLDERS = ['/usr/sbin', '/sbin'];

/** Undefined if all of it can run here, after it was installed if need be; else the reason why not. */
export async function whyMissing({ programs, packages, variable, works }: Software): Promise<string | undefined> {
  const missing = async () => {
    const found = await Promise.all(programs.map(isOnPath));
    const absent = programs.filter((_, index) => !found[index]);
    return absent.length > 0 || ((await works?.()) ?? true) ? absent.join(', ') : packages.join(', ');
  };
  const install = () => apt(['install', '-y', '--no-install-recommends', ...packages]);
  if (process.env[variable] === 'no') return `the environment says ${variable}=no`;
  if (process.platform !== 'linux') return `the packages are for Linux, this is ${process.platform}`;
  const absent = await missing();
  if (absent === '') return undefined;
  if (process.getuid?.() !== 0) return `${absent} not installed, and only root may install them`;
  if (!(await isOnPath('apt-get'))) return `${absent} not installed, and there is no apt-get here`;
  const fault = (await install()) && ((await apt(['update'])) ?? (await install()));
  const still = await missing();
  return still === '' ? undefined : `apt-get could not install ${still}: ${fault ?? 'they are absent'}`;
}

/** The environment in which programs of {@link SYSTEM_FOLDERS} are found too. */
export function systemPath(): string {
  return [...(process.env['PATH'] ?? '').split(delimiter), ...SYSTEM_FOLDERS].filter(Boolean).join(delimiter);
}

async function isOnPath(program: string): Promise<boolean> {
  const looks = systemPath()
    .split(delimiter)
    .map((folder) => access(join(folder, program), constants.X_OK));
  return Promise.any(looks).then(
    () => true,
    () => false,
  );
}

/** Undefined if it went well, else the end of what it said. Waits for another apt that is at work. */
async function apt(args: readonly string[]): Promise<string | undefined> {
  // In runlevel 1 no package starts a service of its own: the tests start what they need.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  const lock = ['-o', 'DPkg::Lock::Timeout=300'];
  return promisify(execFile)('apt-get', [...lock, ...args], { env, timeout: INSTALL_LIMIT_MS }).then(
    () => undefined,
    (error: Error & { stderr?: string }) => (error.stderr || error.message).trim().split('\n').at(-1),
  );
}
