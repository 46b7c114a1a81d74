// File names that want to be more than names: in the demo they are text wherever they are shown, nothing of them runs or
// is even tried, and on the server none of them becomes a path.
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Page } from 'playwright';
import { expect, test, workerReady } from './harness/fixtures.js';

const names = [
  '<img src=x onerror=hacked=1>.jpg',
  '"><script>hacked=1</script>.jpg',
  "' onmouseover='hacked=1.jpg",
  '{{hacked=1}}.jpg',
  'javascript:hacked=1',
  // Shown by a plain text as "photoexe.jpg".
  'photo\u202Egpj.exe',
  'two\r\nX-Hacked: 1\nlines.jpg',
  'nul\0.jpg',
  '../../hacked.jpg',
  '/etc/hacked.jpg',
  'C:\\hacked.jpg',
  '%2e%2e%2fhacked.jpg',
  '__proto__',
  '\ud800 half.jpg',
  `${'長'.repeat(246)}.jpg`,
  `${'a'.repeat(996)}.jpg`,
] as const;

/** As a drop would: through an input, names like these can come from a file system only in part. */
async function choose(page: Page, given: readonly string[]): Promise<string[]> {
  return page.evaluate((all) => {
    const transfer = new DataTransfer();
    for (const [index, name] of all.entries()) {
      const file = new File([`bytes ${index}`], name, { type: 'image/jpeg', lastModified: 1_700_000_000_000 });
      transfer.items.add(file);
    }
    const input = document.querySelector<HTMLInputElement>('#file-input');
    if (input === null) throw new Error('The demo has no input.');
    input.files = transfer.files;
    const chosen = [...transfer.files].map(({ name }) => name);
    input.dispatchEvent(new Event('change', { bubbles: true }));
    return chosen;
  }, given);
}

test('a hostile file name is text in the demo, runs nothing, and is no path on the server', async ({
  launch,
  link,
  dataDir,
}) => {
  const { page } = await launch();
  const said: string[] = [];
  page.on('dialog', (dialog) => void dialog.dismiss().then(() => said.push('a dialog')));
  page.on('pageerror', (error) => said.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && said.push(message.text()));
  // What the policy had to stop was no text.
  await page.addInitScript(() =>
    document.addEventListener('securitypolicyviolation', ({ violatedDirective }) => console.error(violatedDirective)),
  );
  await page.goto(link.origin);
  await page.locator('html[data-ready]').waitFor();
  await workerReady(page);
  await link.refuse();
  const chosen = await choose(page, names);
  const ran = () =>
    page.evaluate(() => 'hacked' in window || document.querySelector('[onerror], [onmouseover], [src="x"]') !== null);

  const tiles = page.locator('#queue [data-upload-id]');
  await expect(tiles).toHaveCount(names.length);
  const shown = await tiles.locator('.name').evaluateAll((all) => all.map(({ textContent }) => textContent));
  expect(shown.sort()).toEqual([...chosen].sort());
  const titles = await tiles.locator('.name').evaluateAll((all) => all.map((each) => each.getAttribute('title')));
  expect(titles.sort()).toEqual([...chosen].sort());
  expect(await ran()).toBe(false);
  expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
  said.length = 0;

  await link.accept();
  await page.evaluate(() => dispatchEvent(new Event('online')));
  await expect(tiles).toHaveCount(0, { timeout: 20_000 });
  await page.locator('#tab-delivered').click();
  const photos = page.locator('#gallery [data-photo-key] button');
  await expect(photos).toHaveCount(names.length);
  for (let nth = 0; nth < names.length; nth += 1) {
    const photo = photos.nth(nth);
    const name = await photo.getAttribute('title');
    await photo.click();
    await expect(page.locator('#lightbox-trouble')).toBeVisible();
    expect(await page.locator('#lightbox-name').textContent()).toBe(name);
    await page.locator('#lightbox-close').click();
  }
  expect(await ran()).toBe(false);
  expect(said).toEqual([]);

  const stored = await readdir(dataDir);
  expect(stored.filter((name) => !/^[0-9a-f]{64}\.(data|json)$/.test(name))).toEqual([]);
  expect(stored).toHaveLength(2 * names.length);
  for (const path of [join(dataDir, 'hacked.jpg'), join(dirname(dirname(dataDir)), 'hacked.jpg'), '/etc/hacked.jpg']) {
    expect(existsSync(path), path).toBe(false);
  }
});
