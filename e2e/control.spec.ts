// What a page asks of many uploads at once.
import { join } from 'node:path';
import { makeFile } from './harness/files.js';
import { choose, enqueueChosen, expect, openLab, shown, test } from './pages/fixtures.js';

test('more ids than one message takes: each is paused, and what is not here is named', async ({
  launch,
  link,
  filesDir,
}) => {
  const { page } = await launch();
  await openLab(page, link.origin);
  await link.refuse();
  await choose(page, await Promise.all(['a', 'b'].map((name) => makeFile(join(filesDir, name), 10))));
  await enqueueChosen(page);
  const code = await page.evaluate(async () => {
    const { backhaul } = window.lab;
    const [first, last] = backhaul?.getSnapshot().uploads.map(({ id }) => id) ?? [];
    const strangers = Array.from({ length: 2000 }, (_, index) => `stranger-${index}`);
    return backhaul?.pause([first, ...strangers, last] as never).catch(({ code }: { code: string }) => code);
  });
  expect(code).toBe('unknown-upload');
  await expect.poll(() => shown(page)).toEqual({ a: 'paused', b: 'paused' });
  const message = await page.evaluate(async () => {
    const id = window.lab.backhaul?.getSnapshot().uploads[0]?.id;
    return window.lab.backhaul?.pause([id] as never).catch((error: Error) => error.message);
  });
  expect(message).toBe('Cannot pause "a": it is paused.');
});
