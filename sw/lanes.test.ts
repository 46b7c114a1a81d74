import { expect, test } from 'vitest';
import { createLanes } from './lanes.js';

const never = () => new AbortController().signal;

/** Takes lanes one after another, and notes who has entered. */
function corridor(count: number) {
  const take = createLanes(count);
  const entered: string[] = [];
  const leave = new Map<string, () => void>();
  return {
    entered,
    async ask(name: string, extra = false, signal = never()) {
      leave.set(name, await take(signal, extra));
      entered.push(name);
    },
    async leave(name: string) {
      leave.get(name)?.();
      await Promise.resolve();
      await Promise.resolve();
      await Promise.resolve();
    },
  };
}

test('no more enter than there are lanes; then one for each that leaves, in the order of their coming', async () => {
  const { ask, leave, entered } = corridor(2);
  for (const name of ['a', 'b', 'c', 'd']) void ask(name);
  await leave('nobody');
  expect(entered).toEqual(['a', 'b']);
  await leave('a');
  expect(entered).toEqual(['a', 'b', 'c']);
  await leave('c');
  expect(entered).toEqual(['a', 'b', 'c', 'd']);
});

test('further parts of an upload come after uploads that wait for their first lane', async () => {
  const { ask, leave, entered } = corridor(1);
  void ask('a');
  void ask('part', true);
  void ask('b');
  await leave('nobody');
  await leave('a');
  expect(entered).toEqual(['a', 'b']);
  await leave('b');
  expect(entered).toEqual(['a', 'b', 'part']);
});

test('who is stopped while waiting is passed over, and a free lane is for whoever asks next', async () => {
  const { ask, leave, entered } = corridor(1);
  const stop = new AbortController();
  void ask('a');
  const waiting = ask('b', false, stop.signal);
  await leave('nobody');
  stop.abort();
  await expect(waiting).rejects.toThrow();
  await leave('a');
  await ask('c');
  expect(entered).toEqual(['a', 'c']);
  await expect(ask('late', false, stop.signal)).rejects.toThrow();
});
