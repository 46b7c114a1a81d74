// Which of all the things that could be said is said.
import { describe, expect, it } from 'vitest';
import { UploadError, type UploadSnapshot, type UploadState, type WaitReason } from '../../src/index.js';
import { type Circumstances, chooseBanner } from './banner.js';
import { factsOf } from './facts.js';
import { uploads } from './uploads.fixture.js';

const nowMs = 1_000_000;
const waiting = (reason: WaitReason, inMs?: number): UploadState => ({
  status: 'waiting',
  reason,
  ...(inMs === undefined ? {} : { untilMs: nowMs + inMs }),
});

function choose(list: readonly UploadSnapshot[], over: Partial<Circumstances> = {}) {
  const given = { snapshot: { uploads: list }, facts: factsOf(list), online: true, nowMs, updateReady: false };
  return chooseBanner({ ...given, ...over });
}

describe('the banner', () => {
  it('says nothing while all is fine', () => {
    expect(choose([])).toBeUndefined();
    expect(choose(uploads(3, { status: 'uploading' }))).toBeUndefined();
  });

  it('asks to keep a window open where no worker sends, while there is something to send', () => {
    const inPage = (list: readonly UploadSnapshot[]) =>
      choose(list, { snapshot: { uploads: list, host: 'page' }, facts: factsOf(list) })?.text;
    expect(inPage(uploads(2, { status: 'uploading' }))).toBe(
      'Here, photos are sent only while a window of this app is open. 2 photos are safe on this device.',
    );
    expect(inPage(uploads(2, { status: 'completed', atMs: 1 }))).toBeUndefined();
  });

  it('says how many photos wait for the network', () => {
    expect(choose(uploads(12, { status: 'queued' }), { online: false })?.text).toBe(
      'You are offline. 12 photos are safe on this device and go on when the network is back.',
    );
    expect(choose(uploads(1, waiting('offline')))?.text).toBe(
      'You are offline. 1 photo is safe on this device and goes on when the network is back.',
    );
  });

  it('promises nothing about photos when there are none', () => {
    expect(choose([], { online: false })?.text).toContain('Photos that you add are kept on this device');
  });

  it('says nothing about what waits as its user wants it to, however long', () => {
    for (const reason of ['metered', 'battery', 'quiet-hours'] as const) {
      expect(choose(uploads(2, waiting(reason, 9 * 3_600_000)))).toBeUndefined();
    }
  });

  it('counts down to the next attempt of the first that tries again', () => {
    const list = [...uploads(1, waiting('backoff', 9000)), ...uploads(1, waiting('backoff', 3200))];
    expect(choose(list)).toEqual({
      kind: 'reconnecting',
      text: 'The server does not answer.',
      countdown: 'Trying again in 4 s.',
    });
  });

  it('keeps still while the attempt is under way', () => {
    const asking = uploads(1, { status: 'preparing' });
    expect(choose(asking, { previous: 'reconnecting' })?.countdown).toBe('Trying again now…');
    expect(choose(asking)).toBeUndefined();
  });

  it('leaves one photo that waits to its tile while others get through', () => {
    expect(choose([...uploads(1, waiting('backoff', 900)), ...uploads(1, { status: 'uploading' })])).toBeUndefined();
  });

  it('tells a server that asked for time from one that is silent', () => {
    expect(choose(uploads(1, waiting('server', 40_000)))).toMatchObject({
      kind: 'server',
      countdown: 'Trying again in 40 s.',
    });
  });

  it('offers to go on after a sign-in, whatever else waits', () => {
    const banner = choose([...uploads(1, waiting('backoff', 900)), ...uploads(2, waiting('auth'))]);
    expect(banner).toMatchObject({ kind: 'auth', action: { type: 'resume' } });
  });

  it('offers a reload when page and worker differ, before everything else', () => {
    const snapshot = { uploads: [], error: new UploadError('version-mismatch', '') };
    expect(choose([], { snapshot, online: false })?.action?.label).toBe('Reload to update');
  });

  it('mentions an update only when nothing else is to be said', () => {
    expect(choose([], { updateReady: true })?.kind).toBe('update');
    expect(choose([], { updateReady: true, online: false })?.kind).toBe('offline');
  });
});
