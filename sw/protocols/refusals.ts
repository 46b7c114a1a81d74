// What an HTTP status means to an upload, for all protocols; each adapter overrides what its contract says otherwise.

import type { ErrorCode } from '../../src/contracts/errors.js';
import { type Answer, ProtocolFailure, type Verdict } from './adapter.js';
import { retryAfterMs } from './http.js';

/** The failure that a refusing answer stands for. `overrides`: verdicts by status, from the adapter's contract. */
export function refusal(
  url: string,
  answer: Answer,
  nowMs: number,
  overrides: Readonly<Record<number, Verdict>> = {},
): ProtocolFailure {
  const { status } = answer;
  const verdict = overrides[status] ?? verdictOf(status);
  const details = { httpStatus: status, retryAfterMs: retryAfterMs(answer, nowMs) };
  const said = excerpt(answer);
  const fail = (code: ErrorCode, what: string) =>
    new ProtocolFailure(verdict, code, `${url} answered ${status}${said}. ${what}`, details);
  switch (verdict) {
    case 'auth':
      return fail('unauthorized', 'Sign in, then resume.');
    case 'smaller':
      return fail('too-large', 'Raise the body limit of the server or its proxy, then retry.');
    case 'resync':
      return fail('offset-mismatch', 'It is asked what it holds.');
    case 'restart':
      return fail('server-lost-bytes', 'It does not know this upload.');
    case 'busy':
    case 'unreachable':
      return fail(status === 423 ? 'locked' : status === 429 ? 'rate-limited' : 'server-error', 'It is tried again.');
    case 'fatal':
      return fail('refused', 'Correct the cause, then retry.');
    default:
      return verdict satisfies never;
  }
}

function verdictOf(status: number): Verdict {
  if (status === 401 || status === 403) return 'auth';
  if (status === 413) return 'smaller';
  if (status === 409 || status === 412 || status === 416) return 'resync';
  if (status === 404 || status === 410) return 'restart';
  // 500 may be the server's trouble with this one file; 502 to 504 are anybody's.
  if (status === 423 || status === 500) return 'busy';
  if (status === 408 || status === 425 || status === 429 || status > 500 || status < 400) return 'unreachable';
  return 'fatal';
}

/** The first words of a plain-text answer, for the message. Pages in HTML say nothing to a person here. */
function excerpt(answer: Answer): string {
  const text = isHtml(answer) ? '' : answer.text.trim().replace(/\s+/g, ' ').slice(0, 120);
  return text === '' ? '' : ` (${text})`;
}

/** A page where a number or a receipt was due: a captive portal, a sign-in page, a wrong address. */
export function isHtml(answer: Answer): boolean {
  return /^text\/html\b/i.test(answer.header('Content-Type') ?? '') || /^\s*<(!doctype|html)/i.test(answer.text);
}
