// What the benches time inside the page: Backhaul, and the plainest code that does the same work.
import type { Backhaul } from '../../src/index.js';

export interface EnqueueFigures {
  readonly elapsedMs: number;
  /** Longest task that the browser reported on the main thread; 0 if none was over 50 ms. */
  readonly longestTaskMs: number;
  /** Longest time in which the main thread took no message. */
  readonly longestGapMs: number;
}

/** Runs `task` and watches how long the main thread belongs to nobody else. */
async function watched(task: () => Promise<void>): Promise<EnqueueFigures> {
  let longestTaskMs = 0;
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) longestTaskMs = Math.max(longestTaskMs, duration);
  });
  observer.observe({ type: 'longtask' });

  let longestGapMs = 0;
  let last = performance.now();
  // A timer, not a message loop: the latter would keep one of the machine's cores busy by itself.
  const probe = setInterval(() => {
    const now = performance.now();
    longestGapMs = Math.max(longestGapMs, now - last);
    last = now;
  }, 5);

  const startedAt = performance.now();
  await task();
  const elapsedMs = performance.now() - startedAt;
  // Long tasks are reported some time after they ended: two frames are enough.
  await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
  clearInterval(probe);
  for (const { duration } of observer.takeRecords()) longestTaskMs = Math.max(longestTaskMs, duration);
  observer.disconnect();
  return { elapsedMs, longestTaskMs, longestGapMs };
}

/** From the call of `enqueue` until it resolves. */
export function measureEnqueue(backhaul: Backhaul, files: readonly File[]): Promise<EnqueueFigures> {
  return watched(async () => void (await backhaul.enqueue(files, { endpoint: 'photos' })));
}

/** The Files to a fresh worker that puts them into one transaction, until that is complete. */
export async function measureBareStore(scriptUrl: string, files: readonly File[]): Promise<EnqueueFigures> {
  const registration = await navigator.serviceWorker.register(scriptUrl);
  const worker = registration.installing ?? registration.waiting ?? registration.active;
  if (worker === null) throw new Error(`${scriptUrl} gave no worker.`);
  await new Promise<void>((resolve) => {
    const look = () => worker.state === 'activated' && resolve();
    worker.addEventListener('statechange', look);
    look();
  });
  const figures = await watched(
    () =>
      new Promise((resolve, reject) => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = ({ data }) => (data === 'stored' ? resolve() : reject(new Error(String(data))));
        worker.postMessage({ files }, [port2]);
      }),
  );
  await registration.unregister();
  return figures;
}

/** Every file in one POST, so many at a time: as fast as a page can be without any safety. */
export async function measureXhr(files: readonly File[], prefix: string, atOnce = 6): Promise<number> {
  const startedAt = performance.now();
  const waiting = files.values();
  const lane = async () => {
    for (const file of waiting) await post(file, `${prefix}-${file.name}-${file.size}`);
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  return performance.now() - startedAt;
}

function post(file: File, id: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', '/api/upload');
    request.setRequestHeader('X-File-Id', encodeURIComponent(id));
    request.setRequestHeader('X-Start-Byte', '0');
    request.setRequestHeader('X-File-Size', String(file.size));
    const fail = () => reject(new Error(`POST of ${id} ended with ${request.status}`));
    request.onload = () => (request.status === 200 ? resolve() : fail());
    request.onerror = fail;
    request.send(file);
  });
}
