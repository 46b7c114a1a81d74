import 'fake-indexeddb/auto';
import { deleteDB, openDB } from 'idb';
import { afterEach, expect, test } from 'vitest';
import { holdConnection } from './connection-lock.js';

const NAME = 'lock';
afterEach(() => deleteDB(NAME));

test('one at a time, each in its turn', async () => {
  let inside = 0;
  const order: number[] = [];
  const visit = (visitor: number) =>
    holdConnection(NAME, async () => {
      inside += 1;
      expect(inside).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 5));
      order.push(visitor);
      inside -= 1;
    });
  await Promise.all([1, 2, 3, 4, 5].map(visit));
  expect(order.toSorted()).toEqual([1, 2, 3, 4, 5]);
});

test('what fails inside lets go', async () => {
  await expect(holdConnection(NAME, () => Promise.reject(new Error('inside')))).rejects.toThrow('inside');
  let entered = false;
  await holdConnection(NAME, async () => {
    entered = true;
  });
  expect(entered).toBe(true);
});

test('waits as long as any connection is open', async () => {
  const other = await openDB(NAME);
  const entered = holdConnection(NAME, async () => {});
  const first = await Promise.race([entered.then(() => 'entered'), new Promise((resolve) => setTimeout(resolve, 50))]);
  expect(first).toBeUndefined();
  other.close();
  await entered;
});
