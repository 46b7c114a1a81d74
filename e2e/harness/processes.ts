// Owns process ids: who belongs to a tree that we started, how much memory it takes, how it is killed at once.
// Reads /proc where there is one, else `ps`. Signals nothing outside the tree that it is given.
import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

interface ProcessInfo {
  readonly pid: number;
  readonly parentPid: number;
  readonly groupId: number;
  readonly rssBytes: number;
  readonly command: string;
}

/** Memory of a process tree. `pss` counts shared pages once; `rss` (no smaps_rollup here) counts them per process. */
export interface TreeMemory {
  readonly bytes: number;
  readonly kind: 'pss' | 'rss';
  readonly processes: number;
  /**
   * Without pages of mapped files (0 if `rss`). Those of the browser's own program are shared with every other browser
   * on the machine: when one of them starts or ends, `bytes` jumps by 100 MB.
   */
  readonly ownBytes: number;
}

/** The kernel's page size on every platform that has /proc and runs Chromium (x86-64; arm64 Debian and Ubuntu). */
const PAGE_BYTES = 4096;
/** A guess: SIGKILL takes effect within milliseconds; a gigabyte of dirty pages makes it a second. */
const KILL_LIMIT_MS = 15_000;

async function readProc(pid: number): Promise<ProcessInfo | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may itself hold spaces and parentheses: fields count from the last one.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
    const command = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ');
    const [parentPid, groupId, rssPages] = [Number(fields[1]), Number(fields[2]), Number(fields[21])];
    return { pid, parentPid, groupId, rssBytes: rssPages * PAGE_BYTES, command };
  } catch {
    return undefined; // It ended while we looked.
  }
}

async function listProcesses(): Promise<ProcessInfo[]> {
  if (process.platform === 'linux') {
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
    const all = await Promise.all(pids.map((pid) => readProc(Number(pid))));
    return all.filter((info) => info !== undefined);
  }
  const { stdout } = await promisify(execFile)('ps', ['-axo', 'pid=,ppid=,pgid=,rss=,stat=,args='], {
    maxBuffer: 1 << 26,
  });
  return stdout.split('\n').flatMap((line) => {
    const [, pid, parentPid, groupId, rssKiB, state, command] =
      /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
    if (command === undefined || state?.startsWith('Z')) return [];
    const rssBytes = Number(rssKiB) * 1024;
    return [{ pid: Number(pid), parentPid: Number(parentPid), groupId: Number(groupId), rssBytes, command }];
  });
}

function treeOf(rootPid: number, all: readonly ProcessInfo[]): ProcessInfo[] {
  const tree = new Set([rootPid]);
  let grown = true;
  while (grown) {
    grown = false;
    for (const { pid, parentPid, groupId } of all) {
      // Chromium's crash handler is re-parented to init but stays in the group that the browser leads.
      if (tree.has(pid) || !(tree.has(parentPid) || groupId === rootPid)) continue;
      tree.add(pid);
      grown = true;
    }
  }
  return all.filter(({ pid }) => tree.has(pid));
}

/** Ids of the living processes of the tree under `rootPid`, itself included. */
export async function processTree(rootPid: number): Promise<number[]> {
  return treeOf(rootPid, await listProcesses()).map(({ pid }) => pid);
}

/** Of these, those that the kernel knows by `name` (15 characters of it), the oldest first. Linux only. */
export async function treeNamed(rootPid: number, name: string): Promise<number[]> {
  const pids = (await processTree(rootPid)).toSorted((a, b) => a - b);
  const names = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')));
  return pids.filter((_, index) => names[index]?.trim() === name.slice(0, 15));
}

/** The process below this one that leads its own group and was started with `argument`; undefined if there is none. */
export async function findChild(argument: string): Promise<number | undefined> {
  const tree = treeOf(process.pid, await listProcesses());
  return tree.find(({ pid, groupId, command }) => pid === groupId && command.includes(argument))?.pid;
}

/** SIGKILL for the whole tree, as a crash or an empty battery would; resolves once none of it lives. */
export async function killTree(rootPid: number): Promise<void> {
  const doomed = new Set([rootPid, ...(await processTree(rootPid))]);
  const limitMs = Date.now() + KILL_LIMIT_MS;
  for (;;) {
    for (const pid of doomed) signal(pid);
    const living = (await listProcesses()).filter(({ pid, groupId }) => doomed.has(pid) || groupId === rootPid);
    if (living.length === 0) return;
    for (const { pid } of living) doomed.add(pid);
    if (Date.now() > limitMs) throw new Error(`Processes survived SIGKILL: ${living.map(({ pid }) => pid).join(', ')}`);
    await delay(10);
  }
}

function signal(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Gone already.
  }
}

/** Memory of the tree under `rootPid` now; 0 bytes and 0 processes once it is gone. */
export async function processTreeMemory(rootPid: number): Promise<TreeMemory> {
  const tree = treeOf(rootPid, await listProcesses());
  const shares = await Promise.all(tree.map(({ pid }) => readShare(pid)));
  const measured = shares.filter((share) => share !== undefined);
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  // A process may end between the two looks; only if none can be read is PSS unavailable here.
  if (measured.length === 0)
    return { bytes: sum(tree.map(({ rssBytes }) => rssBytes)), kind: 'rss', processes: tree.length, ownBytes: 0 };
  return {
    bytes: sum(measured.map(({ bytes }) => bytes)),
    kind: 'pss',
    processes: measured.length,
    ownBytes: sum(measured.map(({ ownBytes }) => ownBytes)),
  };
}

async function readShare(pid: number): Promise<Pick<TreeMemory, 'bytes' | 'ownBytes'> | undefined> {
  try {
    const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
    const field = (name: string) => new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1];
    const pssKiB = field('Pss');
    // Kernels before 5.9 do not split it.
    const fileKiB = field('Pss_File') ?? 0;
    if (pssKiB === undefined) return undefined;
    return { bytes: Number(pssKiB) * 1024, ownBytes: (Number(pssKiB) - Number(fileKiB)) * 1024 };
  } catch {
    return undefined;
  }
}
