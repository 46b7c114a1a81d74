// Owns the ear: every text of the demo's banner and status line, with its time, over reloads and restarts.
import type { BrowserContext } from 'playwright';

export interface Said {
  readonly atMs: number;
  readonly where: 'banner' | 'status';
  /** Empty: a hidden banner. Seconds of a countdown are written as N. */
  readonly text: string;
}

/** A string: tsx adds calls to functions that a page does not have. */
const LISTEN = `
  const last = {};
  const tell = (where, text) => {
    if (last[where] === text) return;
    last[where] = text;
    window.backhaulSaid({ atMs: Date.now(), where, text });
  };
  const words = (element) => (element.innerText || '').trim().replace(/\\s+/g, ' ').replace(/in \\d[^.]*\\./, 'in N s.');
  const look = () => {
    const banner = document.querySelector('#banner');
    const status = document.querySelector('#status-line');
    if (banner) tell('banner', banner.hidden ? '' : words(banner.querySelector('p') ?? banner));
    if (status) tell('status', words(status));
  };
  new MutationObserver(look).observe(document, {
    subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: ['hidden'],
  });
`;

/** Calls `hear` for each change, from every page of `context` that is opened from now on. */
export async function watchWords(context: BrowserContext, hear: (said: Said) => void): Promise<void> {
  await context.exposeBinding('backhaulSaid', (_source, said: Said) => hear(said));
  await context.addInitScript({ content: LISTEN });
}

/** The different texts that were on the screen between two moments, in order of their first appearance. */
export function saidBetween(all: readonly Said[], where: Said['where'], fromMs: number, untilMs: number): string[] {
  const own = all.filter((said) => said.where === where);
  const before = own.findLast(({ atMs }) => atMs < fromMs);
  const during = own.filter(({ atMs }) => atMs >= fromMs && atMs <= untilMs);
  return [...new Set([...(before === undefined ? [] : [before]), ...during].map(({ text }) => text))];
}
