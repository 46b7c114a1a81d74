// Owns one WebDriver session: the few commands that a Tab needs, one after another, since a session has one current window.
// https://www.w3.org/TR/webdriver2/
import type { Tab } from './engine.js';

/** A page that loads over a shaped link, and an `evaluate` that waits for a delivery, take their time. */
const LIMIT_MS = 120_000;

/**
 * A script that calls back with JSON, since the protocol's own way of copying knows no `undefined`. The source is a part of
 * it: a page's Content-Security-Policy forbids `eval`.
 */
const scriptOf = (source: string) => `
  const done = arguments[arguments.length - 1];
  const [argument] = arguments;
  new Promise((resolve) => resolve(${source}))
    .then((value) => (typeof value === 'function' ? value(argument) : value))
    .then((value) => done(JSON.stringify({ value })), (error) => done(JSON.stringify({ error: String(error) })));`;

export class WebDriverSession {
  readonly #url: string;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(url: string) {
    this.#url = url;
  }

  /** `capabilities` as in the specification's `alwaysMatch`. */
  static async start(origin: string, capabilities: object): Promise<WebDriverSession> {
    const made = await ask(`${origin}/session`, 'POST', { capabilities: { alwaysMatch: capabilities } });
    const { sessionId } = made as { readonly sessionId: string };
    const session = new WebDriverSession(`${origin}/session/${sessionId}`);
    await session.#ask('POST', '/timeouts', { script: LIMIT_MS, pageLoad: LIMIT_MS });
    return session;
  }

  async firstTab(): Promise<Tab> {
    return this.#tab(String(await this.#ask('GET', '/window')));
  }

  async newTab(): Promise<Tab> {
    const made = await this.#inTurn(async () => {
      // It asks for a current window, and the last one may have been closed.
      const [handle] = (await this.#ask('GET', '/window/handles')) as readonly string[];
      await this.#ask('POST', '/window', { handle });
      return this.#ask('POST', '/window/new', { type: 'tab' });
    });
    return this.#tab((made as { readonly handle: string }).handle);
  }

  /** Closes every window. */
  async end(): Promise<void> {
    await this.#inTurn(() => this.#ask('DELETE', ''));
  }

  #tab(handle: string): Tab {
    const inWindow = <Value>(task: () => Promise<Value>) =>
      this.#inTurn(async () => {
        await this.#ask('POST', '/window', { handle });
        return task();
      });
    const run = async (source: string, argument?: unknown) => {
      const text = await this.#ask('POST', '/execute/async', { script: scriptOf(source), args: [argument ?? null] });
      const { value, error } = JSON.parse(String(text)) as { readonly value?: unknown; readonly error?: string };
      if (error !== undefined) throw new Error(error);
      return value;
    };
    return {
      goto: (url) => inWindow(() => this.#ask('POST', '/url', { url })),
      reload: () => inWindow(() => this.#ask('POST', '/refresh', {})),
      evaluate: async <Result>(look: unknown, argument?: unknown) =>
        (await inWindow(() => run(`(${look})`, argument))) as Result,
      setInputFiles: (selector, paths) =>
        inWindow(async () => {
          // The protocol adds to what was picked before; a user replaces it.
          await run(`document.querySelector(${JSON.stringify(selector)}).value = ''`);
          const found = await this.#ask('POST', '/element', { using: 'css selector', value: selector });
          const [element] = Object.values(found as Record<string, string>);
          await this.#ask('POST', `/element/${element}/value`, { text: paths.join('\n') });
        }),
      close: async () => void (await inWindow(() => this.#ask('DELETE', '/window'))),
    };
  }

  #inTurn<Value>(task: () => Promise<Value>): Promise<Value> {
    const turn = this.#last.then(task);
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  #ask(method: string, path: string, body?: object): Promise<unknown> {
    return ask(`${this.#url}${path}`, method, body);
  }
}

async function ask(url: string, method: string, body?: object): Promise<unknown> {
  const answer = await fetch(url, {
    method,
    headers: { 'Content-Type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(LIMIT_MS),
  });
  const { value } = (await answer.json()) as { readonly value: unknown };
  if (answer.ok) return value;
  const { error, message } = value as { readonly error: string; readonly message: string };
  throw new Error(
    `WebDriver, ${method} ${new URL(url).pathname.replace(/^\/session\/[^/]+/, '')}: ${error}: ${message}`,
  );
}
