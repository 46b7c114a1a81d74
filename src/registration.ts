// Registers the worker and waits until there is one to talk to. The only importer of workbox-window.
// Hands out the registration, never `wb.getSW()`: that one never settles after a hard reload.

import { Workbox } from 'workbox-window/build/workbox-window.prod.mjs';
import { UploadError } from './contracts/errors.js';

export interface RegisterOptions {
  /** Default: the folder of the script. */
  readonly scope?: string;
  /** `'module'` for a worker that uses `import`. Default `'classic'`. */
  readonly type?: WorkerType;
  /**
   * Called where no worker can run (over http, in some private windows, switched off, its script gone): resolves with
   * what `hostInPage()` of `backhaul/sw` makes, which runs the uploads in the page. Without it, `register` throws.
   */
  readonly fallback?: () => Promise<(scope: string) => Host>;
}

/** Runs the uploads: a service worker's registration, or a page that stands in for it. */
export interface Host {
  readonly inPage?: true;
  readonly scope: string;
  readonly active: Worker | null;
  readonly waiting: ServiceWorker | null;
  readonly installing: ServiceWorker | null;
}

interface Worker {
  readonly scriptURL: string;
  postMessage(message: unknown, ports: MessagePort[]): void;
}

/** A host that is ready. Throws `no-service-worker` or `worker-failed` where there is no `fallback`. */
export async function register(scriptUrl: string, { fallback, ...options }: RegisterOptions): Promise<Host> {
  try {
    return await registerWorker(scriptUrl, options);
  } catch (cause) {
    if (!fallback) throw cause;
    const host = await fallback();
    return host(scopeOf(scriptUrl, options).href);
  }
}

type WorkerOptions = Omit<RegisterOptions, 'fallback'>;

function scopeOf(scriptUrl: string, { scope }: WorkerOptions): URL {
  return scope === undefined ? new URL('.', new URL(scriptUrl, document.baseURI)) : new URL(scope, document.baseURI);
}

async function registerWorker(scriptUrl: string, options: WorkerOptions): Promise<ServiceWorkerRegistration> {
  if (!('serviceWorker' in navigator)) {
    throw new UploadError(
      'no-service-worker',
      'This browser, window or address has no service workers. They need https (or localhost) and are off in some private windows.',
    );
  }
  let registration: ServiceWorkerRegistration | undefined;
  try {
    const script = new URL(scriptUrl, document.baseURI);
    const scope = scopeOf(scriptUrl, options);
    const known = await navigator.serviceWorker.getRegistration(scope);
    const isHere = known?.scope === scope.href && known.active?.scriptURL === script.href;
    // Waits behind the browser's own look for a newer worker: over a network that is silent, for ever. So the page does
    // not wait for it if the worker is here. It is done all the same, since the browser learns of another `type` by it.
    const registering = new Workbox(scriptUrl, options).register({ immediate: true });
    registration = await Promise.race(isHere ? [known, registering] : [registering]);
  } catch (cause) {
    throw failed(scriptUrl, cause);
  }
  if (registration === undefined) throw failed(scriptUrl);
  await activeWorker(registration);
  return registration;
}

/** The worker that gets messages, as soon as there is one. */
export async function activeWorker(registration: Host): Promise<Worker> {
  if (registration.active !== null) return registration.active;
  const coming = registration.waiting ?? registration.installing;
  if (coming === null) throw failed(registration.scope);
  await new Promise<void>((resolve, reject) => {
    const look = () => {
      if (registration.active !== null || coming.state === 'activated') resolve();
      else if (coming.state === 'redundant') reject(failed(coming.scriptURL));
    };
    coming.addEventListener('statechange', look);
    look();
  });
  return registration.active ?? coming;
}

/** A newer worker that is about to take over; it waits for ever unless it calls `skipWaiting`. */
const TAKEOVER_MS = 2000;

/**
 * Gives a newer worker the moment it needs to take over. Whoever wakes the old one in that moment makes Chromium wait
 * until that is idle, which it is not before the last upload.
 */
export async function newcomer({ installing, waiting }: Host): Promise<void> {
  const coming = installing ?? waiting;
  if (coming === null) return;
  await new Promise<void>((resolve) => {
    setTimeout(resolve, TAKEOVER_MS);
    coming.addEventListener('statechange', () => ['activated', 'redundant'].includes(coming.state) && resolve());
  });
}

function failed(scriptUrl: string, cause?: unknown): UploadError {
  const reason = cause instanceof Error ? ` (${cause.message})` : '';
  return new UploadError(
    'worker-failed',
    `The service worker ${scriptUrl} could not be installed${reason}. Open its address: it must be JavaScript, same-origin, and run without an error.`,
    { cause },
  );
}
