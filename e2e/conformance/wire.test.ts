// What the wire does to an answer is what it says it does.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { Wire } from './wire.js';

test('an answer that is cut gives its first half, once, and then fails', async () => {
  const server = createServer((_, response) => response.end('0123456789'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const wire = new Wire({
    nowMs: () => 0,
    strike: () => ({ type: 'torn' }),
    restart: async () => {},
    limitBytes: Infinity,
    hidesHeaders: false,
    answersWithinMs: 10_000,
    onTaken: () => {},
    onEntry: () => {},
  });
  onTestFinished(() => wire.close());
  const response = await wire.fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  // As http.ts reads, which wants more than there is.
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  const toTheEnd = async () => {
    while (text.length < 100) text += (await reader?.read())?.value;
  };
  await expect(toTheEnd()).rejects.toThrow('terminated');
  expect(text).toBe('01234');
});
