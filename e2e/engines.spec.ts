// What the engines offer is what offers.ts says, and so what the README's table says.
import { offers } from './engines/offers.js';
import { EVERY_ENGINE, expect, openLab, test } from './pages/fixtures.js';

test(
  'the worker runs, and the browser offers what its column says',
  EVERY_ENGINE,
  async ({ open, link, engine }, info) => {
    const { page } = await open();
    await openLab(page, link.origin);
    for (const { what, where, path, by } of offers) {
      const seen = await page.evaluate(([side, names]) => window.lab.offers(side, names), [where, path] as const);
      expect(seen, what).toBe(by.includes(engine));
      info.annotations.push({ type: 'offers', description: JSON.stringify([what, seen ? 'yes' : 'no: not offered']) });
    }
  },
);
