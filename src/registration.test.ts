// Which registration a page takes, and which of its workers gets messages.

import { afterEach, describe, expect, test, vi } from 'vitest';
import { activeWorker, register } from './registration.js';

class Worker extends EventTarget {
  constructor(
    readonly scriptURL: string,
    public state: ServiceWorkerState,
  ) {
    super();
  }

  become(state: ServiceWorkerState): void {
    this.state = state;
    this.dispatchEvent(new Event('statechange'));
  }
}

function registered(workers: { active?: Worker; waiting?: Worker; installing?: Worker }) {
  const registration = { scope: '/app/', active: null, waiting: null, installing: null, ...workers };
  return { registration, asked: activeWorker(registration as unknown as ServiceWorkerRegistration) };
}

describe('the worker that gets messages', () => {
  test('is the active one, even if a newer one waits', async () => {
    const active = new Worker('/old.js', 'activated');
    const { asked } = registered({ active, waiting: new Worker('/new.js', 'installed') });
    expect(await asked).toBe(active);
  });

  test('is waited for until it is active', async () => {
    const first = new Worker('/first.js', 'installing');
    const { registration, asked } = registered({ installing: first });
    let settled = false;
    void asked.then(() => {
      settled = true;
    });
    first.become('installed');
    await new Promise((resolve) => setImmediate(resolve));
    expect(settled).toBe(false);
    Object.assign(registration, { active: first, installing: null });
    first.become('activating');
    expect(await asked).toBe(first);
  });

  test('that could not be installed is an error with its address', async () => {
    const broken = new Worker('/broken.js', 'installing');
    const { asked } = registered({ installing: broken });
    broken.become('redundant');
    await expect(asked).rejects.toMatchObject({
      code: 'worker-failed',
      message: expect.stringContaining('/broken.js'),
    });
  });

  test('that there is not is an error with the scope', async () => {
    const { asked } = registered({});
    await expect(asked).rejects.toMatchObject({ code: 'worker-failed', message: expect.stringContaining('/app/') });
  });
});

describe('a worker that is here already', () => {
  const base = 'https://example.org/app/page.html';
  afterEach(() => void vi.unstubAllGlobals());

  /** A browser that has one registration; `registering` is what it answers when asked for one. */
  function browserWith(script: string, scope: string, registering: Promise<unknown>) {
    const known = { scope, active: { scriptURL: script }, waiting: null, addEventListener: () => {} };
    const asked = vi.fn(() => registering);
    const serviceWorker = { getRegistration: async () => known, register: asked, addEventListener: () => {} };
    vi.stubGlobal('navigator', { serviceWorker });
    vi.stubGlobal('document', { baseURI: base });
    vi.stubGlobal('location', { href: base });
    return { known, asked };
  }

  test.each<[string, { scope?: string }, string]>([
    ['/sw.js', {}, 'https://example.org/'],
    ['../lib/sw.js', {}, 'https://example.org/lib/'],
    ['/sw.js', { scope: '/app/' }, 'https://example.org/app/'],
    ['/sw.js', { scope: 'part/' }, 'https://example.org/app/part/'],
  ])('is not waited for: %s %j', async (script, options, scope) => {
    // It waits behind the browser's look for a newer worker, over a network that is silent.
    const { known, asked } = browserWith(new URL(script, base).href, scope, new Promise(() => {}));
    expect(await register(script, options)).toBe(known);
    // The browser may still have something to learn, such as another `type`.
    expect(asked).toHaveBeenCalledOnce();
  });

  test.each([
    ['of another script', 'https://example.org/old.js', 'https://example.org/app/'],
    ['of a wider scope', 'https://example.org/sw.js', 'https://example.org/'],
  ])('%s is another one', async (_, script, scope) => {
    const active = new Worker('https://example.org/sw.js', 'activated');
    const registered = { scope: 'https://example.org/app/', active, waiting: null, addEventListener: () => {} };
    browserWith(script, scope, Promise.resolve(registered));
    expect(await register('/sw.js', { scope: '/app/' })).toBe(registered);
  });
});
