// What a page holds: one object that speaks with the worker and mirrors what it knows.

import { Channel } from './channel.js';
import { UploadError } from './contracts/errors.js';
import { type Control, sharedName, type UploadEvent } from './contracts/messages.js';
import type { UploadId, UploadSnapshot } from './contracts/upload.js';
import { checkOptions, collect, type EnqueueOptions, sendFiles } from './enqueue.js';
import { type BackhaulSnapshot, Mirror } from './mirror.js';
import { activeWorker, type Host, type RegisterOptions, register } from './registration.js';
import { Upload } from './upload.js';
import { registerSync, relayWakeSignals, type WakeSignals } from './wake-signals.js';

/** Uploads that one message names: the worker takes no more than 1000. */
const NAMED_AT_ONCE = 500;

/** The uploader, as a page sees it. All tabs of one app see the same uploads. */
export class Backhaul {
  readonly #mirror: Mirror;
  readonly #channel: Channel;
  readonly #signals: WakeSignals;
  readonly #handles = new Map<UploadId, Upload>();
  #stop: () => void = () => {};
  #asked = false;

  /**
   * Registers the service worker and connects to it. The script calls `installBackhaul`, or is `backhaul/worker.js`.
   * Where there can be none, the page runs the uploads itself if `options.fallback` says how.
   * Throws {@link UploadError}: `no-service-worker`, `worker-failed`, `worker-unresponsive`, `version-mismatch`.
   */
  static async register(scriptUrl: string, options: RegisterOptions = {}): Promise<Backhaul> {
    return Backhaul.connect(await register(scriptUrl, options));
  }

  /** Connects to a worker that the app has registered by itself, or to a page's own host. Throws like {@link Backhaul.register}. */
  static async connect(registration: Host): Promise<Backhaul> {
    await activeWorker(registration);
    const backhaul = new Backhaul(registration);
    try {
      await backhaul.#refresh();
    } catch (cause) {
      backhaul.close();
      throw cause;
    }
    backhaul.#stop = relayWakeSignals(backhaul.#signals);
    void registerSync(backhaul.#signals);
    return backhaul;
  }

  /** What runs the uploads: the worker's registration, or what stands in for it. */
  get registration(): Host {
    return this.#signals.registration;
  }

  private constructor(registration: Host) {
    this.#mirror = new Mirror(registration.inPage ? 'page' : 'service-worker');
    const name = sharedName(registration.scope);
    this.#channel = new Channel(
      registration,
      name,
      (event) => this.#heard(event),
      (error) => this.#mirror.fail(error),
    );
    this.#signals = {
      registration,
      name,
      working: () => this.#mirror.working,
      wake: async (reason) => (await this.#channel.send({ type: 'wake', reason })).working,
      refresh: () => this.#refresh(),
      subscribe: (listener) => this.#mirror.subscribe(listener),
    };
  }

  /**
   * Hands files to the worker. Resolves once every one of them is durable on this device (invariant 1), in their order;
   * the same file twice is one upload. Until then the page must stay open.
   *
   * Throws {@link EnqueueError} if some files were refused (`file-changed`, `quota-exceeded` ...): the others are stored.
   * Throws {@link UploadError} if the call as a whole makes no sense: `unknown-endpoint`, `invalid-option`.
   */
  async enqueue(files: Iterable<Blob>, options: EnqueueOptions): Promise<Upload[]> {
    checkOptions(options);
    const list: readonly unknown[] = [...files];
    const outcomes = await sendFiles(list, options, async (command) => {
      const { outcomes: replied } = await this.#channel.send(command);
      this.#mirror.apply(replied.flatMap((outcome) => (outcome.type === 'accepted' ? [outcome.snapshot] : [])));
      return replied;
    });
    void registerSync(this.#signals);
    if (!this.#asked && outcomes.some(({ type }) => type === 'accepted')) {
      this.#asked = true;
      // Not to be evicted. Firefox asks the user, who may never answer; WebKitGTK has no `navigator.storage`, and what lacks it may lack this alone.
      navigator.storage?.persist?.().catch(() => {});
    }
    return collect(list, outcomes, ({ snapshot }) => this.#handle(snapshot));
  }

  /** The handle of an upload that this device remembers. */
  get(id: UploadId): Upload | undefined {
    const snapshot = this.#mirror.get(id);
    return snapshot && this.#handle(snapshot);
  }

  /** Handles of all uploads that this device remembers, in order of acceptance, asked of the worker anew. */
  async list(): Promise<Upload[]> {
    await this.#refresh();
    return this.getSnapshot().uploads.map((snapshot) => this.#handle(snapshot));
  }

  /** Pauses these, or without `ids` all that can be. Throws the first refusal (`unknown-upload`, `invalid-transition`). */
  pause(ids?: readonly UploadId[]): Promise<void> {
    return this.#control('pause', ids);
  }

  /** Goes on with these, or with all that are paused or waiting. */
  resume(ids?: readonly UploadId[]): Promise<void> {
    return this.#control('resume', ids);
  }

  /** Ends these, or all that have not ended, and frees their bytes. */
  cancel(ids?: readonly UploadId[]): Promise<void> {
    return this.#control('cancel', ids);
  }

  /** Tries these again, or all that failed. */
  retry(ids?: readonly UploadId[]): Promise<void> {
    return this.#control('retry', ids);
  }

  /** Forgets these, or all that are settled. */
  remove(ids?: readonly UploadId[]): Promise<void> {
    return this.#control('remove', ids);
  }

  /**
   * Signs out: ends the uploads of `endpoint` at once and wipes them, bytes, names and all, off this device. Works
   * offline; the server is not told. A file that is being enqueued meanwhile may be kept.
   */
  async clear(endpoint: string): Promise<void> {
    await this.#channel.send({ type: 'clear', endpoint });
    this.#mirror.forget((snapshot) => snapshot.endpoint === endpoint);
  }

  /**
   * Tries what waits for the network or a sign-in now: after a sign-in, or if the app knows better than the browser. What
   * is paused stays so, and a server that asked for time gets it.
   */
  async wake(): Promise<void> {
    await this.#signals.wake('visible');
  }

  /** Everything now; the same object until something changes. Fits `useSyncExternalStore` and Svelte stores. */
  getSnapshot = (): BackhaulSnapshot => this.#mirror.snapshot();

  /** Calls `listener` after each change, at most about ten times a second; returns what ends that. */
  subscribe = (listener: () => void): (() => void) => this.#mirror.subscribe(listener);

  /** Lets go of the worker; its uploads go on. */
  close(): void {
    this.#stop();
    this.#channel.close();
  }

  #handle(snapshot: UploadSnapshot): Upload {
    const existing = this.#handles.get(snapshot.id);
    if (existing !== undefined) return existing;
    const handle = new Upload(snapshot, this.#mirror, (control, id) => this.#control(control, [id]));
    this.#handles.set(snapshot.id, handle);
    return handle;
  }

  async #control(control: Control, ids: readonly UploadId[] | 'all' = 'all'): Promise<void> {
    const refused: string[] = [];
    let left = ids;
    if (control === 'remove') {
      const gone = this.#mirror.forget(({ id }) => ids === 'all' || ids.includes(id));
      if (left !== 'all') left = left.filter((id) => !gone.includes(id));
    }
    for (let from = 0; from < left.length; from += NAMED_AT_ONCE) {
      const some = left === 'all' ? left : left.slice(from, from + NAMED_AT_ONCE);
      const reply = await this.#channel.send({ type: 'control', control, ids: some });
      refused.push(...reply.refused);
    }
    const [id] = refused as UploadId[];
    if (id === undefined) return;
    // As it is now, which this tab may not have heard yet.
    await this.#refresh();
    throw inapplicable(control, id, this.#mirror.get(id));
  }

  async #refresh(): Promise<void> {
    try {
      const known = this.#mirror.ids();
      const listed: UploadSnapshot[] = [];
      let bornAtMs: number | undefined;
      for (let more = true, afterOrder = -1; more; afterOrder = listed.at(-1)?.order ?? afterOrder) {
        const reply = await this.#channel.send({ type: 'list', afterOrder });
        listed.push(...reply.snapshots);
        more = reply.more;
        // If it is deleted between two pages, the next listing will say so.
        if (afterOrder < 0) bornAtMs = reply.bornAtMs;
      }
      this.#mirror.replace(known, listed, bornAtMs);
    } catch (cause) {
      if (cause instanceof UploadError) this.#mirror.fail(cause);
      throw cause;
    }
  }

  #heard(event: UploadEvent): void {
    switch (event.type) {
      case 'changed':
        this.#mirror.apply(event.snapshots);
        break;
      case 'removed':
        for (const id of event.ids) this.#handles.delete(id);
        this.#mirror.remove(event.ids);
        break;
      case 'tick':
        // Timers of hidden tabs are throttled to one a minute; messages are not. So the worker keeps the time.
        this.#signals.wake('heartbeat').catch(() => {});
        break;
      default:
        event satisfies never;
    }
  }
}

function inapplicable(control: Control, uploadId: UploadId, snapshot: UploadSnapshot | undefined): UploadError {
  return snapshot
    ? new UploadError('invalid-transition', `Cannot ${control} "${snapshot.name}": it is ${snapshot.status}.`, {
        uploadId,
      })
    : new UploadError('unknown-upload', `No upload ${uploadId} on this device.`, { uploadId });
}
