// What the browser promises, and Backhaul relies on instead of looking at a message's origin: a sandboxed frame and a frame
// of another origin have no way to the worker, its channel or its database, though the app's own page shows them.
import type { Frame } from 'playwright';
import { freePort } from './harness/free-port.js';
import { makePhotos } from './harness/photos.js';
import { serveApp } from './pages/app-server.js';
import { choose, enqueueChosen, expect, openLab, shown, test } from './pages/fixtures.js';

const CHANNEL = 'backhaul:/';

/** Tries every door; what each one said. */
function tryDoors(frame: Frame): Promise<Readonly<Record<string, unknown>>> {
  return frame.evaluate(async (name) => {
    const said = async (work: () => unknown) => {
      try {
        return await work();
      } catch (error) {
        return (error as Error).name;
      }
    };
    const heard: unknown[] = [];
    const channel = await said(() => new BroadcastChannel(name));
    if (channel instanceof BroadcastChannel) {
      channel.onmessage = ({ data }) => heard.push(data);
      channel.postMessage({ source: 'backhaul', wire: 1, body: { type: 'stranger' } });
    }
    Object.assign(window, { heard });
    return {
      controller: await said(() => navigator.serviceWorker.controller),
      registrations: await said(async () => (await navigator.serviceWorker.getRegistrations()).length),
      databases: await said(async () => (await indexedDB.databases()).map((each) => each.name)),
    };
  }, CHANNEL);
}

test('a sandboxed frame, and a frame of another origin, reach neither the worker nor its channel nor its database', async ({
  launch,
  appDir,
}) => {
  const { page } = await launch();
  // The reference server's policy forbids frames altogether; an app's may not.
  const [own, other] = [await freePort(), await freePort()].map((port) => `http://127.0.0.1:${port}`) as [
    string,
    string,
  ];
  const apps = await Promise.all([own, other].map((origin) => serveApp(appDir, Number(new URL(origin).port))));
  await openLab(page, own);
  const [photo] = await makePhotos({ count: 1 });
  if (photo === undefined) throw new Error('No photo was made.');
  await choose(page, [photo]);
  await enqueueChosen(page);
  // There is nothing that would take it.
  await expect.poll(() => shown(page)).toEqual({ [photo.name]: 'failed' });

  await page.evaluate((name) => {
    const heard: unknown[] = [];
    new BroadcastChannel(name).onmessage = ({ data }) => heard.push(data.body.type);
    Object.assign(window, { heard });
  }, CHANNEL);
  const frames: Frame[] = [];
  for (const [sandbox, source] of [
    ['allow-scripts', `${own}/worker.js`],
    [null, `${other}/worker.js`],
  ] as const) {
    const handle = await page.evaluateHandle(
      ([flags, src]) =>
        new Promise<HTMLIFrameElement>((resolve) => {
          const frame = document.createElement('iframe');
          if (flags !== null) frame.setAttribute('sandbox', flags);
          frame.addEventListener('load', () => resolve(frame), { once: true });
          frame.src = src;
          document.body.append(frame);
        }),
      [sandbox, source] as const,
    );
    const frame = await handle.asElement()?.contentFrame();
    if (!frame) throw new Error('The frame is not there.');
    frames.push(frame);
  }
  const [sandboxed, foreign] = frames as [Frame, Frame];
  expect(await sandboxed.evaluate(() => origin)).toBe('null');
  expect(await foreign.evaluate(() => origin)).toBe(other);
  const locked = 'SecurityError';
  expect(await tryDoors(sandboxed)).toEqual({
    controller: locked,
    registrations: locked,
    databases: locked,
  });
  // Doors of its own, with nothing of ours behind them.
  expect(await tryDoors(foreign)).toEqual({ controller: null, registrations: 0, databases: [] });
  // Nor can the page give its worker away.
  const given = await page.evaluate(() => {
    try {
      window.frames[0]?.postMessage(window.lab.registration?.active, '*');
      return 'given';
    } catch (error) {
      return (error as Error).name;
    }
  });
  expect(given).toBe('DataCloneError');

  const heardBy = (frame: Frame) => frame.evaluate(() => (window as unknown as { heard: unknown[] }).heard);
  // The worker speaks: its own page hears it, the strangers do not, and nobody heard them.
  await page.evaluate(() => window.lab.backhaul?.retry());
  await expect.poll(async () => (await heardBy(page.mainFrame())).length).toBeGreaterThan(0);
  expect(await heardBy(page.mainFrame())).not.toContain('stranger');
  for (const frame of frames) expect(await heardBy(frame)).toEqual([]);
  for (const app of apps) await app.close();
});
