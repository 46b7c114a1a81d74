// What only a page can do for its user's sign-in: ask the user, and lend the worker a token. Apps that use neither, because
// cookies are all they need, have neither in their bundle.

import type { Backhaul } from './backhaul.js';
import { envelope, openEnvelope, type Question, WIRE_VERSION } from './contracts/messages.js';

/** A sign-in that changed nothing is not asked for again at once: it may have asked no person. */
const ASK_AGAIN_MS = 10_000;

/**
 * Calls `signIn` in one visible page of the app, once, when uploads of an endpoint wait for a sign-in (401, 403). When
 * what it returns resolves, they go on. If it rejects, it is called again when the user comes back to a page. Returns
 * what ends that.
 */
export function onUnauthorized(backhaul: Backhaul, signIn: (endpoint: string) => Promise<void>): () => void {
  const over = new AbortController();
  const { signal } = over;
  /** Being asked for, or declined. */
  const asked = new Set<string>();
  const waits = (endpoint: string) => backhaul.getSnapshot().unauthorized.includes(endpoint);
  const ask = async (endpoint: string) => {
    asked.add(endpoint);
    await navigator.locks.request(`backhaul:sign-in:${endpoint}`, { signal }, async () => {
      // Another page may have asked meanwhile.
      if (!waits(endpoint)) return;
      await signIn(endpoint);
      await backhaul.wake();
      await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
    });
    asked.delete(endpoint);
    look();
  };
  const look = () => {
    if (document.visibilityState !== 'visible') return;
    for (const endpoint of backhaul.getSnapshot().unauthorized) if (!asked.has(endpoint)) ask(endpoint).catch(() => {});
  };
  const seen = () => {
    asked.clear();
    look();
  };
  document.addEventListener('visibilitychange', seen, { signal });
  signal.addEventListener('abort', backhaul.subscribe(look));
  look();
  return () => over.abort();
}

/**
 * Answers the worker that asks for headers, such as a token which only pages know (`headersFromPage()` in the worker). They
 * are kept in memory, never on disk. Returns what ends that.
 */
export function provideHeaders(
  headers: (endpoint: string) => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>,
): () => void {
  const over = new AbortController();
  const answer = async ({ data, ports: [port] }: MessageEvent) => {
    const opened = openEnvelope(data);
    const question = opened?.body as Partial<Question> | undefined;
    if (opened?.wire !== WIRE_VERSION || question?.type !== 'headers') return;
    port?.postMessage(envelope(await headers(String(question.endpoint))));
  };
  const { serviceWorker } = navigator as Partial<Pick<Navigator, 'serviceWorker'>>;
  // Whoever cannot say is silent; another page may know.
  const heard = (event: Event) => void answer(event as MessageEvent).catch(() => {});
  const { signal } = over;
  serviceWorker?.addEventListener('message', heard, { signal });
  serviceWorker?.startMessages();
  // Of a loop that runs in this page, see `hostInPage()`.
  addEventListener('backhaul', heard, { signal });
  return () => over.abort();
}
