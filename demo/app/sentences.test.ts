// The page may say only what is known.
import { describe, expect, it } from 'vitest';
import { UploadError, type UploadState } from '../../src/index.js';
import { batchOf, factsOf } from './facts.js';
import { attentionWords, errorWords, sharedWords, statusSentence, tileWords, totalWords } from './sentences.js';
import { upload, uploads } from './uploads.fixture.js';

const queued: UploadState = { status: 'queued' };
const done: UploadState = { status: 'completed', atMs: 200 };
const failed = (code: 'refused' | 'file-unreadable'): UploadState => ({
  status: 'failed',
  error: { code, message: '' },
});
const lost: UploadState = { status: 'lost', error: { code: 'bytes-lost', message: '' } };
const nothing = { count: 0, medium: 'photo' } as const;
const sentence = (list: Parameters<typeof factsOf>[0]) => statusSentence(factsOf(list), nothing);

describe('the status line', () => {
  it.each([
    ['nothing', [], 'No photos are waiting on this device'],
    ['one', uploads(1, queued), '1 photo is safe on this device'],
    [
      'some delivered',
      [...uploads(72, queued), ...uploads(12, done)],
      '72 photos are safe on this device, 12 more are delivered',
    ],
    [
      'one delivered',
      [...uploads(2, queued), ...uploads(1, done)],
      '2 photos are safe on this device, 1 more is delivered',
    ],
    ['all delivered', uploads(3, done), 'Everything is delivered'],
    ['refused ones are still here', uploads(2, failed('refused')), '2 photos are safe on this device'],
    ['paused ones too', uploads(2, { status: 'paused' }), '2 photos are safe on this device'],
    ['cancelled ones are not', uploads(2, { status: 'cancelled', atMs: 1 }), 'No photos are waiting on this device'],
    ['thousands', uploads(1200, queued), '1,200 photos are safe on this device'],
  ])('%s', (_name, list, text) => expect(sentence(list)).toBe(text));

  it('never calls everything delivered while something was lost', () => {
    expect(sentence([...uploads(3, done), upload(lost)])).toBe('1 photo needs to be added again, 3 more are delivered');
  });

  it('never calls unreadable bytes safe', () => {
    expect(sentence([upload(failed('file-unreadable')), ...uploads(2, queued)])).toBe(
      '2 photos are safe on this device',
    );
  });

  it('asks to keep the page open until everything handed over is durable', () => {
    const text = statusSentence(factsOf(uploads(5, queued)), { count: 34, medium: 'photo' });
    expect(text).toBe('Storing 34 photos on this device… keep this page open');
  });

  it('names videos and mixtures by what they are', () => {
    const video = upload(queued, { type: 'video/mp4' });
    expect(sentence([video])).toBe('1 video is safe on this device');
    expect(sentence([video, upload(queued)])).toBe('2 photos and videos are safe on this device');
    expect(sentence([video, upload(queued, { type: '', name: 'a.txt' })])).toBe('2 files are safe on this device');
    expect(sentence([upload(queued, { type: '', name: 'a.HEIC' })])).toBe('1 photo is safe on this device');
  });
});

describe('what needs the reader', () => {
  it('is empty while nothing does', () => expect(attentionWords(factsOf(uploads(3, queued)))).toBe(''));

  it('counts refusals and losses apart', () => {
    const facts = factsOf([...uploads(2, failed('refused')), upload(lost), upload(failed('file-unreadable'))]);
    expect(attentionWords(facts)).toBe('2 photos could not be delivered · 2 photos are gone from this device');
  });
});

describe('the total', () => {
  const speed = { bytesPerSecond: 500, remainingMs: 4000 };

  it('says how far, how fast and how long', () => {
    const list = [upload(queued), upload({ status: 'uploading' }, { acknowledgedBytes: 500 })];
    expect(totalWords(batchOf(list), speed, factsOf(list))).toBe('500 B of 2.0 kB delivered · 500 B/s · 4 s left');
  });

  it('promises no time while everything is paused', () => {
    const list = uploads(2, { status: 'paused' });
    expect(totalWords(batchOf(list), speed, factsOf(list))).toBe('0 B of 2.0 kB delivered · paused');
  });

  it('starts over with the next batch: what was delivered before it was added does not count', () => {
    const list = [upload({ status: 'completed', atMs: 50 }), upload(done), upload(queued)];
    expect(batchOf(list)).toEqual({ sizeBytes: 2000, acknowledgedBytes: 1000 });
  });

  it('is silent when there is nothing to do', () => {
    expect(totalWords(batchOf([]), speed, factsOf(uploads(2, done)))).toBe('');
  });
});

describe('one photo', () => {
  it.each([
    [upload(queued), 'Safe, waits its turn'],
    [upload({ status: 'uploading' }, { acknowledgedBytes: 420 }), '42 %'],
    [upload({ status: 'uploading' }, { acknowledgedBytes: 420, remainingMs: 8000 }), '42 % · 8 s left'],
    [upload({ status: 'waiting', reason: 'offline' }), 'Safe, waits for the network'],
    [upload({ status: 'paused' }, { acknowledgedBytes: 420 }), 'Paused at 42 %'],
    [upload(failed('refused')), 'The server refused it. It is kept here.'],
  ])('%#', (snapshot, text) => expect(tileWords(snapshot)).toBe(text));

  it('says how much room a file needs, and how much there is', () => {
    const refusal = (message: string) => errorWords(new UploadError('quota-exceeded', message));
    expect(refusal('"a "needs b.jpg" needs 812 MB, 430 MB free. Free some space, then try again.')).toBe(
      'Needs 812 MB, 430 MB free. Free some space, then try again.',
    );
    expect(refusal('No room on this device. Free some space, then try again.')).toMatch(/^No room/);
  });

  it('falls back to the message of an error that it has no better words for', () => {
    expect(errorWords(new UploadError('storage-failed', 'The disk is tired.'))).toBe('The disk is tired.');
    expect(errorWords(new UploadError('refused', 'x', { httpStatus: 422 }))).toContain('(422)');
  });
});

describe('what became of a share', () => {
  it.each([
    [{ accepted: 3, refused: 0, code: undefined }, '3 photos shared, safe on this device.'],
    [{ accepted: 1, refused: 0, code: undefined }, '1 photo shared, safe on this device.'],
    [
      { accepted: 2, refused: 1, code: 'quota-exceeded' },
      '2 photos shared, safe on this device. 1 file was not added: there is no room for so much at once.',
    ],
    [
      { accepted: 0, refused: 2, code: 'file-changed' },
      '2 files were not added: it could not be read. Share it again.',
    ],
    [{ accepted: 0, refused: 0, code: 'quota-exceeded' }, 'Nothing was added: there is no room for so much at once.'],
    [{ accepted: 0, refused: 0, code: 'invalid-message' }, 'Nothing was added: it could not be read. Share it again.'],
    [{ accepted: 0, refused: 0, code: undefined }, 'Only photos and videos can be shared here.'],
  ])('%j', (shared, words) => {
    expect(sharedWords(shared, 'photo')).toBe(words);
  });
});
