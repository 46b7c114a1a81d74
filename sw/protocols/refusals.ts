// What an HTTP status means to an upload, for all protocols; each adapter overrides what its contract says otherwise.

import type { ErrorCode } from '../../src/contracts/errors.js';
import { type Answer, ProtocolFailure, type Verdict } from './adapter.js';
import { retryAfterMs } from './http.js';

/** What each verdict is called. */
const codes: Readonly<Record<Verdict, ErrorCode>> = {
  auth: 'unauthorized',
  smaller: 'too-large',
  resync: 'offset-mismatch',
  restart: 'server-lost-bytes',
  busy: 'server-error',
  unreachable: 'server-error',
  fatal: 'refused',
};

/** Statuses with a code of their own, where they are waited for. */
const waitedFor: Readonly<Record<number, ErrorCode>> = { 423: 'locked', 429: 'rate-limited' };

const verdicts: Readonly<Record<number, Verdict>> = {
  401: 'auth',
  403: 'auth',
  404: 'restart',
  408: 'unreachable',
  409: 'resync',
  410: 'restart',
  412: 'resync',
  413: 'smaller',
  416: 'resync',
  423: 'busy',
  425: 'unreachable',
  429: 'unreachable',
  // May be the server's trouble with this one file; 502 to 504 are anybody's.
  500: 'busy',
};

/** The failure that a refusing answer stands for. `overrides`: verdicts by status, from the adapter's contract. */
export function refusal(
  url: string,
  answer: Answer,
  nowMs: number,
  overrides?: Readonly<Record<number, Verdict>>,
): ProtocolFailure {
  const { status } = answer;
  const verdict = overrides?.[status] ?? verdicts[status] ?? (status > 500 || status < 400 ? 'unreachable' : 'fatal');
  const usual = codes[verdict];
  const code = (usual === 'server-error' && waitedFor[status]) || usual;
  return new ProtocolFailure(verdict, code, `${url} answered ${status}${excerpt(answer)}`, {
    httpStatus: status,
    retryAfterMs: retryAfterMs(answer, nowMs),
  });
}

/** The first words of a plain-text answer, for the message. Pages in HTML say nothing to a person here. */
function excerpt(answer: Answer): string {
  const text = isHtml(answer) ? '' : answer.text.trim().replace(/\s+/g, ' ').slice(0, 120);
  return text && ` (${text})`;
}

/** A page where a number or a receipt was due: a captive portal, a sign-in page, a wrong address. */
export function isHtml(answer: Answer): boolean {
  return /^text\/html\b/i.test(answer.header('Content-Type') ?? '') || /^\s*<(!doctype|html)/i.test(answer.text);
}
