import { describe, expect, test } from 'vitest';
import { type ErrorCode, errorCodes, fromWire, isWireError, toWire, UploadError, whole } from './errors.js';

describe('an error crosses the wire', () => {
  test.each(errorCodes)('%s, with all it says', (code) => {
    const error = new UploadError(code, 'What, and what to do.', {
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

describe('a message that the worker began', () => {
  test.each<[ErrorCode, string, string]>([
    ['not-a-file', '"a.jpg"', '"a.jpg" is no File or Blob.'],
    ['unknown-endpoint', '"photos"', '"photos" is no endpoint of installBackhaul(). Correct it, then retry.'],
    [
      'quota-exceeded',
      '"a.jpg" needs 2 MB, 1 MB free',
      '"a.jpg" needs 2 MB, 1 MB free. Free some space, then try again.',
    ],
    ['bytes-lost', '"a.jpg"', '"a.jpg" was lost by the browser. Add it again: it goes on where it stands.'],
    ['unauthorized', '/upload answered 401', '/upload answered 401. Sign in, then resume.'],
    ['refused', '/upload answered 422 (no)', '/upload answered 422 (no). Correct it, then retry.'],
    ['network', '/upload is out of reach', '/upload is out of reach. It is tried again.'],
  ])('%s is ended by the page', (code, message, expected) => {
    expect(whole({ code, message })).toEqual({ code, message: expected });
    expect(fromWire({ code, message }).message).toBe(expected);
  });

  test.each(errorCodes)('%s is left as it is if it is a sentence', (code) => {
    expect(whole({ code, message: 'All is said.' }).message).toBe('All is said.');
  });

  test('of a code that only a newer worker knows says what it says', () => {
    expect(whole({ code: 'too-new' as ErrorCode, message: 'What' }).message).toBe('What');
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
