// Which of a registration's workers gets messages.

import { describe, expect, test } from 'vitest';
import { activeWorker } from './registration.js';

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
