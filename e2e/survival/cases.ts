// The table of everything that can go wrong with one upload half-way, and what is promised for each. A case does the
// harm and says when the upload could go on; whether it did is verdict.ts's business.
import { setTimeout as delay } from 'node:timers/promises';
import { carriesLastByte } from '../harness/link.js';
import { announced, atOnce, type Fault, offlineFor, outage, sinceHole, unannounced } from './fault.js';
import type { Stage } from './stage.js';

export interface SurvivalCase {
  readonly name: string;
  readonly title: string;
  /** Lays a trap before the first byte is sent; settles when it has sprung. */
  readonly trap?: (stage: Stage) => Promise<unknown>;
  readonly inject: (stage: Stage, sprung: Promise<unknown>) => Promise<Fault>;
  /** Longest time from `couldGoOnAtMs` to the first new byte (or, with `ends: 'page'`, to the page's word). */
  readonly limitMs?: (fault: Fault) => number;
  /** `page`: no byte is missing any more; what counts is that the page learns of it. Default `bytes`. */
  readonly ends?: 'page';
  /** The request under way is not harmed for good, and may carry on: then the longest pause of its bytes counts. */
  readonly mayGoOn?: true;
  /** Why acknowledged bytes have to be sent again here. */
  readonly sendsAgain?: string;
  /** The server forgets what it has finished, so a lost answer brings the file once more. */
  readonly deliversAgain?: true;
  /** Part of the script, too long for `npm test`. */
  readonly slow?: true;
  /** What the server says, not what the network does: the same in every engine, so one of them plays it in `npm test`. */
  readonly said?: true;
}

const refusedFor = (seconds: number): SurvivalCase => ({
  name: `refused-${seconds}`,
  title: `connections refused for ${seconds} s`,
  inject: ({ link }) =>
    outage(async () => {
      await link.refuse();
      await delay(seconds * 1000);
      await link.accept();
    }),
  limitMs: unannounced,
  ...(seconds > 3 ? { slow: true } : {}),
});

/** After a reset the client asks where the server stands, and once it hears `lie` instead. */
const wrongNumber = (name: string, title: string, lie: (sizeBytes: number) => number): SurvivalCase => ({
  name,
  title,
  said: true,
  sendsAgain: 'the server asked for them',
  inject: ({ link, file }) =>
    atOnce(async () => {
      const told = link.rewriteNextStatus(lie(file.sizeBytes));
      link.reset();
      await told;
    }),
  limitMs: unannounced,
});

export const survivalCases: readonly SurvivalCase[] = [
  {
    name: 'reload',
    title: 'reload',
    inject: (stage) =>
      atOnce(async () => {
        await stage.page.reload();
        await stage.ready();
      }),
    limitMs: announced,
    mayGoOn: true,
  },
  {
    name: 'hard-reload',
    title: 'hard reload (past every cache)',
    inject: (stage) =>
      atOnce(async () => {
        await stage.browser.reloadPastCaches(stage.page);
        await stage.ready();
      }),
    limitMs: announced,
    mayGoOn: true,
  },
  {
    name: 'tab-closed',
    title: 'tab closed, opened again 2 MB later',
    // A browser ends with its last window. Opened before, since Firefox takes its time for one.
    trap: ({ browser }) => browser.newPage(),
    async inject(stage, sprung) {
      await sprung;
      return atOnce(async () => {
        await stage.closeTab();
        await stage.untilSent(Math.min(stage.sentBytes + 2_000_000, stage.file.sizeBytes));
        await stage.openApp();
      });
    },
    mayGoOn: true,
  },
  {
    name: 'worker-stopped',
    title: 'worker stopped',
    inject: (stage) => outage(() => stage.browser.stopWorkers()),
    limitMs: announced,
  },
  {
    name: 'browser-killed',
    title: 'browser SIGKILL, started again',
    async inject(stage) {
      const startedAtMs = Date.now();
      await stage.browser.kill();
      const launchedAtMs = Date.now();
      await stage.openBrowser();
      await stage.openApp();
      const also = { from: 'process start', atMs: launchedAtMs };
      return { startedAtMs, couldGoOnAtMs: Date.now(), also };
    },
    limitMs: announced,
  },
  {
    name: 'server-killed',
    title: 'server SIGKILL, started again after 1 s',
    inject: ({ server }) =>
      outage(async () => {
        await server.kill();
        await delay(1000);
        await server.start();
      }),
    limitMs: unannounced,
  },
  { name: 'reset', title: 'connection reset', inject: ({ link }) => atOnce(() => link.reset()), limitMs: unannounced },
  refusedFor(3),
  refusedFor(20),
  refusedFor(60),
  {
    name: 'black-hole',
    title: 'silent black hole (new connections work)',
    inject: ({ link }) => atOnce(() => link.blackHole()),
    limitMs: sinceHole,
  },
  {
    name: 'offline',
    title: 'offline for 5 s, connections lost, then online',
    inject: (stage) => offlineFor(5, stage, () => stage.link.reset()),
    limitMs: announced,
  },
  {
    name: 'offline-silent',
    title: 'offline for 5 s, connections kept, then online',
    inject: (stage) => offlineFor(5, stage),
    limitMs: announced,
    mayGoOn: true,
  },
  {
    name: 'offline-long',
    title: 'offline for 20 s, connections kept, then online',
    inject: (stage) => offlineFor(20, stage),
    limitMs: announced,
    slow: true,
  },
  {
    name: 'last-answer-lost',
    title: 'last answer lost',
    trap: ({ link }) => link.dropNextAnswerTo('POST', '/api/upload', (request) => carriesLastByte(request)),
    async inject(_stage, sprung) {
      await sprung;
      return atOnce(() => undefined);
    },
    limitMs: unannounced,
    ends: 'page',
  },
  {
    name: 'forgotten',
    said: true,
    title: 'server restarts and has forgotten the file',
    inject: (stage) =>
      outage(async () => {
        if (stage.fileId !== undefined) await stage.server.forget(stage.fileId);
      }),
    limitMs: unannounced,
    sendsAgain: 'the server had lost them',
  },
  wrongNumber('server-holds-more', 'wrong start byte: server holds more than it said', (bytes) => bytes * 0.25),
  wrongNumber('server-holds-less', 'wrong start byte: server holds less than it said', (bytes) => bytes * 0.75),
];

/** What holds on a server that keeps its books in memory and forgets what is finished: the bytes arrive. No more. */
export function onPlainServer({ limitMs: _promisedByOurs, ...play }: SurvivalCase): SurvivalCase {
  return { ...play, sendsAgain: 'the server forgot them', deliversAgain: true };
}

/** Cases by name; all without names. */
export function casesNamed(names: readonly string[]): readonly SurvivalCase[] {
  const unknown = names.filter((name) => !survivalCases.some((known) => known.name === name));
  if (unknown.length > 0) {
    throw new Error(`No case ${unknown.join(', ')}. There are: ${survivalCases.map(({ name }) => name).join(', ')}.`);
  }
  return names.length === 0 ? survivalCases : survivalCases.filter(({ name }) => names.includes(name));
}
