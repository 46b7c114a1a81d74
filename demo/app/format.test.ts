// Numbers and names as people read them.
import { describe, expect, it } from 'vitest';
import { extensionOf, formatBytes, formatDuration, percentOf, pictureKey, splitName } from './format.js';

describe('formatBytes', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [12_345, '12 kB'],
    [999_600, '1.0 MB'],
    [9_949_000, '9.9 MB'],
    [9_960_000, '10 MB'],
    [4_200_000_000, '4.2 GB'],
    [-5, '0 B'],
  ])('%d is %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text));
});

describe('formatDuration', () => {
  it.each([
    [0, '0 s'],
    [-200, '0 s'],
    [3001, '4 s'],
    [61_000, '61 s'],
    [90_000, '2 min'],
    [600_000, '10 min'],
    [3_600_000, '1 h'],
    [7_500_000, '2 h 5 min'],
  ])('%d ms is %s', (ms, text) => expect(formatDuration(ms)).toBe(text));
});

describe('percentOf', () => {
  it('says 100 only when every byte is there', () => {
    expect(percentOf(999_999, 1_000_000)).toBe(99);
    expect(percentOf(1_000_000, 1_000_000)).toBe(100);
  });

  it('is 0 for an empty file, which has no progress', () => expect(percentOf(0, 0)).toBe(0));
});

describe('extensionOf', () => {
  it.each([
    ['IMG_1.heic', '', 'HEIC'],
    ['clip', 'video/mp4', 'MP4'],
    ['clip', 'video/x-matroska', 'MATRO'],
    ['no-extension', '', 'FILE'],
    ['holiday.of.the.year', 'image/png', 'YEAR'],
  ])('%s (%s) is %s', (name, type, text) => expect(extensionOf(name, type)).toBe(text));
});

describe('splitName', () => {
  it.each([
    ['IMG_2025_4103.jpg', 'IMG_2025', '_4103.jpg'],
    ['صورة 12.jpg', 'صورة ', '12.jpg'],
    ['a.jpg', 'a.jpg', ''],
    ['', '', ''],
    ['写真', '写真', ''],
  ])('%s', (name, head, tail) => expect(splitName(name)).toEqual({ head, tail }));

  it('never loses a character', () => {
    for (const name of ['👩‍👩‍👧 family.jpg', 'é́́.png', 'x'.repeat(300)]) {
      const { head, tail } = splitName(name);
      expect(head + tail).toBe(name);
    }
  });
});

it('tells two versions of one file apart', () => {
  const file = { name: 'a.jpg', sizeBytes: 1, lastModifiedMs: 2 };
  expect(pictureKey(file)).not.toBe(pictureKey({ ...file, lastModifiedMs: 3 }));
});
