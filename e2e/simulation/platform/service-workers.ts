// The browser's part of a service worker's life: starts one for each event, stops it when it is idle or an event lasts too
// long, installs a newer version beside it, and calls it back with `sync`. What runs in it is the real installBackhaul.

import { Agent } from '../world/loop.js';
import { Emitter, type World } from '../world/world.js';
import { clone } from './memory-blob.js';
import type { MemoryPort } from './messaging.js';

/** Chromium and Firefox. */
const IDLE_MS = 30_000;
/** Chromium ends a worker that long into one event. */
const LONGEST_EVENT_MS = 300_000;
/** After a `sync` that was rejected; then never again. */
const SYNC_AGAIN_MS = [300_000, 900_000];
/** A newer version waits until the old one is idle, this long at most; measured. */
const TAKEOVER_MS = 12_000;

export const SCOPE = 'https://app.test/';

export class SimServiceWorker {
  state = 'installing';
  readonly scriptURL = `${SCOPE}sw.js`;
  readonly version: number;
  readonly emitter = new Emitter();
  readonly addEventListener = this.emitter.add;
  life: Agent | undefined;
  pending = 0;
  touchedAtMs = 0;
  readonly #host: ServiceWorkers;

  constructor(host: ServiceWorkers, version: number) {
    this.#host = host;
    this.version = version;
  }

  postMessage(data: unknown, [port]: readonly MemoryPort[] = []): void {
    this.#host.dispatch(this, 'message', { data: clone(data), ports: port ? [port] : [] });
  }

  become(state: string): void {
    this.state = state;
    this.emitter.fire('statechange');
  }
}

export class ServiceWorkers {
  readonly registration: {
    readonly scope: string;
    active: SimServiceWorker | null;
    waiting: SimServiceWorker | null;
    installing: SimServiceWorker | null;
    readonly addEventListener: Emitter['add'];
    readonly sync: { register(tag: string): Promise<void> };
  };
  readonly lives: Agent[] = [];
  /** A worker hears a page's message. */
  onMessage: (data: unknown) => void = () => {};
  readonly #world: World;
  readonly #script: (version: number) => void;
  readonly #emitter = new Emitter();
  /** Background Sync: Chromium only. */
  callsBack = true;
  #syncs = 0;
  #syncing = false;

  /** `script`: what a worker runs when it starts. */
  constructor(world: World, script: (version: number) => void) {
    this.#world = world;
    this.#script = script;
    this.registration = {
      scope: SCOPE,
      active: new SimServiceWorker(this, 1),
      waiting: null,
      installing: null,
      addEventListener: this.#emitter.add,
      sync: {
        register: async () => {
          this.#syncs = 0;
          this.#syncSoon(1000);
        },
      },
    };
    if (this.registration.active) this.registration.active.state = 'activated';
  }

  get alive(): readonly Agent[] {
    return this.lives.filter(({ dead }) => !dead);
  }

  /** Hands an event to the worker, which is started for it if need be. */
  dispatch(worker: SimServiceWorker, type: string, more: object = {}): Promise<unknown>[] {
    const { loop } = this.#world;
    const life = this.#start(worker);
    const promises: Promise<unknown>[] = [];
    worker.pending += 1;
    const over = () => {
      if (life.dead || worker.life !== life) return;
      worker.pending -= 1;
      this.#rest(worker, life);
    };
    loop.task(life, () => {
      if (type === 'message') this.onMessage((more as { data?: unknown }).data);
      const ports = (more as { ports?: readonly MemoryPort[] }).ports ?? [];
      for (const port of ports) port.owner = life;
      const event = { ...more, type, waitUntil: (promise: Promise<unknown>) => promises.push(promise) };
      this.#world.scopes.get(life)?.emitter.call(type, event);
      let isOver = false;
      Promise.allSettled(promises).then(() => {
        isOver = true;
        over();
      });
      loop.timer(LONGEST_EVENT_MS, undefined, () => !isOver && worker.life === life && this.stop(worker));
    });
    return promises;
  }

  stop(worker: SimServiceWorker): void {
    const { life } = worker;
    worker.life = undefined;
    worker.pending = 0;
    if (life === undefined || life.dead) return;
    this.#world.note(`${life.name} is stopped`);
    life.end();
  }

  /** Stops whatever runs: a crash of the browser's worker process. */
  stopAll(): void {
    const { active, waiting } = this.registration;
    for (const worker of [active, waiting, ...this.#old]) if (worker) this.stop(worker);
  }

  readonly #old: SimServiceWorker[] = [];

  /**
   * A newer version is installed beside the running one, and takes over when that is idle or its time is up. Undefined:
   * one is on its way already.
   */
  update(): number | undefined {
    const { loop } = this.#world;
    const { registration } = this;
    if (registration.installing || registration.waiting) return undefined;
    const next = new SimServiceWorker(this, this.newest + 1);
    registration.installing = next;
    this.#emitter.fire('updatefound');
    this.#start(next);
    loop.timer(200, undefined, () => {
      registration.installing = null;
      registration.waiting = next;
      next.become('installed');
      const until = loop.elapsedMs + TAKEOVER_MS;
      const look = () => {
        const old = registration.active;
        if (old?.life && old.pending > 0 && loop.elapsedMs < until) return void loop.timer(100, undefined, look);
        registration.waiting = null;
        registration.active = next;
        next.become('activating');
        this.#world.note(`version ${next.version} takes over`);
        if (old) {
          old.become('redundant');
          this.#old.push(old);
          // The old one's life goes on for a while: two versions run at once.
          loop.timer(TAKEOVER_MS, undefined, () => this.stop(old));
        }
        this.dispatch(next, 'activate');
        loop.timer(50, undefined, () => next.become('activated'));
      };
      loop.timer(100, undefined, look);
    });
    return next.version;
  }

  /** Its version: the one that runs, or is about to. */
  get newest(): number {
    const { active, waiting, installing } = this.registration;
    return (installing ?? waiting ?? active)?.version ?? 0;
  }

  /** The network is back. */
  wentOnline(): void {
    if (this.#syncing) this.#syncSoon(100);
  }

  #syncSoon(delayMs: number): void {
    this.#syncing = true;
    const { loop } = this.#world;
    loop.timer(delayMs, undefined, () => {
      const { active } = this.registration;
      if (!this.callsBack || !this.#syncing || !this.#world.online || active === null) return;
      this.#syncing = false;
      const again = () => {
        const delay = SYNC_AGAIN_MS[this.#syncs];
        this.#syncs += 1;
        if (delay !== undefined) this.#syncSoon(delay);
      };
      const promises = this.dispatch(active, 'sync', { tag: 'backhaul:/' });
      active.life?.onDeath(() => again());
      loop.task(active.life, () => void Promise.all(promises).catch(again));
    });
  }

  #start(worker: SimServiceWorker): Agent {
    const { loop } = this.#world;
    worker.touchedAtMs = loop.elapsedMs;
    if (worker.life && !worker.life.dead) return worker.life;
    const life = new Agent(`worker ${this.lives.length + 1}`, 'worker');
    this.lives.push(life);
    worker.life = life;
    worker.pending = 0;
    const emitter = new Emitter();
    const { registration } = this;
    const self = { registration, serviceWorker: worker, addEventListener: emitter.add };
    this.#world.scopes.set(life, { emitter, self });
    this.#world.note(`${life.name} starts (version ${worker.version})`);
    loop.task(life, () => this.#script(worker.version));
    return life;
  }

  #rest(worker: SimServiceWorker, life: Agent): void {
    const { loop } = this.#world;
    worker.touchedAtMs = loop.elapsedMs;
    loop.timer(IDLE_MS, undefined, () => {
      const idle = worker.pending === 0 && loop.elapsedMs - worker.touchedAtMs >= IDLE_MS - 1;
      if (idle && worker.life === life) this.stop(worker);
    });
  }
}
