// Owns one question: can Ceph run on this machine? Installs Debian's packages where that is allowed; otherwise says why
// not. Knows nothing of how a cluster is started.
import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const PROGRAMS = ['ceph', 'ceph-authtool', 'ceph-mon', 'ceph-osd', 'monmaptool', 'radosgw', 'radosgw-admin', 'setpriv'];
/** The manager is never started, but the monitor's package asks for it. */
const PACKAGES = ['radosgw', 'ceph-mon', 'ceph-osd', 'ceph-mgr'];
/** 64 MB to download, 290 MB on the disk: 71 s when it was tried. */
const INSTALL_LIMIT_MS = 480_000;

/** Undefined if Ceph can run here, after it was installed if need be; else the reason why not. */
export async function whyNoCeph(): Promise<string | undefined> {
  if (process.env['CEPH'] === 'no') return 'the environment says CEPH=no';
  if (process.platform !== 'linux') return `Ceph's packages are for Linux, this is ${process.platform}`;
  if ((await missing()).length === 0) return undefined;
  if (process.getuid?.() !== 0) return `${(await missing()).join(', ')} not installed, and only root may install them`;
  if (!(await isOnPath('apt-get')))
    return `${(await missing()).join(', ')} not installed, and there is no apt-get here`;
  const fault = (await install()) && ((await apt(['update'])) ?? (await install()));
  const still = await missing();
  return still.length === 0
    ? undefined
    : `apt-get could not install ${still.join(', ')}: ${fault ?? 'they are absent'}`;
}

async function missing(): Promise<readonly string[]> {
  const found = await Promise.all(PROGRAMS.map(isOnPath));
  return PROGRAMS.filter((_, index) => !found[index]);
}

async function isOnPath(program: string): Promise<boolean> {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  const looks = folders.map((folder) => access(join(folder, program), constants.X_OK));
  return Promise.any(looks).then(
    () => true,
    () => false,
  );
}

function install(): Promise<string | undefined> {
  return apt(['install', '-y', '--no-install-recommends', ...PACKAGES]);
}

/** Undefined if it went well, else the end of what it said. Waits for another apt that is at work. */
async function apt(args: readonly string[]): Promise<string | undefined> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const lock = ['-o', 'DPkg::Lock::Timeout=300'];
  return promisify(execFile)('apt-get', [...lock, ...args], { env, timeout: INSTALL_LIMIT_MS }).then(
    () => undefined,
    (error: Error & { stderr?: string }) => (error.stderr || error.message).trim().split('\n').at(-1),
  );
}
