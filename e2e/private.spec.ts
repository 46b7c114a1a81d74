// A private window keeps nothing when it is closed. Until then it delivers like any other.
import { join } from 'node:path';
import { makeFile } from './harness/files.js';
import { untilDelivered } from './harness/fixtures.js';
import { choose, EVERY_ENGINE, enqueueChosen, expect, openLab, shown, test } from './pages/fixtures.js';

test(
  'in a private window, a small and a large file are delivered',
  EVERY_ENGINE,
  async ({ open, link, server, filesDir }) => {
    const files = [
      await makeFile(join(filesDir, 'small.jpg'), 10_000, 1),
      await makeFile(join(filesDir, 'large.jpg'), 8_000_000, 2),
    ];
    const { page, close } = await open({ private: true });
    await openLab(page, link.origin);
    await choose(page, files);
    expect((await enqueueChosen(page)).rejected).toEqual([]);
    await untilDelivered(server, files);
    await expect.poll(() => shown(page)).toEqual({ 'small.jpg': 'completed', 'large.jpg': 'completed' });

    // It was private indeed.
    await close();
    const again = await open({ private: true });
    await openLab(again.page, link.origin);
    expect(await shown(again.page)).toEqual({});
  },
);
