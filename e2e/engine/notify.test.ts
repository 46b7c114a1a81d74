// What the user is told while no page is visible: once when the last upload is done, once when a sign-in is needed; and
// the number on the app's icon. With the real engine, and a browser's desk that is written down.

import { describe, expect, test } from 'vitest';
import { badge } from '../../sw/app-badge.js';
import { follower, type Situation } from '../../sw/follow.js';
import { type Desk, lastBatch, type NotifyOptions, open, tell } from '../../sw/notify.js';
import { fileOf, type Stage, setStage } from './stage.js';

interface Window {
  readonly url: string;
  readonly visibilityState: DocumentVisibilityState;
}

function deskOf(stage: Stage) {
  const shown: { title: string; tag?: string; close: () => void }[] = [];
  const windows: Window[] = [];
  const opened: string[] = [];
  const focused: string[] = [];
  const state = { permission: 'granted', badges: [] as number[], situations: [] as Situation[], asked: 0 };
  const desk = {
    permission: () => state.permission,
    registration: {
      scope: 'https://app.example/photos/',
      async showNotification(title: string, { tag = '' }: NotificationOptions = {}) {
        const index = shown.findIndex((other) => other.tag === tag);
        const notification = { title, tag, close: () => void shown.splice(shown.indexOf(notification), 1) };
        shown.splice(index < 0 ? shown.length : index, index < 0 ? 0 : 1, notification);
      },
      getNotifications: async ({ tag }: GetNotificationOptions = {}) => shown.filter((each) => each.tag === tag),
    },
    clients: {
      matchAll: async () => windows.map((window) => ({ ...window, focus: async () => void focused.push(window.url) })),
      openWindow: async (url: string) => void opened.push(url),
    },
  } as unknown as Desk;
  const options: NotifyOptions = {
    done: ({ delivered, failed }) => ({ title: `${delivered} delivered, ${failed} failed` }),
    signIn: () => {
      state.asked += 1;
      return { title: 'Sign in' };
    },
  };
  /** Follows the events of a worker as its module does. */
  const watch = (changed: NotifyOptions = {}) => {
    const { engine } = stage.worker;
    const show = badge({ setAppBadge: async (count) => void state.badges.push(count ?? -1) });
    return follower(engine, async (situation) => {
      state.situations.push(situation);
      await show(situation);
      await tell(situation, { ...options, ...changed }, desk, engine);
    });
  };
  return { desk, shown, windows, opened, focused, state, watch };
}

/** Passes on what the worker tells, as it comes. */
async function withEvents(changed: NotifyOptions = {}, configure?: Parameters<typeof setStage>[1]) {
  let take: ReturnType<typeof follower> | undefined;
  let last = Promise.resolve();
  const onEvent: NonNullable<NonNullable<typeof configure>['worker']>['onEvent'] = (event) => {
    last = take?.(event) ?? last;
  };
  const stage = await setStage({}, { ...configure, worker: { ...configure?.worker, onEvent } });
  const desk = deskOf(stage);
  take = desk.watch(changed);
  /** The last events come up to 100 ms after the change. */
  const settled = async () => {
    await stage.time.pass(200);
    await last;
  };
  return { stage, settled, ...desk };
}

describe('when the last upload is done', () => {
  test('it is said once, for all that were delivered since the queue was empty', async () => {
    const { stage, settled, shown, state } = await withEvents();
    const photos = [fileOf('a.jpg', 1000), fileOf('b.jpg', 1000), fileOf('c.jpg', 1000)];
    await stage.add(photos);
    await stage.delivery(...photos);
    await settled();
    expect(shown.map(({ title, tag }) => [title, tag])).toEqual([['3 delivered, 0 failed', 'backhaul']]);
    expect(state.badges.at(-1)).toBe(0);

    await stage.time.pass(60_000);
    const later = fileOf('later.jpg', 1000);
    await stage.add([later]);
    await stage.delivery(later);
    await settled();
    // Replaced, not a second one.
    expect(shown.map(({ title }) => title)).toEqual(['1 delivered, 0 failed']);
  });

  test('it is not said while another waits', async () => {
    const { stage, settled, shown, state } = await withEvents();
    const [slow, quick] = [fileOf('slow.jpg', 1000), fileOf('quick.jpg', 1000)];
    stage.server.fault = ({ id }) => (id === slow.id ? { type: 'answer', status: 423 } : undefined);
    await stage.add([slow, quick]);
    await stage.delivery(quick);
    await settled();
    expect(state.badges.at(-1)).toBe(1);
    expect(shown).toEqual([]);
  });

  test('what failed is counted', async () => {
    const { stage, settled, shown } = await withEvents();
    const [bad, good] = [fileOf('bad.jpg', 1000), fileOf('good.jpg', 1000)];
    stage.server.fault = ({ id }) => (id === bad.id ? { type: 'answer', status: 422 } : undefined);
    await stage.add([bad, good]);
    await stage.delivery(good);
    await settled();
    expect(shown.map(({ title }) => title)).toEqual(['1 delivered, 1 failed']);
  });

  test('nothing is said while a page is visible, and what was said before is taken back', async () => {
    const { stage, settled, shown, windows, desk } = await withEvents();
    await desk.registration.showNotification('old', { tag: 'backhaul' });
    await desk.registration.showNotification("the app's own", { tag: 'other' });
    windows.push({ url: 'https://app.example/photos/', visibilityState: 'visible' });
    const photo = fileOf('a.jpg', 1000);
    await stage.add([photo]);
    await stage.delivery(photo);
    await settled();
    expect(shown.map(({ title }) => title)).toEqual(["the app's own"]);
  });

  test.each([
    ['a hidden page is no reason to be silent', 'granted', true, 1],
    ['without the permission it is not', 'default', true, 0],
    ["with the app's switch off it is not", 'granted', false, 0],
  ])('%s', async (_, permission, enabled, count) => {
    const { stage, settled, shown, windows, state } = await withEvents({ enabled: async () => enabled });
    state.permission = permission;
    windows.push({ url: 'https://app.example/photos/', visibilityState: 'hidden' });
    const photo = fileOf('a.jpg', 1000);
    await stage.add([photo]);
    await stage.delivery(photo);
    await settled();
    expect(shown).toHaveLength(count);
  });

  test('what the user has cancelled is not announced', async () => {
    const { stage, settled, shown, state } = await withEvents();
    stage.server.fault = () => ({ type: 'answer', status: 503 });
    await stage.add([fileOf('a.jpg', 1000)]);
    await settled();
    expect(state.badges.at(-1)).toBe(1);
    await stage.worker.send({ type: 'control', control: 'cancel', ids: 'all' });
    await settled();
    expect(state.badges.at(-1)).toBe(0);
    expect(shown).toEqual([]);
  });

  test('an app without words for it says nothing', async () => {
    const { stage } = await withEvents();
    const { desk, shown } = deskOf(stage);
    const photo = fileOf('a.jpg', 1000);
    await stage.add([photo]);
    await stage.delivery(photo);
    const situation = { snapshots: await stage.worker.list(), pending: 0, signIn: false };
    await tell(situation, {}, desk, stage.worker.engine);
    expect(shown).toEqual([]);
  });
});

describe('when a sign-in is needed', () => {
  test('it is asked for once for all uploads, and the end of them is said after it', async () => {
    const { stage, settled, shown, state } = await withEvents();
    let signedIn = false;
    stage.server.fault = () => (signedIn ? undefined : { type: 'answer', status: 401 });
    const photos = [fileOf('a.jpg', 1000), fileOf('b.jpg', 1000), fileOf('c.jpg', 1000)];
    await stage.add(photos);
    await settled();
    await settled();
    expect(shown.map(({ title }) => title)).toEqual(['Sign in']);
    expect(state.asked).toBe(1);
    expect(state.badges.at(-1)).toBe(3);

    signedIn = true;
    await stage.worker.send({ type: 'control', control: 'resume', ids: 'all' });
    await stage.delivery(...photos);
    await settled();
    expect(shown.map(({ title }) => title)).toEqual(['3 delivered, 0 failed']);
    expect(state.asked).toBe(1);
  });

  test('a worker that was stopped meanwhile counts what it finds', async () => {
    const { stage, settled, desk } = await withEvents();
    stage.server.fault = () => ({ type: 'answer', status: 401 });
    await stage.add([fileOf('a.jpg', 1000), fileOf('b.jpg', 1000)]);
    await settled();
    expect(desk).toBeDefined();
    const seen: Situation[] = [];
    const take = follower(stage.worker.engine, (situation) => void seen.push(situation));
    const [first] = await stage.worker.list();
    if (first === undefined) throw new Error('nothing is listed');
    // The first that it hears is that this one waits for a sign-in: but so did the other, before.
    await take({ type: 'changed', snapshots: [first] });
    await take({ type: 'tick' });
    await take({ type: 'removed', ids: [first.id] });
    expect(seen.map(({ pending, signIn }) => ({ pending, signIn }))).toEqual([
      { pending: 2, signIn: false },
      { pending: 1, signIn: false },
    ]);
  });
});

test('a failure of the store, or of the browser, costs one notification, not those after it', async () => {
  const { stage } = await withEvents();
  const photo = fileOf('a.jpg', 1000);
  await stage.add([photo]);
  await stage.delivery(photo);
  const seen: number[] = [];
  let broken = true;
  const take = follower(stage.worker.engine, ({ pending }) => {
    if (broken) throw new Error('no room for a notification');
    seen.push(pending);
  });
  const event = { type: 'changed', snapshots: await stage.worker.list() } as const;
  await take(event);
  broken = false;
  await take(event);
  expect(seen).toEqual([0]);
});

test('a batch is whatever overlaps, whichever was first to end', async () => {
  const stage = await setStage();
  const { engine } = stage.worker;
  const snapshots = [
    { status: 'completed', addedAtMs: 0, atMs: 50 },
    { status: 'completed', addedAtMs: 60, atMs: 300 },
    { status: 'completed', addedAtMs: 70, atMs: 80 },
    { status: 'completed', addedAtMs: 200, atMs: 210 },
    { status: 'lost', addedAtMs: 200 },
    { status: 'cancelled', addedAtMs: 200, atMs: 220 },
  ];
  let page = snapshots.map((snapshot, order) => ({ ...snapshot, order }));
  const tools = {
    ...engine,
    store: {
      async *pages() {
        yield page;
      },
    },
    outbox: { snapshotOf: (record: unknown) => record },
  } as unknown as typeof engine;
  expect(await lastBatch(tools)).toEqual({ delivered: 3, failed: 1 });
  page = [];
  expect(await lastBatch(tools)).toEqual({ delivered: 0, failed: 0 });
});

test('a click focuses the app, wherever it stands, else opens what the app has named', async () => {
  const stage = await setStage();
  const { desk, windows, opened, focused } = deskOf(stage);
  windows.push({ url: 'https://app.example/other/', visibilityState: 'visible' });
  await open('https://app.example/photos/?from=notification', desk);
  expect([opened, focused]).toEqual([['https://app.example/photos/?from=notification'], []]);
  windows.push({ url: 'https://app.example/photos/album/7', visibilityState: 'hidden' });
  await open('https://app.example/photos/?from=notification', desk);
  expect([opened.length, focused]).toEqual([1, ['https://app.example/photos/album/7']]);
});

test('the badge is told only what is new, and a browser that has none or refuses is no error', async () => {
  const told: unknown[] = [];
  const show = badge({
    setAppBadge: async (count) => {
      told.push(count);
      throw new Error('not installed');
    },
  });
  for (const pending of [2, 2, 1, 0, 0]) await show({ pending });
  expect(told).toEqual([2, 1, 0]);
  await badge({})({ pending: 1 });
});
