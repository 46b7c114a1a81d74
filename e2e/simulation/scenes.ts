// Faults that wait for a state of an upload, and come together: so that what is rare by chance alone is met as often as
// the rest. What the scenes are for is said by the report's states x events.

import type { UploadStatus } from '../../src/contracts/upload.js';
import type { Dice } from '../conformance/dice.js';
import type { Fault, UserAct, When } from './plan.js';
import { GONE, type LinkFault } from './world/link.js';

const acts: readonly UserAct[] = ['pause', 'resume', 'cancel', 'retry', 'remove', 'add-again'];
const first = (on: UploadStatus): When => ({ on, at: 1 });
const busy = (dice: Dice): LinkFault => ({ type: 'answered', status: 503, retryAfterS: dice.between(10, 60) });

/** `completes`: the protocol has a request of its own for the end of a file. */
export function sceneOf(dice: Dice, completes: boolean): readonly Fault[] {
  const act = (on: UploadStatus): Fault => ({ kind: dice.pick(acts), ...first(on), file: 0 });
  const scenes: readonly (() => readonly Fault[])[] = [
    () => blows(dice, completes),
    () => blows(dice, completes),
    () => [{ kind: 'link', ...first('uploading'), link: { type: 'refused' }, times: 3 }, act('waiting')],
    () => [{ kind: 'link', ...first('uploading'), link: { type: 'answered', status: 413 } }, act('failed')],
    () => [{ kind: 'link', ...first('uploading'), link: { type: 'answered', status: 422 } }, act('failed')],
    () => [
      { kind: 'evict-bytes', ...first('uploading') },
      { kind: 'link', ...first('uploading'), link: { type: 'cut', share: dice.next(), drainMs: 0 } },
      act('lost'),
    ],
    () => [
      { kind: 'evict-bytes', ...first('uploading') },
      { kind: 'pause', ...first('uploading'), file: 0 },
    ],
    () => [{ kind: 'pause', ...first('uploading'), file: 0 }, act('paused')],
    // A newer version meets what the older one left waiting.
    () => [
      { kind: 'link', ...first('preparing'), link: busy(dice), times: 3 },
      { kind: 'update-worker', ...first('waiting') },
    ],
    () => [
      { kind: 'link', ...first('preparing'), link: busy(dice), times: 3 },
      { kind: 'update-worker-wrongly', ...first('waiting') },
    ],
    () => [
      { kind: 'link', ...first('cancelled'), link: { type: 'refused' } },
      { kind: 'cancel', ...first('uploading'), file: 0 },
    ],
  ];
  const ends: readonly (() => readonly Fault[])[] = [
    () => [{ kind: dice.pick(['pause', 'cancel'] as const), ...first('completing'), file: 0 }],
    () => [{ kind: 'forget', ...first('completing') }],
    // Somebody on the way denies everything, and then does not.
    () => [{ kind: 'link', ...first('completing'), link: { type: 'answered', status: 404 }, times: 2 }],
    () => [{ kind: 'link', ...first('completing'), link: { type: 'answered', status: 200, says: GONE } }],
    () => [
      { kind: 'evict-bytes', ...first('completing') },
      { kind: 'link', ...first('completing'), link: { type: 'refused' } },
    ],
  ];
  return dice.pick(completes && dice.chance(0.5) ? ends : scenes)();
}

/** A file whose bytes are evicted while it comes a second time. Only of large ones is that noticed before they are sent. */
export const comesAgain: readonly Fault[] = [
  { kind: 'evict-bytes', ...first('queued') },
  { kind: 'add-again', ...first('queued'), file: 0 },
];

/** Several at the same moment, of which each alone would soon be mended. */
function blows(dice: Dice, completes: boolean): readonly Fault[] {
  const on = dice.pick<UploadStatus>([
    'queued',
    'preparing',
    'uploading',
    'waiting',
    'paused',
    'failed',
    'cancelled',
    'lost',
    completes ? 'completing' : 'uploading',
  ]);
  const aim: When = { on, at: dice.between(1, 2) };
  const link = dice.pick<LinkFault>([
    { type: 'refused' },
    { type: 'answer-lost' },
    { type: 'answered', status: dice.pick([404, 413, 422, 500, 503]) },
  ]);
  const others: readonly Fault[] = [
    { kind: 'evict-bytes', ...aim },
    { kind: 'forget', ...aim },
    { kind: 'stop-worker', ...aim },
    { kind: 'update-worker', ...aim },
    { kind: dice.pick(acts), ...aim, file: 0 },
  ];
  return [{ kind: 'link', ...aim, link, times: dice.between(1, 3) }, dice.pick(others), dice.pick(others)];
}
