// Every message shape with nonsense in every place, from a seed, into the worker with its real store: whatever is no
// command is refused or ignored, and changes nothing.

import { openDB } from 'idb';
import { expect, test } from 'vitest';
import { UploadError } from '../../src/contracts/errors.js';
import { WIRE_VERSION } from '../../src/contracts/messages.js';
import { execute, parseCommand } from '../../sw/commands.js';
import { Dice } from '../conformance/dice.js';
import { fileOf, setStage } from '../engine/stage.js';

const junk: readonly unknown[] = [
  undefined,
  null,
  true,
  0,
  -0,
  -1,
  1.5,
  NaN,
  Infinity,
  2 ** 53,
  10n,
  '',
  'x',
  '__proto__',
  'constructor',
  '\0',
  '\ud800',
  'x'.repeat(5000),
  [],
  [[]],
  {},
  { length: 3 },
  new Date(NaN),
  /x/,
  new Map([['type', 'list']]),
  new Set(['a']),
  new Error('x'),
  new ArrayBuffer(8),
  new Uint8Array(3),
  new Blob(['x']),
  Object.create(null),
  ['a', 1],
  { type: 'list' },
  JSON.parse('{"__proto__":{"type":"clear"}}'),
];
const nonsense = (dice: Dice) => junk[dice.between(0, junk.length - 1)];

const item = { file: new Blob(['x']), name: 'a', type: '', sizeBytes: 1, lastModifiedMs: 0, fingerprint: 'a' };
const shapes: Readonly<Record<string, object>> = {
  enqueue: { endpoint: 'nowhere', metadata: { a: 'b' }, priority: 'low', items: [item] },
  list: { afterOrder: -1 },
  control: { control: 'cancel', ids: ['nobody'] },
  clear: { endpoint: 'nowhere' },
  wake: { reason: 'heartbeat' },
};

/** A message as structured cloning delivers it: plain data, perhaps cyclic. */
function message(dice: Dice): unknown {
  const spoil = (value: unknown, depth: number): unknown => {
    if (dice.chance(0.15)) return nonsense(dice);
    if (Array.isArray(value) && depth > 0) return value.map((each) => spoil(each, depth - 1));
    if (typeof value !== 'object' || value === null || depth === 0 || value instanceof Blob) return value;
    const fields = Object.entries(value).filter(() => dice.chance(0.95));
    const spoiled = Object.fromEntries(fields.map(([key, field]) => [key, spoil(field, depth - 1)]));
    if (dice.chance(0.03)) spoiled['self'] = spoiled;
    if (dice.chance(0.1)) spoiled[dice.pick(['__proto__', 'toJSON', 'then', 'x'])] = nonsense(dice);
    return spoiled;
  };
  const type = dice.pick(Object.keys(shapes));
  const wire = dice.chance(0.9) ? WIRE_VERSION : nonsense(dice);
  const source = dice.chance(0.95) ? 'backhaul' : nonsense(dice);
  const data = spoil({ source, wire, body: { type, ...shapes[type] } }, 4);
  try {
    return structuredClone(data);
  } catch {
    return undefined;
  }
}

async function contents(databaseName: string): Promise<string> {
  const database = await openDB(databaseName);
  const all = [await database.getAll('uploads'), await database.getAllKeys('bytes')];
  database.close();
  return JSON.stringify(all);
}

test('no message crashes the worker, and what is no command of its page changes nothing', {
  timeout: 60_000,
}, async () => {
  const stage = await setStage();
  stage.server.fault = () => ({ type: 'answer', status: 401 });
  await stage.add([fileOf('a.bin', 100), fileOf('b.bin', 100_000)]);
  await stage.time.pass(60_000);
  const before = await contents(stage.databaseName);
  const count = { ignored: 0, refused: 0, done: 0 };
  for (let nth = 0; nth < 2000; nth += 1) {
    const data = message(new Dice(1, nth));
    try {
      const command = parseCommand(data);
      // Commands that are sound may do what they say, to uploads that there are not.
      if (command === undefined) count.ignored += 1;
      else {
        await stage.worker.life.run(() => execute(command, stage.worker.engine));
        count.done += 1;
      }
    } catch (cause) {
      if (!(cause instanceof UploadError)) throw new Error(`message ${nth} threw ${cause}`, { cause });
      expect(['invalid-message', 'version-mismatch', 'unknown-endpoint']).toContain(cause.code);
      count.refused += 1;
    }
  }
  await stage.time.settle();
  expect(await contents(stage.databaseName)).toBe(before);
  for (const times of Object.values(count)) expect(times).toBeGreaterThan(100);
  stage.server.fault = () => undefined;
  await stage.worker.send({ type: 'control', control: 'resume', ids: 'all' });
  await stage.time.until('delivery', async () =>
    Object.values(await stage.statuses()).every((each) => each === 'completed'),
  );
});
