// What the tests of stopped workers rest upon: nothing of a life that has ended runs again, and no time waits for it.

import { expect, test } from 'vitest';
import { Life } from './life.js';
import { VirtualTime } from './virtual-time.js';

test('time goes on although a life ended while it read', async () => {
  const time = new VirtualTime();
  const life = new Life(1);
  const heard: string[] = [];
  life.run(() => new Blob(['bytes']).arrayBuffer().then(() => heard.push('read')));
  const slept = time.sleep(60_000).then(() => heard.push('slept'));
  await time.until('the stop', () => life.dead);
  await time.pass(60_000);
  await slept;
  expect(heard).toEqual(['slept']);
});
