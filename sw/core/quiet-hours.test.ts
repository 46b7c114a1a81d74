// Quiet hours by the device's own clock: over midnight, and over the change to summer time and back.

import { afterEach, expect, test } from 'vitest';
import { quietUntilMs } from './quiet-hours.js';

const zone = process.env['TZ'];
afterEach(() => {
  if (zone === undefined) delete process.env['TZ'];
  else process.env['TZ'] = zone;
});

const night = { from: '22:00', to: '07:00' };
const noon = { from: '12:30', to: '13:15' };

/** The end as a local time, so that a row can be read. */
function end(hours: typeof night, now: string, timeZone: string): string | undefined {
  process.env['TZ'] = timeZone;
  const endMs = quietUntilMs(hours, new Date(now).getTime());
  if (endMs === undefined) return undefined;
  const date = new Date(endMs);
  const two = (value: number) => String(value).padStart(2, '0');
  return `${date.getMonth() + 1}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}`;
}

test.each([
  [night, '2026-06-10T21:59:59', undefined],
  [night, '2026-06-10T22:00:00', '6-11 07:00'],
  [night, '2026-06-10T23:59:59', '6-11 07:00'],
  [night, '2026-06-11T00:00:00', '6-11 07:00'],
  [night, '2026-06-11T06:59:59', '6-11 07:00'],
  [night, '2026-06-11T07:00:00', undefined],
  [night, '2026-12-31T23:00:00', '1-01 07:00'],
  [noon, '2026-06-10T12:29:59', undefined],
  [noon, '2026-06-10T12:30:00', '6-10 13:15'],
  [noon, '2026-06-10T13:15:00', undefined],
  // Europe/Berlin: an hour is left out on March 29, and comes twice on October 25.
  [night, '2026-03-28T23:00:00', '3-29 07:00'],
  [night, '2026-10-24T23:00:00', '10-25 07:00'],
  // Begins in the hour that is left out.
  [{ from: '02:30', to: '04:00' }, '2026-03-29T03:45:00', '3-29 04:00'],
] as const)('%j at %s: until %s', (hours, now, expected) => {
  expect(end(hours, now, 'Europe/Berlin')).toBe(expected);
});

test('the end is never now or earlier, so that nobody waits for it twice', () => {
  process.env['TZ'] = 'Europe/Berlin';
  const startMs = new Date('2026-03-20T00:00:00').getTime();
  for (const hours of [night, noon, { from: '00:00', to: '23:59' }, { from: '02:10', to: '02:50' }]) {
    for (let nowMs = startMs; nowMs < startMs + 14 * 86_400_000; nowMs += 600_000) {
      expect(quietUntilMs(hours, nowMs) ?? Infinity).toBeGreaterThan(nowMs);
    }
  }
});
