// Owns what a case plays on: one server, one link, one browser with the demo open, one file on its way. Knows how to
// wait for things; does no harm itself (cases.ts) and judges nothing (verdict.ts).
import { setTimeout as delay } from 'node:timers/promises';
import type { EngineBrowser, Tab } from '../engines/engine.js';
import type { SourceFile } from '../harness/files.js';
import { fileIds } from '../harness/ledger.js';
import type { Link, LinkRequest } from '../harness/link.js';
import type { ReferenceServer } from '../harness/server.js';
import { type Said, watchWords } from './said.js';

export interface StageOptions {
  readonly server: ReferenceServer;
  readonly link: Link;
  readonly file: SourceFile;
  /** Opens a browser, again and again on the same profile. */
  readonly launch: () => Promise<EngineBrowser>;
  /** Where the app comes from. Default: over the link. */
  readonly appOrigin?: string;
}

/** A sum of body bytes, and when it was first seen. */
export interface Arrival {
  readonly atMs: number;
  readonly bytes: number;
}

const LOOK_EVERY_MS = 10;
/** Guesses, for two busy cores: a cold Chromium that installs the worker took 6 s. */
const READY_LIMIT_MS = 60_000;
const SENT_LIMIT_MS = 60_000;

export class Stage {
  readonly server: ReferenceServer;
  readonly link: Link;
  readonly file: SourceFile;
  /** Everything that any page of the app said, in order. */
  readonly said: Said[] = [];
  /** How the bytes went through the link. */
  readonly arrivals: Arrival[] = [];
  readonly #appOrigin: string;
  readonly #launch: () => Promise<EngineBrowser>;
  readonly #watch: ReturnType<typeof setInterval>;
  #browser: EngineBrowser | undefined;
  #page: Tab | undefined;

  constructor(options: StageOptions) {
    this.server = options.server;
    this.link = options.link;
    this.file = options.file;
    this.#appOrigin = options.appOrigin ?? options.link.origin;
    this.#launch = options.launch;
    this.#watch = setInterval(() => {
      const bytes = this.sentBytes;
      if (bytes > (this.arrivals.at(-1)?.bytes ?? 0)) this.arrivals.push({ atMs: Date.now(), bytes });
    }, LOOK_EVERY_MS);
  }

  get browser(): EngineBrowser {
    if (this.#browser === undefined) throw new Error('No browser is open.');
    return this.#browser;
  }

  /** The tab that has the app. */
  get page(): Tab {
    if (this.#page === undefined) throw new Error('The app is not open.');
    return this.#page;
  }

  /** Body bytes that went through the link, over all requests. */
  get sentBytes(): number {
    return this.link.requests.reduce((sum, { bodyBytesForwarded }) => sum + bodyBytesForwarded, 0);
  }

  /** X-File-Id of the one file; undefined before its first request. */
  get fileId(): string | undefined {
    return fileIds(this.server.ledger)[0];
  }

  /** The POST that carries bytes now. */
  get carrier(): LinkRequest | undefined {
    return this.link.requests.findLast(({ method, outcome }) => method === 'POST' && outcome === 'open');
  }

  async openBrowser(): Promise<void> {
    const browser = await this.#launch();
    // Elsewhere nobody hears what the page says; nothing is judged by it.
    if (browser.context !== undefined) await watchWords(browser.context, (said) => this.said.push(said));
    this.#browser = browser;
    this.#page = browser.page;
  }

  /** Opens the app, in a new tab after `closeTab`, and waits until it can be used. */
  async openApp(): Promise<void> {
    this.#page ??= await this.browser.newPage();
    await this.page.goto(this.#appOrigin);
    await this.ready();
  }

  async closeTab(): Promise<void> {
    await this.page.close();
    this.#page = undefined;
  }

  async ready(): Promise<void> {
    await until('the app is ready', READY_LIMIT_MS, () =>
      this.page.evaluate("document.documentElement.dataset.ready === 'true'").catch(() => false),
    );
  }

  /** Picks the file, and waits until `bytes` of it are on their way. */
  async sendUntil(bytes: number): Promise<void> {
    await this.page.setInputFiles('#file-input', [this.file.path]);
    await this.untilSent(bytes);
  }

  untilSent(bytes: number): Promise<void> {
    return until(`${bytes} bytes went through the link`, SENT_LIMIT_MS, () => this.sentBytes >= bytes);
  }

  /** The whole file is there, and the page knows. */
  async untilDelivered(limitMs: number): Promise<void> {
    await until('the page says that the file is delivered', limitMs, () =>
      this.page.evaluate('window.backhaul?.getSnapshot().totals.byStatus.completed === 1').catch(() => false),
    );
  }

  close(): void {
    clearInterval(this.#watch);
  }
}

/** Waits for a condition. */
export async function until(what: string, limitMs: number, holds: () => unknown): Promise<void> {
  const endMs = Date.now() + limitMs;
  while (!(await holds())) {
    if (Date.now() > endMs) throw new Error(`Waited ${limitMs / 1000} s in vain until ${what}.`);
    await delay(LOOK_EVERY_MS);
  }
}
