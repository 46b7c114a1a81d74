import { describe, expect, test } from 'vitest';
import { envelope, openEnvelope, sharedName, WIRE_VERSION } from './messages.js';
import { isPending, isSettled, uploadStatuses } from './upload.js';

describe('an envelope', () => {
  test('is opened by either side, also of another version', () => {
    const sent = structuredClone(envelope({ type: 'tick' }));
    expect(openEnvelope(sent)).toEqual({ source: 'backhaul', wire: WIRE_VERSION, body: { type: 'tick' } });
    expect(openEnvelope({ ...sent, wire: 99 })?.wire).toBe(99);
    expect(openEnvelope({ source: 'backhaul', wire: 99 })?.body).toBeUndefined();
  });

  test.each([
    undefined,
    null,
    1,
    'backhaul',
    [],
    {},
    { source: 'backhaul' },
    { wire: 1 },
    { source: 'Backhaul', wire: 1 },
    { source: 'backhaul', wire: '1' },
  ])('is not seen in %j', (data) => expect(openEnvelope(data)).toBeUndefined());
});

describe('the name of a pair', () => {
  test.each([
    ['https://example.org/', 'backhaul:/'],
    ['https://example.org/app/', 'backhaul:/app/'],
    ['http://localhost:8080/app/', 'backhaul:/app/'],
    ['https://user@example.org:444/a/b', 'backhaul:/a/b'],
    ['https://example.org/a?x=//b/', 'backhaul:/a?x=//b/'],
    ['/app/', 'backhaul:/app/'],
  ])('of %j is %j', (scope, name) => {
    expect(sharedName(scope)).toBe(name);
  });

  test('differs between scopes of one origin, and not between worker and page', () => {
    const scopes = ['https://a/', 'https://a/x', 'https://a/x/', 'https://a/x/y'];
    expect(new Set(scopes.map(sharedName)).size).toBe(scopes.length);
  });
});

test('a status is settled, paused or pending', () => {
  for (const status of uploadStatuses) {
    expect([isSettled(status), isPending(status), status === 'paused'].filter(Boolean)).toHaveLength(1);
  }
});
