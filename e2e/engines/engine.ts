// What every engine's driver can do, and no more: specs that use only this run in all of them. Knows no engine.
import type { BrowserContext } from 'playwright';

export const engineNames = ['chromium', 'firefox', 'webkit'] as const;
export type EngineName = (typeof engineNames)[number];

/** Of a spec that runs in every engine and is a row of the README's table. */
export const EVERY_ENGINE_TAG = '@every-engine';

/** As users know them; columns of the README's table. */
export const engineTitles: Readonly<Record<EngineName, string>> = {
  chromium: 'Chromium',
  firefox: 'Firefox ESR',
  webkit: 'WebKitGTK',
};

/** A tab. Playwright's Page is one. */
export interface Tab {
  goto(url: string): Promise<unknown>;
  reload(): Promise<unknown>;
  /** Runs in the page, like everything that is passed to it: no variable from outside. The result goes through JSON. */
  evaluate<Result, Argument>(
    look: (argument: Argument) => Result | Promise<Result>,
    argument: Argument,
  ): Promise<Result>;
  evaluate<Result>(look: (() => Result | Promise<Result>) | string): Promise<Result>;
  /** Picks files in an `<input>`, as a user does. */
  setInputFiles(selector: string, paths: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

/** One running browser on a profile that outlives it. After `kill` or `close` only the profile is left. */
export interface EngineBrowser {
  readonly pid: number;
  readonly page: Tab;
  /** Playwright's, where it drives the engine. */
  readonly context: BrowserContext | undefined;
  newPage(): Promise<Tab>;
  /** SIGKILL for every process of the browser; nothing gets a chance to flush. Resolves once all are gone. */
  kill(): Promise<void>;
  /** Stops every service worker; the next event starts them anew. */
  stopWorkers(): Promise<void>;
  /** What the browser says of its network. Requests need not fail by it: cut the link, too. */
  setOffline(offline: boolean): Promise<void>;
  /** Loads `tab` anew without any cache, and without its worker. */
  reloadPastCaches(tab: Tab): Promise<void>;
  close(): Promise<void>;
}

/** What a driver says to a step that its engine has no means for. A spec that needs it is listed in differences.ts. */
export class NoMeans extends Error {
  override readonly name = 'NoMeans';
}

export interface EngineOptions {
  /** Holds cookies, IndexedDB and the worker registration; open it again to see what survived. */
  readonly profileDir: string;
  /** A private window, which forgets all of it. Default false. */
  readonly private?: boolean;
  /** About so much room for what `origin` stores. Default: what the disk gives. */
  readonly quota?: { readonly origin: string; readonly sizeBytes: number };
}
