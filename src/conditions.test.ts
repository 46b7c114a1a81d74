// A page tells the worker when connection or battery change, and only then; and answers what the worker asks.

import { afterEach, expect, test, vi } from 'vitest';
import type { Backhaul } from './backhaul.js';
import { knownConditions, relayConditions } from './conditions.js';

afterEach(() => vi.unstubAllGlobals());

class Battery extends EventTarget {
  charging = false;
  level = 1;

  become(level: number, charging: boolean): void {
    Object.assign(this, { level, charging });
    this.dispatchEvent(new Event('levelchange'));
  }
}

class Connection extends EventTarget {
  type = 'wifi';
  saveData = false;

  become(type: string): void {
    this.type = type;
    this.dispatchEvent(new Event('change'));
  }
}

/** As the browser has them: shared by all that ask for them so. */
class Locks {
  readonly held = new Set<string>();

  async request(name: string, { signal }: { signal: AbortSignal }, task: () => Promise<void>): Promise<void> {
    await Promise.resolve();
    signal.throwIfAborted();
    this.held.add(name);
    await task();
    this.held.delete(name);
  }
}

function openPage(senses: object) {
  const locks = new Locks();
  vi.stubGlobal('navigator', { locks, ...senses });
  /** What a worker would find, each time that it is woken. */
  const found: boolean[] = [];
  const registration = { scope: 'https://app.example/photos/' };
  const wake = async () => void found.push(locks.held.has('backhaul:/photos/:battery-low'));
  const stop = relayConditions({ wake, registration } as unknown as Backhaul);
  return { found, stop, locks };
}

/** All that was begun has come to its end. */
const calm = () => new Promise((resolve) => setImmediate(resolve));

test('the worker is told of each change of the connection that matters, and of no other', () => {
  const connection = new Connection();
  const { found, stop } = openPage({ connection });
  expect(found).toHaveLength(1);
  connection.become('ethernet');
  expect(found).toHaveLength(1);
  connection.become('cellular');
  expect(found).toHaveLength(2);
  connection.become('wifi');
  expect(found).toHaveLength(3);
  stop();
  connection.become('cellular');
  expect(found).toHaveLength(3);
});

test('the worker is told when the battery is low and when no more, and finds it so', async () => {
  const battery = new Battery();
  const { found, stop, locks } = openPage({ getBattery: async () => battery });
  await calm();
  battery.become(0.16, false);
  await calm();
  expect(found).toEqual([false]);
  battery.become(0.15, false);
  await calm();
  battery.become(0.14, false);
  await calm();
  expect(found).toEqual([false, true]);
  battery.become(0.14, true);
  await calm();
  expect(found).toEqual([false, true, false]);
  battery.become(0.1, false);
  await calm();
  expect(found).toEqual([false, true, false, true]);
  stop();
  await calm();
  expect(locks.held.size).toBe(0);
});

test('a battery that is low already is told of; one that was low for a moment leaves nothing behind', async () => {
  const battery = new Battery();
  battery.level = 0.1;
  const { found, locks } = openPage({ getBattery: async () => battery });
  await calm();
  expect(found).toEqual([false, true]);
  battery.become(0.1, true);
  battery.become(0.1, false);
  battery.become(0.1, true);
  await calm();
  expect(locks.held.size).toBe(0);
  expect(found.at(-1)).toBe(false);
});

test.each([
  ['has none of it', {}],
  ['forbids the page to know', { getBattery: () => Promise.reject(new DOMException('no', 'NotAllowedError')) }],
])('a browser that %s: the battery is not low', async (_, senses) => {
  const { found, locks } = openPage(senses);
  await calm();
  expect(found).toEqual([false]);
  expect(locks.held.size).toBe(0);
});

test('what this browser tells', () => {
  const known = (senses: object) => {
    vi.stubGlobal('navigator', senses);
    return knownConditions();
  };
  expect(known({})).toEqual({ metered: false, saveData: false, battery: false });
  // Chromium on a desk, and on a phone.
  const getBattery = async () => new Battery();
  expect(known({ connection: { saveData: false }, getBattery })).toEqual({
    metered: false,
    saveData: true,
    battery: true,
  });
  expect(known({ connection: new Connection(), getBattery })).toEqual({ metered: true, saveData: true, battery: true });
});
