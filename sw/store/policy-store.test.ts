// What the user wants is kept apart from the uploads.

import 'fake-indexeddb/auto';
import { expect, test } from 'vitest';
import { createPolicyStore } from './policy-store.js';

let names = 0;
const newName = () => `policy-store-${++names}`;

test('a change leaves what it does not name, and what is undefined is forgotten', async () => {
  const name = newName();
  const store = createPolicyStore(name);
  expect(await store()).toEqual({});
  await store({ photos: { unmetered: true, quietHours: undefined }, papers: { unmetered: false } });
  await store({ a: true, papers: undefined });
  const all = { photos: { unmetered: true }, a: true };
  expect(await store()).toStrictEqual(all);
  expect(await createPolicyStore(name)()).toStrictEqual(all);
  expect(await store({ a: undefined, photos: undefined })).toStrictEqual({});
});

test('changes at once do not undo each other', async () => {
  const store = createPolicyStore(newName());
  await Promise.all(['a', 'b', 'c'].map((id) => store({ [id]: true })));
  expect(await store()).toEqual({ a: true, b: true, c: true });
});

test('holds nothing open, so that its database can be deleted at any time', async () => {
  const name = newName();
  const store = createPolicyStore(name);
  await store({ photos: { unmetered: true } });
  const deleted = indexedDB.deleteDatabase(`${name}:policies`);
  await new Promise((resolve, reject) => {
    deleted.onsuccess = resolve;
    deleted.onblocked = reject;
  });
  expect(await store()).toEqual({});
});
