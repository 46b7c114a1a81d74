// Pages and whoever sits before them: the real Backhaul in each tab, files handed over, buttons pressed. Says what was
// promised to a person, so that others can judge whether it was kept.

import { Backhaul } from '../../src/backhaul.js';
import { errorCodes } from '../../src/contracts/errors.js';
import type { UploadSnapshot } from '../../src/contracts/upload.js';
import { EnqueueError } from '../../src/enqueue.js';
import type { Checks } from './checks.js';
import type { UserAct } from './plan.js';
import { MemoryFile } from './platform/memory-blob.js';
import { Agent } from './world/loop.js';
import { Emitter, type World } from './world/world.js';

const SECOND_MS = 1000;

interface Page {
  readonly agent: Agent;
  readonly emitter: Emitter;
  readonly views: Emitter;
  backhaul?: Backhaul;
}

export class People {
  readonly pages: Page[] = [];
  /** Names of files that a page was told are safe. */
  readonly accepted = new Set<string>();
  /** Names of files that somebody cancelled or removed. */
  readonly givenUp = new Set<string>();
  readonly #world: World;
  readonly #checks: Checks;
  readonly #sources: ReadonlyMap<string, Uint8Array>;

  constructor(world: World, checks: Checks, sources: ReadonlyMap<string, Uint8Array>) {
    this.#world = world;
    this.#checks = checks;
    this.#sources = sources;
  }

  get open(): readonly Page[] {
    return this.pages.filter(({ agent }) => !agent.dead);
  }

  openPage(then: (page: Page) => void = () => {}): void {
    const agent = new Agent(`page ${this.pages.length + 1}`, 'page');
    const emitter = new Emitter();
    const views = new Emitter();
    const page: Page = { agent, emitter, views };
    this.pages.push(page);
    const document = { visibilityState: 'visible', addEventListener: views.add };
    this.#world.scopes.set(agent, { emitter, document });
    this.#world.note(`${agent.name} opens`);
    this.#world.loop.task(agent, () => {
      // The simulated browser's registration has what pages use of one.
      Backhaul.connect(this.#world.workers.registration as never).then(
        (backhaul) => {
          page.backhaul = backhaul;
          then(page);
        },
        (cause: unknown) => {
          this.#excused(cause, 'connect');
          this.#world.loop.timer(1000, agent, () => this.#reconnect(page, then));
        },
      );
    });
  }

  #reconnect(page: Page, then: (page: Page) => void): void {
    Backhaul.connect(this.#world.workers.registration as never).then(
      (backhaul) => {
        page.backhaul = backhaul;
        then(page);
      },
      (cause: unknown) => {
        this.#excused(cause, 'connect');
        this.#world.loop.timer(1000, page.agent, () => this.#reconnect(page, then));
      },
    );
  }

  /** The first page that is there. */
  closePage(): void {
    const [page] = this.open;
    if (page === undefined) return;
    this.#world.note(`${page.agent.name} is closed`);
    page.agent.end();
  }

  look(): void {
    for (const { views } of this.open) views.fire('visibilitychange');
  }

  wentOnline(): void {
    for (const { emitter } of this.open) emitter.fire('online');
  }

  add(page: Page, names: readonly string[]): void {
    const { backhaul, agent } = page;
    if (backhaul === undefined || agent.dead || names.length === 0) return;
    const files = names.map(
      (name) =>
        new MemoryFile([this.#sources.get(name) ?? ''], name, { type: 'image/jpeg', lastModified: 1_700_000_000_000 }),
    );
    this.#world.loop.task(agent, () => {
      backhaul.enqueue(files as never, { endpoint: 'photos' }).then(
        (uploads) => this.#promised(uploads),
        (cause: unknown) => {
          if (cause instanceof EnqueueError) this.#promised(cause.accepted);
          this.#excused(cause, 'enqueue');
        },
      );
    });
  }

  /** 1: who is told so may leave at once. */
  #promised(uploads: readonly { readonly id: string; readonly snapshot: UploadSnapshot }[]): void {
    for (const { id, snapshot } of uploads) {
      const { records, bytes } = this.#checks.committed;
      const { name } = snapshot;
      const record = records.get(id);
      const isOver =
        record && !['queued', 'preparing', 'uploading', 'waiting', 'paused'].includes(record.course.state.status);
      const excused = this.givenUp.has(name) || this.#checks.evicted.has(id) || this.evictedAll;
      if (!excused && (record === undefined || !(isOver || bytes.has(id))))
        this.#checks.complain(`1: ${name} was accepted, and is not stored`);
      this.accepted.add(name);
    }
  }

  evictedAll = false;

  act(act: UserAct, name: string): void {
    const page = this.open.findLast(({ backhaul }) => backhaul !== undefined);
    const { backhaul } = page ?? {};
    if (page === undefined || backhaul === undefined) return;
    this.#world.note(`somebody: ${act} ${name}`);
    if (act === 'add-again') {
      this.add(page, [name]);
      return;
    }
    this.#world.loop.task(page.agent, () => {
      if (act === 'add-elsewhere') {
        // 10: a page cannot choose where bytes go.
        backhaul.enqueue([new MemoryFile(['x'], name)] as never, { endpoint: 'https://evil.test' }).then(
          () => this.#checks.complain('10: a page named an endpoint of its own'),
          (cause: unknown) => this.#excused(cause, act),
        );
        return;
      }
      const upload = backhaul.getSnapshot().uploads.find((each) => each.name === name);
      if (upload === undefined) return;
      if (act === 'cancel' || act === 'remove') this.givenUp.add(name);
      if (act !== 'pause' && act !== 'resume') {
        this.#checks.beginsAnew(name);
      }
      backhaul[act]([upload.id]).catch((cause: unknown) => this.#excused(cause, act));
    });
  }

  /** 11: whatever is refused is refused with a code. */
  #excused(cause: unknown, what: string): void {
    const { code, message } = cause as { readonly code?: unknown; readonly message?: unknown };
    this.#world.note(`   ${what}: ${String(code)}`);
    if (!(errorCodes as readonly unknown[]).includes(code))
      this.#checks.complain(`11: ${what} threw ${String(message)}`);
  }

  /** 9: what was committed is told to every tab within a second, if nobody is stopped meanwhile. */
  watch(id: string, revision: number): void {
    const { loop, workers } = this.#world;
    const lives = workers.alive;
    const pages = this.open.filter(({ backhaul }) => backhaul !== undefined);
    loop.timer(SECOND_MS, undefined, () => {
      if (lives.some(({ dead }) => dead) || !this.#checks.committed.records.has(id) || this.#checks.evicted.has(id))
        return;
      for (const { agent, backhaul } of pages) {
        const shown = backhaul?.getSnapshot().uploads.find((snapshot) => snapshot.id === id);
        if (!agent.dead && (shown?.revision ?? 0) < revision)
          this.#checks.complain(
            `9: ${agent.name} shows revision ${shown?.revision} of ${id}, a second after ${revision}`,
          );
      }
    });
  }

  /** 9: all tabs tell what the store says. */
  judge(): void {
    for (const { agent, backhaul } of this.open) {
      if (backhaul === undefined) continue;
      const shown = new Map(backhaul.getSnapshot().uploads.map((snapshot) => [snapshot.id as string, snapshot]));
      const { records } = this.#checks.committed;
      for (const [id, record] of records) {
        const { status } = record.course.state;
        const there = shown.get(id);
        if (there?.status !== status)
          this.#checks.complain(`9: ${agent.name} shows ${record.name} as ${there?.status ?? 'gone'}; it is ${status}`);
      }
      for (const [id, { name }] of shown)
        if (!records.has(id)) this.#checks.complain(`9: ${agent.name} still shows ${name}`);
    }
  }
}
