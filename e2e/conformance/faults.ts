// The rows of the table: what can happen to an upload, which requests it can happen to, and how. Judges nothing.

import type { Dice } from './dice.js';
import type { Entry, Strike } from './wire.js';

/** Faults that strike single requests. */
export const strikeNames = [
  'request never sent',
  'body cut',
  'answer lost',
  'answer cut',
  'answered twice',
  'offset ahead',
  'offset behind',
  'session gone',
  'server killed',
  'silence',
  'web page',
  '401',
  '403',
  '423',
  '429',
  '503',
] as const;

export type StrikeName = (typeof strikeNames)[number];

/** Faults that hold for a whole run, or come from the user. */
export const otherFaults = ['413', 'headers hidden', 'worker stopped', 'cancelled'] as const;

export const faultNames = [...strikeNames, ...otherFaults] as const;

export type FaultName = StrikeName | (typeof otherFaults)[number];

/** What a strike may use. */
export interface StrikeTools {
  readonly dice: Dice;
  readonly nowMs: number;
  readonly forget: () => Promise<void>;
  readonly lose: () => Promise<void>;
}

/** A request that a strike may be meant for: one under way, or one that a run without faults has made. */
type Target = Pick<Entry, 'phase' | 'bodyBytes' | 'answerBytes'>;

const withBody = ({ bodyBytes }: Target) => bodyBytes > 1;

/** Why no request can meet a fault that `isTarget` is choosy about; printed as "n/a". */
export const targetless: Readonly<Partial<Record<StrikeName, string>>> = {
  'body cut': 'no request has a body',
  'answer cut': 'no answer has a body',
  'offset ahead': 'no request sends bytes',
};

/** Whether `fault` can happen to `request`, which the requests `earlier` preceded. */
export function isTarget(fault: StrikeName, request: Target, earlier: readonly Target[]): boolean {
  if (request.phase === 'abort') return false;
  switch (fault) {
    case 'body cut':
      return withBody(request);
    case 'offset ahead':
      return withBody(request) && request.phase === 'send';
    case 'answer cut':
      return (request.answerBytes ?? earlier.find(({ phase }) => phase === request.phase)?.answerBytes ?? 0) > 0;
    // There must be something to lose.
    case 'session gone':
      return earlier.some(({ phase }) => phase === 'send' || phase === 'create');
    case 'offset behind':
      return earlier.some(({ phase }) => phase === 'send');
    default:
      return true;
  }
}

/** Requests in a row that meet it. */
export function lengthOf(fault: StrikeName, dice: Dice): number {
  return ['423', '503', 'web page'].includes(fault) ? dice.between(1, 3) : 1;
}

const HTML = { 'Content-Type': 'text/html; charset=utf-8' };
const PAGE = '<!doctype html><html><title>Sign in to the network</title><h1>Welcome</h1></html>';

export function strikeOf(fault: StrikeName, request: Target, tools: StrikeTools): Strike {
  const { dice, nowMs } = tools;
  const { bodyBytes } = request;
  const somewhere = () => (bodyBytes < 2 ? 0 : dice.between(1, bodyBytes - 1));
  switch (fault) {
    case 'request never sent':
      return { type: 'unsent' };
    case 'body cut':
      return { type: 'cut', bytes: somewhere(), abrupt: dice.chance(0.5) };
    case 'answer lost':
      return { type: 'mute' };
    case 'answer cut':
      return { type: 'torn' };
    case 'answered twice':
      return { type: 'twice', bytes: Infinity };
    case 'offset ahead':
      return { type: 'twice', bytes: somewhere() };
    case 'offset behind':
      return { type: 'before', act: tools.lose };
    case 'session gone':
      return { type: 'before', act: tools.forget };
    case 'server killed':
      return { type: 'killed', bytes: somewhere() };
    case 'silence':
      return { type: 'silent', sent: dice.chance(0.5) };
    case '401':
    case '403':
      return { type: 'signed-out', status: Number(fault) };
    case '423':
    case '503':
      return { type: 'answered', status: Number(fault), headers: {}, body: '' };
    case '429': {
      const seconds = dice.between(30, 600);
      // A date has no milliseconds.
      const notBeforeMs = Math.floor((nowMs + seconds * 1000) / 1000) * 1000;
      const retryAfter = dice.chance(0.5) ? String(seconds) : new Date(notBeforeMs).toUTCString();
      return { type: 'answered', status: 429, headers: { 'Retry-After': retryAfter }, body: '', notBeforeMs };
    }
    case 'web page':
      return { type: 'answered', status: 200, headers: HTML, body: PAGE };
    default:
      return fault satisfies never;
  }
}
