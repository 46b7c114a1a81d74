// What a seed stands for: files, a link, and the faults of one run with the moment of each. Plain JSON, so that a plan can
// be shortened, and kept after the dice have changed.

import type { UploadStatus } from '../../src/contracts/upload.js';
import { Dice } from '../conformance/dice.js';
import { comesAgain, sceneOf } from './scenes.js';
import type { Link, LinkFault } from './world/link.js';

/**
 * When: the n-th await of that kind of agent, the n-th request or answer, the n-th transaction that writes, the n-th time
 * that an upload comes to that state, or so many ms in.
 */
export interface When {
  readonly on: 'worker' | 'page' | 'server' | 'request' | 'answer' | 'transaction' | 'ms' | UploadStatus;
  readonly at: number;
}

export type Fault = When &
  (
    | { readonly kind: 'stop-worker' | 'update-worker' | 'close-page' | 'open-page' | 'look' }
    /** A version that does not know the endpoint: a mistake of whoever released it. */
    | { readonly kind: 'update-worker-wrongly' }
    /** After so many more requests; to so many of them. */
    | { readonly kind: 'link'; readonly link: LinkFault; readonly after?: number; readonly times?: number }
    | { readonly kind: 'offline' | 'disk-full' | 'quota' | 'sign-out'; readonly forMs: number }
    | { readonly kind: 'crash-server'; readonly forMs: number; readonly powerCut: boolean }
    | { readonly kind: 'abort-transaction'; readonly error: string }
    | { readonly kind: 'evict-bytes' | 'evict-all' | 'forget' }
    | { readonly kind: 'jump-clock'; readonly byMs: number }
    /** What waits for a state is done to the upload that came to it. */
    | { readonly kind: UserAct; readonly file: number }
  );

export type UserAct = 'pause' | 'resume' | 'cancel' | 'retry' | 'remove' | 'add-again' | 'add-elsewhere';

export interface Plan {
  readonly seed: number;
  readonly protocol: string;
  readonly sizes: readonly number[];
  readonly pieceBytes: number;
  /** The first version of the worker asks about every file before it sends; later ones send small ones at once. */
  readonly asksFirst?: boolean;
  /** After the last fault nobody opens a page until all that goes on by itself is delivered. */
  readonly alone?: boolean;
  readonly concurrency: number;
  readonly link: Link;
  /** Faults come in this time; then everything heals. */
  readonly chaosMs: number;
  readonly faults: readonly Fault[];
}

export function planOf(seed: number, protocol: string): Plan {
  const dice = new Dice(seed, 'plan', protocol);
  const pieceBytes = dice.pick([20_000, 40_000, 70_000]);
  // S3 takes no parts below 5 MiB.
  const isLarge = protocol === 's3';
  const largeSizes = [0, 1, 700_000, 700_000, 5_242_880, 5_242_881, 10_600_000];
  const sizes = Array.from({ length: dice.between(1, isLarge ? 2 : 4) }, () =>
    isLarge ? dice.pick(largeSizes) : sizeOf(dice, pieceBytes),
  );
  const link = {
    latencyMs: dice.pick([2, 20, 100, 400]),
    jitterMs: dice.pick([0, 10, 200]),
    bytesPerMs: dice.pick([20, 200, 2000]) * (isLarge ? 50 : 1),
  };
  const chaosMs = dice.pick([5000, 30_000, 200_000]);
  const count = dice.chance(0.05) ? 0 : dice.between(1, 8);
  const faults = Array.from({ length: count }, () => faultOf(dice, sizes.length, chaosMs));
  if (dice.chance(0.6)) faults.push(...sceneOf(dice, protocol === 'chunks' || isLarge));
  // Dice of its own: the other faults of a seed stay as they were before there was this one.
  if (isLarge && new Dice(seed, 'comes again').chance(0.2)) faults.push(...comesAgain);
  const concurrency = dice.between(1, 3);
  const [asksFirst, alone] = [dice.chance(0.5), dice.chance(0.1)];
  return { seed, protocol, sizes, pieceBytes, asksFirst, alone, concurrency, link, chaosMs, faults };
}

function sizeOf(dice: Dice, piece: number): number {
  return dice.pick([
    0,
    1,
    dice.between(2, piece),
    piece,
    piece + 1,
    dice.between(piece, 4 * piece),
    dice.between(piece, 4 * piece),
    dice.chance(0.2) ? 600_000 : 3 * piece,
  ]);
}

const moment = (dice: Dice, chaosMs: number): When => ({ on: 'ms', at: Math.floor(chaosMs * dice.next() ** 2) });
/** Small numbers more often: most happens at the beginning. */
const nth = (dice: Dice, on: When['on'], most: number): When => ({ on, at: 1 + Math.floor(most * dice.next() ** 2) });

function faultOf(dice: Dice, files: number, chaosMs: number): Fault {
  const when = () => moment(dice, chaosMs);
  const forMs = Math.floor(chaosMs * 0.5 * dice.next());
  const anyWorker = () => (dice.chance(0.8) ? nth(dice, 'worker', 500) : when());
  const makers: readonly (readonly [weight: number, make: () => Fault])[] = [
    [10, () => ({ kind: 'stop-worker', ...anyWorker() })],
    [3, () => ({ kind: 'update-worker', ...when() })],
    [1, () => ({ kind: 'update-worker-wrongly', ...when() })],
    [2, () => ({ kind: 'close-page', ...(dice.chance(0.5) ? nth(dice, 'page', 120) : when()) })],
    [3, () => ({ kind: 'open-page', ...when() })],
    [2, () => ({ kind: 'look', ...when() })],
    [18, () => ({ kind: 'link', ...nth(dice, 'request', 24), link: linkFaultOf(dice) })],
    [3, () => ({ kind: 'offline', ...when(), forMs })],
    [1, () => ({ kind: 'disk-full', ...when(), forMs })],
    [2, () => ({ kind: 'sign-out', ...when(), forMs })],
    [2, () => ({ kind: 'quota', ...when(), forMs })],
    [
      5,
      () => ({
        kind: 'crash-server',
        ...(dice.chance(0.7) ? nth(dice, 'server', 160) : when()),
        forMs,
        powerCut: dice.chance(0.5),
      }),
    ],
    [
      4,
      () => ({
        kind: 'abort-transaction',
        ...nth(dice, 'transaction', 30),
        error: dice.pick(['QuotaExceededError', 'UnknownError', 'AbortError']),
      }),
    ],
    [2, () => ({ kind: 'forget', ...(dice.chance(0.7) ? nth(dice, 'worker', 300) : when()) })],
    [2, () => ({ kind: 'evict-bytes', ...(dice.chance(0.7) ? nth(dice, 'worker', 300) : when()) })],
    [1, () => ({ kind: 'evict-all', ...when() })],
    [1, () => ({ kind: 'jump-clock', ...when(), byMs: dice.pick([-3_600_000, -5000, 60_000, 86_400_000]) })],
    [
      12,
      () => ({
        kind: dice.pick<UserAct>([
          'pause',
          'pause',
          'resume',
          'cancel',
          'cancel',
          'retry',
          'remove',
          'add-again',
          'add-again',
          'add-elsewhere',
        ]),
        ...dice.pick([() => nth(dice, 'worker', 400), () => nth(dice, 'answer', 12), when])(),
        file: dice.between(0, files - 1),
      }),
    ],
  ];
  let mark = dice.next() * makers.reduce((sum, [weight]) => sum + weight, 0);
  for (const [weight, make] of makers) {
    mark -= weight;
    if (mark < 0) return make();
  }
  return { kind: 'look', ...when() };
}

function linkFaultOf(dice: Dice): LinkFault {
  return dice.pick<() => LinkFault>([
    () => ({ type: 'refused' }),
    () => ({ type: 'cut', share: dice.next(), drainMs: dice.pick([0, 0, 3000]) }),
    () => ({ type: 'cut', share: dice.next(), drainMs: 0 }),
    () => ({ type: 'answer-lost' }),
    () => ({ type: 'answer-torn' }),
    () => ({ type: 'black-hole' }),
    () => ({ type: 'silent' }),
    () => ({ type: 'delayed', delayMs: dice.between(100, 20_000) }),
    () => ({ type: 'twice', delayMs: dice.between(0, 2000) }),
    () => ({ type: 'answered', status: dice.pick([500, 502, 503, 423, 429, 408]) }),
    () => ({ type: 'answered', status: dice.pick([503, 429]), retryAfterS: dice.between(10, 300) }),
    () => ({ type: 'answered', status: dice.pick([413, 422, 404]) }),
    () => ({ type: 'answered', status: 200, page: true }),
  ])();
}
