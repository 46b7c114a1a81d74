// The order in which a Chromium is looked for, with a machine made of plain data.
import { describe, expect, it } from 'vitest';
import { type ChromiumProbes, findChromium } from './chromium.js';

function fakeMachine(options: {
  env?: Record<string, string>;
  usable?: string[];
  broken?: Record<string, string>;
  debianRoot?: boolean;
  onRun?: (commandLine: string, usable: Set<string>) => void;
}) {
  const usable = new Set(options.usable);
  const runs: string[] = [];
  const probes: ChromiumProbes = {
    env: { PATH: '/one:/two', ...options.env },
    fault: async (path) => (usable.has(path) ? undefined : (options.broken?.[path] ?? 'no such file')),
    isDebianRoot: async () => options.debianRoot ?? false,
    playwrightPath: () => '/playwright/chrome',
    run: async (command, args) => {
      const line = [command, ...args].join(' ');
      runs.push(line);
      options.onRun?.(line, usable);
    },
  };
  return { probes, runs };
}

describe('findChromium', () => {
  it('takes CHROMIUM_PATH before anything else', async () => {
    const { probes, runs } = fakeMachine({ env: { CHROMIUM_PATH: '/mine' }, usable: ['/mine', '/one/chromium'] });
    expect(await findChromium(probes)).toBe('/mine');
    expect(runs).toEqual([]);
  });

  it('refuses a CHROMIUM_PATH that can not be used, rather than taking another browser', async () => {
    const { probes } = fakeMachine({ env: { CHROMIUM_PATH: '/mine' }, usable: ['/one/chromium'] });
    await expect(findChromium(probes)).rejects.toThrow(/CHROMIUM_PATH is \/mine.*no such file/);
  });

  it.each([
    [['/two/google-chrome', '/two/chromium', '/playwright/chrome'], '/two/chromium'],
    [['/two/google-chrome', '/usr/bin/chromium'], '/two/google-chrome'],
    [['/usr/bin/chromium', '/playwright/chrome'], '/usr/bin/chromium'],
    [['/playwright/chrome'], '/playwright/chrome'],
  ])('of %j on the system it takes %s and installs nothing', async (usable, expected) => {
    const { probes, runs } = fakeMachine({ usable, debianRoot: true });
    expect(await findChromium(probes)).toBe(expected);
    expect(runs).toEqual([]);
  });

  it('passes over a stub that does not start', async () => {
    const { probes } = fakeMachine({ broken: { '/one/chromium': 'needs snap' }, usable: ['/two/chromium'] });
    expect(await findChromium(probes)).toBe('/two/chromium');
  });

  it('installs with apt-get as root on Debian', async () => {
    const { probes, runs } = fakeMachine({
      debianRoot: true,
      onRun: (line, usable) => line.startsWith('apt-get install') && usable.add('/usr/bin/chromium'),
    });
    expect(await findChromium(probes)).toBe('/usr/bin/chromium');
    expect(runs).toEqual(['apt-get update', 'apt-get install -y --no-install-recommends chromium']);
  });

  it('falls back on the download of Playwright where apt-get fails or is not for us', async () => {
    for (const debianRoot of [true, false]) {
      const { probes, runs } = fakeMachine({
        debianRoot,
        onRun: (line, usable) => {
          if (line.startsWith('apt-get')) throw new Error('exit code 100');
          usable.add('/playwright/chrome');
        },
      });
      expect(await findChromium(probes)).toBe('/playwright/chrome');
      expect(runs.at(-1)).toMatch(/cli\.js install chromium$/);
    }
  });

  it('names all three ways, and what happened, in one error', async () => {
    const { probes } = fakeMachine({
      debianRoot: true,
      broken: { '/one/chromium': 'needs snap' },
      onRun: (line) => {
        throw new Error(line.startsWith('apt-get') ? 'no mirror' : 'no download');
      },
    });
    await expect(findChromium(probes)).rejects.toThrow(
      /\(a\) CHROMIUM_PATH: not set[\s\S]*\(b\).*needs snap[\s\S]*\(c\).*no mirror.*no download/,
    );
  });
});
