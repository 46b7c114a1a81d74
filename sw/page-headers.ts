// Headers that only a page knows, such as a token that is kept in its memory: asked for while an upload is sent, and
// held here in memory alone, so that uploads go on for a while after the last page was closed.

import { envelope, openEnvelope, type Question } from '../src/contracts/messages.js';
import { systemClock, within } from './clock.js';
import { ProtocolFailure, type RequestDefaults } from './protocols/adapter.js';

declare const self: ServiceWorkerGlobalScope;

type Headers = Readonly<Record<string, string>>;

/** A page that is busy with its own work answers late; one that the browser has frozen does not. Guesses. */
const ANSWER_LIMIT_MS = 3000;
/** Where an earlier answer can be used. */
const NEWER_LIMIT_MS = 300;

/**
 * For `headers` of an adapter: what any open page of the app answers (`provideHeaders()`).
 * Without such a page, what the last one said; if none has, uploads wait with the reason `auth`.
 */
export function headersFromPage(): NonNullable<RequestDefaults['headers']> {
  const last = new Map<string, Headers>();
  return async ({ endpoint }) => {
    const known = last.get(endpoint);
    const headers = (await askPages(endpoint, known ? NEWER_LIMIT_MS : ANSWER_LIMIT_MS)) ?? known;
    if (!headers) {
      throw new ProtocolFailure('auth', 'unauthorized', 'No page of the app says who is signed in. Open one.');
    }
    last.set(endpoint, headers);
    return headers;
  };
}

/** The first answer of any page; undefined if none comes. */
async function askPages(endpoint: string, limitMs: number): Promise<Headers | undefined> {
  // Where the loop runs in a page, that is the one to ask.
  const pages = self.clients ? await self.clients.matchAll({ type: 'window', includeUncontrolled: true }) : [ownPage];
  if (pages.length === 0) return undefined;
  const over = new AbortController();
  const answers = pages.map((page) => ask(page, endpoint, over.signal));
  return within(Promise.race(answers), limitMs, systemClock, undefined).finally(() => over.abort());
}

interface Page {
  postMessage(message: unknown, ports: MessagePort[]): unknown;
}

/** Heard by `provideHeaders()` of this page alone; other windows can send it no event of this name. */
const ownPage: Page = {
  postMessage: (data, ports) => self.dispatchEvent(new MessageEvent('backhaul', { data, ports })),
};

function ask(page: Page, endpoint: string, over: AbortSignal): Promise<Headers> {
  const { port1, port2 } = new MessageChannel();
  over.addEventListener('abort', () => port1.close());
  return new Promise((resolve) => {
    port1.onmessage = ({ data }) => {
      const headers = openEnvelope(data)?.body;
      // What no header can be is refused where all headers are checked.
      if (typeof headers === 'object' && headers !== null) resolve(headers as Headers);
    };
    page.postMessage(envelope<Question>({ type: 'headers', endpoint }), [port2]);
  });
}
