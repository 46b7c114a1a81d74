// A page on the library alone, without views or thumbnails: what tests and measurements see is Backhaul's own doing.
// `/?worker=URL` registers that worker; without it the page only holds the input.
import {
  Backhaul,
  EnqueueError,
  provideHeaders,
  setPolicy,
  UploadError,
  type UploadSnapshot,
} from '../../src/index.js';
import { measureBareStore, measureEnqueue, measureXhr } from './measure.js';
import { isThere } from './workers/is-there.js';

/** An error as the tests compare it. */
export interface Told {
  readonly name: string;
  readonly code: string;
  readonly message: string;
}

export interface EnqueueResult {
  readonly accepted: readonly UploadSnapshot[];
  readonly rejected: readonly Told[];
}

/** One worker's way through an update; epoch milliseconds. */
export interface WorkerChange {
  readonly state: ServiceWorkerState;
  readonly atMs: number;
}

export interface Lab {
  readonly backhaul: Backhaul | undefined;
  readonly registration: ServiceWorkerRegistration | undefined;
  /** When this tab first showed all of its uploads as completed. */
  allCompletedAtMs?: number;
  /** States of the workers that came after the first. */
  readonly changes: WorkerChange[];
  chosen(): readonly File[];
  /** Enqueues what is in the input, or `files`; refusals become data. A refusal of the whole call has no file name. */
  enqueue(files?: readonly Blob[], endpoint?: string): Promise<EnqueueResult>;
  /** Whether this browser has what `path` names, here or in its worker; see e2e/engines/offers.ts. */
  offers(where: 'worker' | 'page', path: string): Promise<boolean>;
  readonly measureEnqueue: typeof measureEnqueue;
  readonly measureBareStore: typeof measureBareStore;
  readonly measureXhr: typeof measureXhr;
  readonly setPolicy: typeof setPolicy;
}

declare global {
  interface Window {
    lab: Lab;
  }
}

const input = document.querySelector<HTMLInputElement>('#file-input');
const script = new URL(location.href).searchParams.get('worker');
// By its address in the served app: it is another bundle.
const hostUrl: string = '/host.js';
const fallback = async () => ((await import(hostUrl)) as typeof import('./host.js')).host;
const backhaul = script === null ? undefined : await Backhaul.register(script, { fallback });
provideHeaders((endpoint) => ({ 'X-Told-By-Page': endpoint }));
const registration = script === null ? undefined : await navigator.serviceWorker?.getRegistration(script);

const told = (file: Blob | undefined, { code, message }: UploadError): Told => ({
  name: file instanceof File ? file.name : '',
  code,
  message,
});

const lab: Lab = {
  backhaul,
  registration,
  changes: [],
  chosen: () => [...(input?.files ?? [])],
  async enqueue(files = lab.chosen(), endpoint = 'photos') {
    if (backhaul === undefined) throw new Error('Open this page with /?worker=URL.');
    try {
      const uploads = await backhaul.enqueue(files, { endpoint });
      return { accepted: uploads.map(({ snapshot }) => snapshot), rejected: [] };
    } catch (error) {
      if (error instanceof EnqueueError) {
        return {
          accepted: error.accepted.map(({ snapshot }) => snapshot),
          rejected: error.rejected.map(({ file, error: reason }) => told(file, reason)),
        };
      }
      if (error instanceof UploadError) return { accepted: [], rejected: [told(undefined, error)] };
      throw error;
    }
  },
  offers: async (where, path) =>
    where === 'page'
      ? isThere(globalThis, path)
      : new Promise((resolve) => {
          const { port1, port2 } = new MessageChannel();
          port1.onmessage = ({ data }) => resolve(data);
          registration?.active?.postMessage({ offers: path }, [port2]);
        }),
  measureEnqueue,
  measureBareStore,
  measureXhr,
  setPolicy,
};
window.lab = lab;

registration?.addEventListener('updatefound', () => {
  const worker = registration.installing;
  worker?.addEventListener('statechange', () => lab.changes.push({ state: worker.state, atMs: Date.now() }));
});
const noteEnd = () => {
  const { totals } = backhaul?.getSnapshot() ?? {};
  if (totals !== undefined && totals.count > 0 && totals.byStatus.completed === totals.count)
    lab.allCompletedAtMs ??= Date.now();
};
backhaul?.subscribe(noteEnd);
document.documentElement.dataset['ready'] = 'true';
