// What an engine does not do, and why: the only place where a spec for every engine may end otherwise in one of them.
import type { EngineName } from './engine.js';

/**
 * `untested`: the engine's driver has no means for it, so nothing is claimed.
 * `but`: it holds all the same, and the test expects what is said here instead of what it expects elsewhere. Where the
 * test can tell that the difference is gone, it is red, and the entry goes.
 */
export interface Difference {
  readonly engine: EngineName;
  /** The title of the test. */
  readonly test: string;
  readonly kind: 'untested' | 'but';
  readonly reason: string;
}

export const differences: readonly Difference[] = [
  ...(['firefox', 'webkit'] as const).map((engine) => ({
    engine,
    test: 'an upload survives: hard reload (past every cache)',
    kind: 'untested' as const,
    reason: 'WebDriver has no such command',
  })),
  ...(['connections lost', 'connections kept'] as const).map((which) => ({
    engine: 'webkit' as const,
    test: `an upload survives: offline for 5 s, ${which}, then online`,
    kind: 'untested' as const,
    reason: 'WebDriver has no such command',
  })),
  {
    engine: 'firefox',
    test: 'an upload survives: worker stopped',
    kind: 'untested',
    reason: 'WebDriver has no such command, and a driven Firefox ends when a process of it does',
  },
  {
    engine: 'webkit',
    test: 'on a full device, what finds no room is refused as such, and what fits is delivered',
    kind: 'untested',
    reason: 'it heeds no quota that is set from outside',
  },
  ...[
    'a pause in one tab is seen in the other, which goes on from the same byte',
    'without a worker, one of two tabs drives, and the other takes over',
  ].map((test) => ({
    engine: 'firefox' as const,
    test,
    kind: 'but' as const,
    reason: 'the browser itself repeats a POST that the server refused half-way',
  })),
  {
    engine: 'firefox',
    test: 'an upload survives: last answer lost',
    kind: 'but',
    reason: 'the browser itself repeats the POST some times before the worker hears of the loss',
  },
];

export function differenceOf(engine: EngineName, title: string): Difference | undefined {
  return differences.find((difference) => difference.engine === engine && difference.test === title);
}
