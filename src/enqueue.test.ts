// From files to commands and back: nothing is lost, nothing changes places, nothing is sent after the end.

import { describe, expect, test } from 'vitest';
import { UploadError } from './contracts/errors.js';
import type { Command, EnqueueOutcome } from './contracts/messages.js';
import type { UploadSnapshot } from './contracts/upload.js';
import { checkOptions, collect, EnqueueError, type EnqueueOptions, sendFiles } from './enqueue.js';
import type { Upload } from './upload.js';

type Enqueue = Extract<Command, { type: 'enqueue' }>;
const options: EnqueueOptions = { endpoint: 'photos' };
const file = (name: string, size = 3) => new File([new Uint8Array(size)], name, { type: 'image/png', lastModified: 9 });
const accepted = (name: string): EnqueueOutcome => ({ type: 'accepted', snapshot: { name } as UploadSnapshot });
const rejected = (code: 'file-changed' | 'quota-exceeded', message = `${code}.`): EnqueueOutcome => ({
  type: 'rejected',
  error: { code, message },
});
const names = (outcomes: readonly EnqueueOutcome[]) =>
  outcomes.map((outcome) => (outcome.type === 'accepted' ? outcome.snapshot.name : outcome.error.code));

/** A worker that accepts everything, and what it was sent. */
function worker() {
  const commands: Enqueue[] = [];
  const send = async (command: Enqueue) => {
    commands.push(command);
    return command.items.map(({ name }) => accepted(name));
  };
  return { commands, send };
}

describe('files become commands', () => {
  test('with all that a worker must know', async () => {
    const { commands, send } = worker();
    await sendFiles([file('a.png')], { ...options, metadata: { album: '7' }, priority: 'low' }, send);
    expect(commands).toEqual([
      {
        type: 'enqueue',
        endpoint: 'photos',
        metadata: { album: '7' },
        priority: 'low',
        items: [
          {
            file: expect.any(File),
            name: 'a.png',
            type: 'image/png',
            sizeBytes: 3,
            lastModifiedMs: 9,
            fingerprint: 'a.png-3-9',
          },
        ],
      },
    ]);
  });

  test('without options: no metadata, normal', async () => {
    const { commands, send } = worker();
    await sendFiles([file('a')], options, send);
    expect(commands[0]).toMatchObject({ metadata: {}, priority: 'normal' });
  });

  test('a Blob without a name is always a new one', async () => {
    const { commands, send } = worker();
    const blob = new Blob(['x']);
    await sendFiles([blob, blob], options, send);
    const [first, second] = commands[0]?.items ?? [];
    expect(first?.fingerprint).not.toBe(second?.fingerprint);
    expect(first?.name).toMatch(/^blob-/);
    expect(first?.name).not.toBe(second?.name);
  });

  test('a fingerprint of the app’s own is used for all', async () => {
    const { commands, send } = worker();
    await sendFiles([file('a'), new Blob(['abc'])], { ...options, fingerprint: (blob) => `own-${blob.size}` }, send);
    expect(commands[0]?.items.map(({ fingerprint }) => fingerprint)).toEqual(['own-3', 'own-3']);
  });

  test('in batches, each file once, outcomes in their order', async () => {
    const { commands, send } = worker();
    const files = Array.from({ length: 1234 }, (_, index) => file(`${index}`, 0));
    const slow = async (command: Enqueue) => {
      if (commands.length % 2 === 0) await new Promise((resolve) => setImmediate(resolve));
      return send(command);
    };
    expect(names(await sendFiles(files, options, slow))).toEqual(files.map(({ name }) => name));
    const sent = commands.flatMap(({ items }) => items.map(({ name }) => name));
    expect(new Set(sent).size).toBe(1234);
    expect(sent).toHaveLength(1234);
    for (const { items } of commands) expect(items.length).toBeLessThanOrEqual(500);
  });

  test('at most two batches at once', async () => {
    let atOnce = 0;
    let most = 0;
    const files = Array.from({ length: 900 }, (_, index) => file(`${index}`, 0));
    await sendFiles(files, options, async ({ items }) => {
      atOnce += 1;
      most = Math.max(most, atOnce);
      await new Promise((resolve) => setImmediate(resolve));
      atOnce -= 1;
      return items.map(({ name }) => accepted(name));
    });
    expect(most).toBe(2);
  });

  test('each batch is a task of its own, so that the page is never blocked for longer', async () => {
    const files = Array.from({ length: 900 }, (_, index) => file(`${index}`, 0));
    let sent = 0;
    await sendFiles(files, options, async ({ items }) => {
      sent += 1;
      const before = sent;
      // Whatever belongs to this task comes before the next one.
      for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
      expect(sent).toBe(before);
      return items.map(({ name }) => accepted(name));
    });
    expect(sent).toBe(2);
  });

  test('large files go in small batches', async () => {
    const { commands, send } = worker();
    const large = (name: string) => Object.defineProperty(file(name), 'size', { value: 600_000_000 });
    await sendFiles([large('a'), large('b'), large('c'), large('d'), large('e')], options, send);
    expect(commands.map(({ items }) => items.length)).toEqual([2, 2, 1]);
  });

  test('nothing is no command', async () => {
    const { commands, send } = worker();
    expect(await sendFiles([], options, send)).toEqual([]);
    expect(commands).toEqual([]);
  });

  test('what is no file is refused here, in its place, and never sent', async () => {
    const { commands, send } = worker();
    const list = [null, file('a'), 'text', undefined, file('b'), 7, {}];
    expect(names(await sendFiles(list, options, send))).toEqual([
      'not-a-file',
      'a',
      'not-a-file',
      'not-a-file',
      'b',
      'not-a-file',
      'not-a-file',
    ]);
    expect(commands.flatMap(({ items }) => items)).toHaveLength(2);
  });

  test('a list without any file sends nothing', async () => {
    const { commands, send } = worker();
    expect(names(await sendFiles([1, 2], options, send))).toEqual(['not-a-file', 'not-a-file']);
    expect(commands).toEqual([]);
  });

  test('a name that is longer than any worker takes refuses that file, not its neighbours', async () => {
    const { commands, send } = worker();
    await sendFiles([file('x'.repeat(1025)), file('a')], options, send);
    // What the worker's parser takes (commands.ts): else the whole batch is an `invalid-message`.
    for (const { items } of commands) {
      for (const { name, fingerprint } of items) {
        expect(name.length).toBeLessThanOrEqual(1024);
        expect(fingerprint.length).toBeLessThanOrEqual(2048);
      }
    }
  });
});

describe('a refusal of the whole call', () => {
  test('ends it: nothing more is sent', async () => {
    const sent: number[] = [];
    const files = Array.from({ length: 5000 }, (_, index) => file(`${index}`, 0));
    const call = sendFiles(files, options, async ({ items }) => {
      sent.push(items.length);
      if (sent.length === 1) throw new UploadError('unknown-endpoint', 'm');
      return items.map(({ name }) => accepted(name));
    });
    await expect(call).rejects.toMatchObject({ code: 'unknown-endpoint' });
    const before = sent.length;
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setTimeout(resolve));
    expect(sent.length - before).toBeLessThanOrEqual(1);
    expect(before).toBeLessThanOrEqual(3);
  });

  test('by a fingerprint that throws is the app’s own error', async () => {
    const { send } = worker();
    const fingerprint = () => {
      throw new RangeError('mine');
    };
    await expect(sendFiles([file('a')], { ...options, fingerprint }, send)).rejects.toThrow(RangeError);
  });
});

describe('outcomes become handles', () => {
  const handle = ({ snapshot }: { readonly snapshot: UploadSnapshot }) => ({ id: snapshot.name }) as unknown as Upload;

  test('in their order', () => {
    const uploads = collect([file('a'), file('b')], [accepted('a'), accepted('b')], handle);
    expect(uploads).toEqual([{ id: 'a' }, { id: 'b' }]);
  });

  test('and an error that has both, if some were refused', () => {
    const files = [file('a'), file('b'), file('c')];
    const outcomes = [rejected('file-changed'), accepted('b'), rejected('quota-exceeded')];
    let error: unknown;
    try {
      collect(files, outcomes, handle);
    } catch (cause) {
      error = cause;
    }
    expect(error).toBeInstanceOf(EnqueueError);
    expect(error).toBeInstanceOf(UploadError);
    expect(error).toMatchObject({
      code: 'file-changed',
      message: 'file-changed. (and 1 more)',
      accepted: [{ id: 'b' }],
      rejected: [
        { file: files[0], error: { code: 'file-changed' } },
        { file: files[2], error: { code: 'quota-exceeded' } },
      ],
    });
  });

  test('the message of one refusal is that refusal’s', () => {
    expect(new EnqueueError([], [{ file: file('a'), error: new UploadError('file-missing', 'gone') }]).message).toBe(
      'gone',
    );
  });
});

describe('options', () => {
  test.each<[string, unknown]>([
    ['no endpoint', {}],
    ['an endpoint that is no name', { endpoint: 7 }],
    ['a priority that there is not', { endpoint: 'a', priority: 'urgent' }],
    ['metadata that is text', { endpoint: 'a', metadata: 'album' }],
    ['metadata that is null', { endpoint: 'a', metadata: null }],
    ['metadata with a number', { endpoint: 'a', metadata: { album: 7 } }],
    ['metadata that is too long', { endpoint: 'a', metadata: { album: 'x'.repeat(4096) } }],
    ['metadata that is a list', { endpoint: 'a', metadata: ['album'] }],
  ])('%s is refused', (_, given) => {
    expect(() => checkOptions(given as EnqueueOptions)).toThrow(expect.objectContaining({ code: 'invalid-option' }));
  });

  test('all that is right passes', () => {
    checkOptions({ endpoint: 'a' });
    checkOptions({ endpoint: 'a', priority: 'high', metadata: { a: 'x'.repeat(4000) } });
  });
});
