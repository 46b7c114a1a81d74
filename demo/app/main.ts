// The app: registers the worker, feeds the views from one snapshot per frame, and says so when that is not possible.
import { Backhaul, UploadError } from '../../src/index.js';
import { Adding } from './adding.js';
import type { BannerAction } from './banner.js';
import { BannerView } from './banner-view.js';
import { batchOf, factsOf } from './facts.js';
import { GalleryView } from './gallery-view.js';
import { offerInstall } from './install-button.js';
import { watchIntake } from './intake.js';
import { QueueView } from './queue-view.js';
import { RefusedView } from './refused-view.js';
import { showShared } from './shared-view.js';
import { StatusView } from './status-view.js';
import { Tabs } from './tabs.js';
import { offerToTell } from './tell-me-view.js';
import { Thumbnails } from './thumbnails.js';
import { offerOnlyWifi } from './wifi-view.js';

declare global {
  interface Window {
    /** For the end-to-end tests, and for the curious. */
    backhaul?: Backhaul;
  }
}

const thumbnails = new Thumbnails();
const status = new StatusView();
const refused = new RefusedView();
const gallery = new GalleryView(thumbnails);
let backhaul: Backhaul | undefined;
/** Another bundle, loaded only where there can be no worker; a name, so that the build leaves it alone. */
const inPage: string = '/in-page.js';

const banner = new BannerView((action: BannerAction) => {
  if (action === 'reload') location.reload();
  else void backhaul?.resume().catch(report);
});

offerInstall();
void offerToTell();
watchUpdates();
new Tabs((view) => {
  if (view === 'delivered') void gallery.refresh();
});
addEventListener('online', () => void gallery.refresh());
const started = start();
watchIntake((files) => void started.then((adding) => adding?.add(files)));

/** Undefined if nothing can be stored here. Files that were chosen meanwhile wait for it. */
async function start(): Promise<Adding | undefined> {
  try {
    backhaul = await Backhaul.register('/sw.js', { fallback: async () => (await import(inPage)).host });
  } catch (error) {
    fail(error);
    return undefined;
  }
  const queue = new QueueView(backhaul, thumbnails, report);
  const render: () => void = perFrame(() => {
    if (show(queue, adding)) render();
  });
  const adding = new Adding(backhaul, thumbnails, refused, render);
  window.backhaul = backhaul;
  backhaul.subscribe(render);
  void offerOnlyWifi(backhaul).catch(report);
  await backhaul.list();
  showShared(backhaul.getSnapshot().uploads);
  if (show(queue, adding)) render();
  document.documentElement.dataset['ready'] = 'true';
  void gallery.refresh().then(() => thumbnails.prune());
  return adding;
}

let delivered = 0;

/** True if there is more to show in the next frame. */
function show(queue: QueueView, adding: Adding): boolean {
  if (!backhaul) return false;
  const snapshot = backhaul.getSnapshot();
  const facts = factsOf(snapshot.uploads);
  const { storing } = adding;
  status.update(facts, batchOf(snapshot.uploads), snapshot.totals, storing);
  banner.update({ snapshot, facts });
  const more = queue.update(snapshot.uploads, facts, storing.count > 0);
  if (facts.delivered > delivered) void gallery.refresh();
  delivered = facts.delivered;
  return more;
}

/** Many changes, one rendering. A page in the background gets no frames, so a timer stands behind. */
function perFrame(run: () => void): () => void {
  let planned = false;
  return () => {
    if (planned) return;
    planned = true;
    const once = () => {
      if (!planned) return;
      planned = false;
      cancelAnimationFrame(frame);
      clearTimeout(timer);
      run();
    };
    const frame = requestAnimationFrame(once);
    const timer = setTimeout(once, 300);
  };
}

/** The first worker of a page is no update; one that replaces another is. */
function watchUpdates(): void {
  const workers = navigator.serviceWorker as ServiceWorkerContainer | undefined;
  if (workers?.controller) workers.addEventListener('controllerchange', () => banner.offerUpdate());
}

function report(error: unknown): void {
  status.say(error instanceof Error ? error.message : String(error));
}

/** Nothing can be stored: say why, and leave what still works, the gallery. */
function fail(error: unknown): void {
  const reason = error instanceof UploadError ? error : new UploadError('worker-failed', String(error));
  const snapshot = { uploads: [], error: reason };
  banner.update({ snapshot, facts: factsOf([]) });
  document.getElementById('status-line')?.replaceChildren('Photos cannot be added right now');
  for (const input of document.querySelectorAll<HTMLInputElement>('.add input')) input.disabled = true;
  void gallery.refresh();
}
