// Where there is no service worker, the page runs the same loop: invariants 1 to 12 hold as long as one page is open, and
// from the next visit on.
import { join } from 'node:path';
import { WIRE_VERSION } from '../src/contracts/messages.js';
import { differenceOf } from './engines/differences.js';
import type { Tab } from './engines/engine.js';
import { makeFile, type SourceFile } from './harness/files.js';
import { untilDelivered, untilSent } from './harness/fixtures.js';
import type { Link } from './harness/link.js';
import {
  choose,
  EVERY_ENGINE,
  enqueueChosen,
  expect,
  expectCleanDelivery,
  openLab,
  shown,
  test,
} from './pages/fixtures.js';

test.use({ linkOptions: { uplinkBitsPerSecond: 20_000_000 } });

/** No script is there, so that no worker can be registered. */
const NO_WORKER = '/nothing-here.js';

let file: SourceFile;
test.beforeEach(async ({ filesDir }) => {
  file = await makeFile(join(filesDir, 'twenty.bin'), 20_000_000);
});

async function openWithoutWorker(tab: Tab, origin: string): Promise<void> {
  await openLab(tab, origin, NO_WORKER);
  expect(await tab.evaluate(() => window.lab.backhaul?.getSnapshot().host)).toBe('page');
}

/** Two tabs: the one that does not drive pauses, resumes, and takes over when the other is closed. */
async function shareTheWork(tabs: readonly [Tab, Tab], origin: string, link: Link): Promise<void> {
  const [driver, other] = tabs;
  await openWithoutWorker(driver, origin);
  await openWithoutWorker(other, origin);
  await choose(driver, [file]);
  await enqueueChosen(driver);
  await untilSent(link, 3_000_000);

  await other.evaluate(() => window.lab.backhaul?.pause());
  for (const tab of tabs) await expect.poll(() => shown(tab)).toEqual({ [file.name]: 'paused' });
  await other.evaluate(() => window.lab.backhaul?.resume());
  await untilSent(link, 8_000_000);

  await driver.close();
}

test(
  'without a worker, a reload goes on from the same byte',
  EVERY_ENGINE,
  async ({ open, link, server, engine }, info) => {
    const { page } = await open();
    await openWithoutWorker(page, link.origin);
    await choose(page, [file]);
    await enqueueChosen(page);
    await untilSent(link, 8_000_000);
    await page.reload();
    await untilDelivered(server, [file]);
    await expectCleanDelivery(server, differenceOf(engine, info.title) !== undefined);
    await expect.poll(() => shown(page)).toEqual({ [file.name]: 'completed' });
  },
);

test(
  'without a worker, one of two tabs drives, and the other takes over',
  EVERY_ENGINE,
  async ({ open, link, server, engine }, info) => {
    const { page, newPage } = await open();
    const other = await newPage();
    await shareTheWork([page, other], link.origin, link);
    await untilDelivered(server, [file]);
    await expectCleanDelivery(server, differenceOf(engine, info.title) !== undefined);
    await expect.poll(() => shown(other)).toEqual({ [file.name]: 'completed' });
  },
);

test('over http there are no Web Locks either: one of two tabs drives all the same', async ({
  launch,
  link,
  server,
}) => {
  const { page, newPage } = await launch({ args: ['--host-resolver-rules=MAP app.example 127.0.0.1'] });
  const other = await newPage();
  await shareTheWork([page, other], `http://app.example:${link.port}`, link);
  expect(await other.evaluate(() => [isSecureContext, 'locks' in navigator])).toEqual([false, false]);
  await untilDelivered(server, [file]);
  await expectCleanDelivery(server, false);
  await expect.poll(() => shown(other)).toEqual({ [file.name]: 'completed' });
});

test('headers that only pages know are asked of the page that uploads', async ({ launch, link, server }) => {
  link.setUplink(undefined);
  const { page } = await launch({ args: ['--host-resolver-rules=MAP app.example 127.0.0.1'] });
  await openWithoutWorker(page, `http://app.example:${link.port}`);
  await choose(page, [file]);
  await enqueueChosen(page, 'signed');
  await untilDelivered(server, [file]);
  const told = link.requests.filter(({ path }) => path.startsWith('/api/upload')).map((request) => request.headers);
  expect(told.length).toBeGreaterThan(0);
  for (const headers of told) expect(headers).toMatchObject({ 'x-told-by-page': 'signed' });
});

test('a question of another window gets no headers', async ({ launch, link }) => {
  const { page } = await launch();
  await openWithoutWorker(page, link.origin);
  const answered = await page.evaluate(async (wire) => {
    const question = { source: 'backhaul', wire, body: { type: 'headers', endpoint: 'photos' } };
    const heard: string[] = [];
    /** Resolves when its answer has come. */
    const ask = (who: string, send: (port: MessagePort) => void) =>
      new Promise<void>((resolve) => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = ({ data }) => {
          heard.push(`${who}: ${JSON.stringify(data.body)}`);
          resolve();
        };
        send(port2);
      });
    // All that other windows and frames can send here is a `message`.
    const asked = new Promise((resolve) => addEventListener('message', resolve, { once: true }));
    void ask('window', (port) => postMessage(question, '*', [port]));
    await asked;
    await ask('page', (port) => dispatchEvent(new MessageEvent('backhaul', { data: question, ports: [port] })));
    return heard;
  }, WIRE_VERSION);
  expect(answered).toEqual(['page: {"X-Told-By-Page":"photos"}']);
});

test('what the user wants holds up the tab that drives, whichever is told; another window cannot want anything', async ({
  launch,
  link,
  server,
}) => {
  const { context, page: driver } = await launch();
  const other = await context.newPage();
  for (const tab of [driver, other]) await openWithoutWorker(tab, link.origin);
  await choose(driver, [file]);
  await enqueueChosen(driver);
  await untilSent(link, 3_000_000);
  const quiet = await other.evaluate(async () => {
    const inHours = (hours: number) => new Date(Date.now() + hours * 3_600_000).toTimeString().slice(0, 5);
    const change = { quietHours: { from: inHours(-1), to: inHours(2) } };
    const { backhaul, setPolicy } = window.lab;
    return backhaul && { change, now: await setPolicy(backhaul, 'photos', change) };
  });
  expect(quiet?.now).toEqual(quiet?.change);
  for (const tab of [driver, other]) await expect.poll(() => shown(tab)).toEqual({ [file.name]: 'waiting' });

  // All that other windows and frames can send here is a `message`.
  await driver.evaluate(async () => {
    const heard = new Promise((resolve) => addEventListener('message', resolve, { once: true }));
    const message = { source: 'backhaul-policy-1', endpoint: 'photos', change: { quietHours: false } };
    postMessage(message, '*', [new MessageChannel().port2]);
    await heard;
  });
  const held = await other.evaluate(() => {
    const { backhaul, setPolicy } = window.lab;
    return backhaul && setPolicy(backhaul, 'photos', { unmetered: false });
  });
  expect(held).toEqual({ ...quiet?.change, unmetered: false });
  await expect.poll(() => shown(driver)).toEqual({ [file.name]: 'waiting' });

  await other.evaluate(() => {
    const { backhaul, setPolicy } = window.lab;
    return backhaul && setPolicy(backhaul, 'photos', { quietHours: undefined });
  });
  await untilDelivered(server, [file]);
  await expectCleanDelivery(server, false);
});
