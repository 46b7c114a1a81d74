// Owns the browser on its profile and the one tab that has the app; opens both again whatever became of them.
import type { Page } from 'playwright';
import { type OpenBrowser, openBrowser } from '../harness/browser.js';

/** What the page knows of one upload. */
export interface Known {
  readonly name: string;
  readonly status: string;
}

/** A cold Chromium beside other load; only a run that hangs needs it. */
const PATIENCE_MS = 120_000;
export class Tab {
  readonly #profileDir: string;
  readonly #origin: string;
  #browser: OpenBrowser | undefined;
  #page: Page | undefined;

  constructor(profileDir: string, origin: string) {
    this.#profileDir = profileDir;
    this.#origin = origin;
  }

  async launch(): Promise<void> {
    this.#browser = await openBrowser({ profileDir: this.#profileDir });
    this.#browser.context.setDefaultTimeout(PATIENCE_MS);
    this.#page = this.#browser.page;
    await this.open();
  }

  /** Loads the app anew. It comes from the browser's cache, whatever state the network is in. */
  async open(): Promise<void> {
    await this.page.goto(this.#origin);
    await this.page.waitForSelector('html[data-ready="true"]', { state: 'attached' });
  }

  async replace(): Promise<void> {
    const page = await this.browser.context.newPage();
    await this.page.close();
    this.#page = page;
    await this.open();
  }

  stopWorkers(): Promise<void> {
    return this.browser.stopWorkers();
  }

  async killBrowser(): Promise<void> {
    await this.browser.kill();
    await this.launch();
  }

  async pick(paths: readonly string[]): Promise<void> {
    await this.page.locator('#file-input').setInputFiles([...paths]);
  }

  /** All that this device remembers. */
  async known(): Promise<readonly Known[]> {
    return this.page.evaluate(
      '(window.backhaul?.getSnapshot().uploads ?? []).map(({ name, status }) => ({ name, status }))',
    );
  }

  /** Rows of each store of the engine's database. */
  async stored(): Promise<Readonly<Record<string, number>>> {
    return this.page.evaluate(`(async () => {
      const promised = (request) => new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
      const { name } = (await indexedDB.databases()).find(({ name }) => name.startsWith('backhaul:'));
      const database = await promised(indexedDB.open(name));
      const rows = {};
      for (const store of database.objectStoreNames) {
        rows[store] = await promised(database.transaction(store).objectStore(store).count());
      }
      database.close();
      return rows;
    })()`);
  }

  async close(): Promise<void> {
    await this.#browser?.close();
  }

  private get browser(): OpenBrowser {
    if (this.#browser === undefined) throw new Error('No browser is open.');
    return this.#browser;
  }

  private get page(): Page {
    if (this.#page === undefined) throw new Error('No tab is open.');
    return this.#page;
  }
}
