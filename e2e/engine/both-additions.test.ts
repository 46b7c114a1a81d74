// backgroundFetch() and policies() on one endpoint, called in either order: what a policy holds up, the browser does not send
// either; what nothing holds up, it sends as ever. The server is the reference server.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { keyOf, startKit } from '../../demo/server/test-kit.js';
import { carry } from '../../sw/background-fetch.js';
import { byteOffsetPieces } from '../../sw/index.js';
import { enforce } from '../../sw/policies.js';
import { BackgroundBrowser } from './background-browser.js';
import { fileOf, setStage } from './stage.js';

const PIECE = 10_000;

type Order = 'policies first' | 'policies last';

async function scene(order: Order) {
  const kit = await startKit();
  onTestFinished(() => kit.close());
  const origin = `http://127.0.0.1:${kit.port}`;
  const connection = Object.assign(new EventTarget(), { type: 'wifi' });
  const become = (type: string) => {
    connection.type = type;
    connection.dispatchEvent(new Event('change'));
  };
  // The loop is about to ask when the page hands over.
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const headers = async () => {
    await released;
    return {};
  };
  const urls = { statusUrl: `${origin}/api/status`, uploadUrl: `${origin}/api/upload` };
  const stage = await setStage(
    {},
    { endpoints: () => ({ photos: byteOffsetPieces({ ...urls, settleMs: 0, headers }) }) },
  );
  const { worker } = stage;
  const browser = new BackgroundBrowser(`${origin}/sw.js`);
  const carrying = worker.life.run(() => {
    const hold = () => enforce({ photos: { unmetered: true } }, worker.engine, connection, async () => false);
    if (order === 'policies first') hold();
    const carried = carry(worker.engine, { endpoints: ['photos'], pieceSize: 2 * PIECE }, browser.desk);
    if (order === 'policies last') hold();
    return carried;
  });
  const file = fileOf('film.bin', 35_000);
  const add = async () => {
    const [outcome] = await stage.add([file]);
    if (outcome?.type !== 'accepted') throw new Error('not accepted');
    return outcome.snapshot.id;
  };
  const state = async () => {
    const snapshot = await stage.named(file.name);
    return snapshot.status === 'waiting' ? snapshot.reason : snapshot.status;
  };
  const delivered = async () => {
    await stage.delivery(file);
    return Buffer.compare(await readFile(join(kit.dataDir, `${keyOf(file.id)}.data`)), file.bytes) === 0;
  };
  return { ...stage, kit, browser, carrying, release, become, file, add, state, delivered };
}

describe.each<Order>(['policies first', 'policies last'])('%s', (order) => {
  test('the browser sends what nothing holds up', async () => {
    const { browser, carrying, release, add, state, delivered, kit } = await scene(order);
    const id = await add();
    release();
    await browser.handOver(carrying, id);
    expect(await state()).toBe('browser');
    expect(await browser.send(id)).toEqual([200, 200, 200, 200]);
    await browser.end(carrying, id, 'backgroundfetchsuccess');
    expect(await delivered()).toBe(true);
    expect(kit.uploads()).toHaveLength(4);
  });

  test('what the browser sends ends when a policy begins to hold it up, and goes on from the byte that the server has', async () => {
    const { browser, carrying, release, become, add, state, delivered, kit, time } = await scene(order);
    const id = await add();
    release();
    await browser.handOver(carrying, id);
    await browser.send(id, 2);
    become('cellular');
    await time.until('held up', async () => (await state()) === 'metered');
    expect(browser.registrations.size).toBe(0);
    // What it says of that is none of its user's.
    await browser.end(carrying, id, 'backgroundfetchabort');
    await time.pass(3_600_000);
    expect(await state()).toBe('metered');
    expect(kit.uploads()).toHaveLength(2);
    become('wifi');
    expect(await delivered()).toBe(true);
    expect(kit.uploads().map(({ startByte }) => startByte)).toEqual([0, PIECE, 2 * PIECE]);
  });

  test('what a policy holds up is not handed over', async () => {
    const { browser, carrying, release, become, add, state, delivered, time, kit } = await scene(order);
    become('cellular');
    const id = await add();
    release();
    await time.until('held up', async () => (await state()) === 'metered');
    expect(await browser.handOver(carrying, id)).toMatchObject({ code: 'locked' });
    await time.until('held up again', async () => (await state()) === 'metered');
    expect(browser.registrations.size).toBe(0);
    expect(kit.uploads()).toEqual([]);
    become('wifi');
    expect(await delivered()).toBe(true);
  });
});
