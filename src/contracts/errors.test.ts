import { describe, expect, test } from 'vitest';
import { errorCodes, fromWire, isWireError, toWire, UploadError } from './errors.js';

describe('an error crosses the wire', () => {
  test.each(errorCodes)('%s, with all it says', (code) => {
    const error = new UploadError(code, 'what and what to do', {
      uploadId: 'u',
      httpStatus: 503,
      cause: new Error('x'),
    });
    const back = fromWire(structuredClone(toWire(error)));
    expect(back).toBeInstanceOf(UploadError);
    expect(back).toMatchObject({ name: 'UploadError', code, message: error.message, uploadId: 'u', httpStatus: 503 });
    expect(toWire(back)).toEqual(toWire(error));
  });

  test('without what it does not know', () => {
    const back = fromWire(structuredClone(toWire(new UploadError('network', 'm'))));
    expect([back.uploadId, back.httpStatus, back.cause]).toEqual([undefined, undefined, undefined]);
  });

  test('as plain data, whatever its cause is', () => {
    const wire = toWire(new UploadError('network', 'm', { cause: () => {} }));
    expect(JSON.parse(JSON.stringify(wire))).toEqual({ code: 'network', message: 'm' });
  });

  test.each<[string, unknown, string]>([
    ['an Error', new TypeError('no'), 'TypeError: no'],
    ['a DOMException', new DOMException('full', 'QuotaExceededError'), 'QuotaExceededError: full'],
    ['text', 'no', 'no'],
    ['nothing', undefined, 'undefined'],
    ['null', null, 'null'],
  ])('%s that is not ours becomes one that is, with its text', (_, cause, message) => {
    expect(toWire(cause)).toEqual({ code: 'storage-failed', message });
  });
});

test('codes are one list without doubles', () => {
  expect(new Set(errorCodes).size).toBe(errorCodes.length);
});

test.each<[unknown, boolean]>([
  [{ code: 'network', message: 'm' }, true],
  [toWire(new UploadError('locked', 'm', { uploadId: 'u' })), true],
  [{ code: 'network' }, false],
  [{ message: 'm' }, false],
  [{ code: 7, message: 'm' }, false],
  [{ code: 'network', message: 7 }, false],
  [null, false],
  [undefined, false],
  ['network', false],
  [[], false],
])('isWireError(%j) is %s', (value, expected) => {
  expect(isWireError(value)).toBe(expected);
});
