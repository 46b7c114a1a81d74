// Owns one question: which Chromium do the tests run? Named by hand, found on the system, or installed, in this order.
// Knows nothing of how it is launched.
import { execFile, spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { chromium } from 'playwright';

/** What the decision asks of the machine; a test gives its own. */
export interface ChromiumProbes {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Undefined if `path` is a browser that starts, else why not. */
  readonly fault: (path: string) => Promise<string | undefined>;
  readonly isDebianRoot: () => Promise<boolean>;
  /** Where Playwright keeps, or would keep, its own. */
  readonly playwrightPath: () => string;
  /** Runs an installer; rejects with the end of its output. */
  readonly run: (command: string, args: readonly string[]) => Promise<void>;
}

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'] as const;
const PLACES = [
  ...NAMES.map((name) => `/usr/bin/${name}`),
  ...NAMES.map((name) => `/usr/local/bin/${name}`),
  '/snap/bin/chromium',
  '/opt/google/chrome/chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/opt/homebrew/bin/chromium',
] as const;

/** Path of a Chromium that starts. Global setup puts it in `CHROMIUM_PATH`, so that workers need not look again. */
export async function findChromium(probes: ChromiumProbes = machine): Promise<string> {
  const named = probes.env['CHROMIUM_PATH'];
  if (named !== undefined && named !== '') {
    const fault = await probes.fault(named);
    if (fault === undefined) return named;
    throw new Error(`CHROMIUM_PATH is ${named}, which can not be used: ${fault}. Correct it or unset it.`);
  }

  const found = await firstUsable([...candidates(probes.env['PATH'] ?? ''), probes.playwrightPath()], probes);
  if (found.path !== undefined) return found.path;

  const installed = await install(probes);
  if (installed.path !== undefined) return installed.path;
  throw new Error(
    [
      'No Chromium for the end-to-end tests.',
      '(a) CHROMIUM_PATH: not set. Set it to the executable of a Chromium or Chrome.',
      `(b) installed on this system: ${found.faults.join('; ') || `none (${NAMES.join(', ')})`}.`,
      `(c) installing one: ${installed.faults.join('; ')}.`,
    ].join('\n'),
  );
}

function candidates(path: string): string[] {
  const directories = path.split(delimiter).filter((directory) => directory !== '');
  const onPath = NAMES.flatMap((name) => directories.map((directory) => join(directory, name)));
  return [...new Set([...onPath, ...PLACES])];
}

interface Search {
  readonly path?: string;
  readonly faults: readonly string[];
}

const MISSING = 'no such file';

async function firstUsable(paths: readonly string[], probes: ChromiumProbes): Promise<Search> {
  const faults: string[] = [];
  for (const path of paths) {
    const fault = await probes.fault(path);
    if (fault === undefined) return { path, faults };
    if (fault !== MISSING) faults.push(`${path}: ${fault}`);
  }
  return { faults };
}

async function install(probes: ChromiumProbes): Promise<Search> {
  const faults: string[] = [];
  const attempt = async (name: string, commands: readonly (readonly [string, ...string[]])[], path: () => string[]) => {
    try {
      for (const [command, ...args] of commands) await probes.run(command, args);
    } catch (error) {
      faults.push(`${name} failed: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
    const search = await firstUsable(path(), probes);
    if (search.path === undefined) {
      faults.push(`${name} ended well but left no usable browser${search.faults.map((f) => ` (${f})`).join('')}`);
    }
    return search.path;
  };

  if (await probes.isDebianRoot()) {
    const packages = ['install', '-y', '--no-install-recommends', 'chromium'];
    const path = await attempt(
      'apt-get',
      [
        ['apt-get', 'update'],
        ['apt-get', ...packages],
      ],
      () => candidates(probes.env['PATH'] ?? ''),
    );
    if (path !== undefined) return { path, faults };
  } else {
    faults.push('apt-get not tried (needs root on Debian or Ubuntu)');
  }
  // Playwright's own download; the same as `npx playwright install chromium`, without a look at the registry.
  const cli = join(dirname(createRequire(import.meta.url).resolve('playwright/package.json')), 'cli.js');
  const path = await attempt(
    'npx playwright install chromium',
    [[process.execPath, cli, 'install', 'chromium']],
    () => [probes.playwrightPath()],
  );
  return path === undefined ? { faults } : { path, faults };
}

/** The real machine. */
const machine: ChromiumProbes = {
  env: process.env,
  async fault(path) {
    try {
      await access(path, constants.F_OK);
    } catch {
      return MISSING;
    }
    try {
      await access(path, constants.X_OK);
      // Ubuntu's /usr/bin/chromium-browser may be a stub that only says "install the snap"; it exits with 1.
      await promisify(execFile)(path, ['--version'], { timeout: 30_000 });
      return undefined;
    } catch (error) {
      return (error instanceof Error ? error.message : String(error)).trim().slice(0, 300);
    }
  },
  async isDebianRoot() {
    if (process.getuid?.() !== 0) return false;
    return access('/etc/debian_version').then(
      () => true,
      () => false,
    );
  },
  playwrightPath: () => chromium.executablePath(),
  run(command, args) {
    console.log(`Installing Chromium: ${command} ${args.join(' ')}`);
    return new Promise((resolve, reject) => {
      const child = spawn(command, [...args], {
        env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let tail = '';
      const keep = (data: Buffer) => {
        tail = (tail + data.toString()).slice(-500);
      };
      child.stdout.on('data', keep);
      child.stderr.on('data', keep);
      child.on('error', reject);
      child.on('close', (code) => (code === 0 ? resolve() : reject(new Error(`exit code ${code}: ${tail.trim()}`))));
    });
  },
};
