// What the answers of chunk servers mean, whatever was asked.

import { type Answer, type Io, ProtocolFailure, type Verdict } from './adapter.js';
import type { Means } from './chunk-calls.js';
import { refusal } from './refusals.js';

/** What an answer means, unless it means that all is well. */
export function objection(
  step: Parameters<Means>[1],
  url: string,
  answer: Answer,
  io: Io,
  means?: Means,
  verdicts?: Record<number, Verdict>,
): ProtocolFailure | undefined {
  if (!answer.ok) return refusal(url, answer, io.nowMs(), verdicts);
  // By its text alone: Express calls every text "text/html".
  if (/^\s*<(!doctype|html)/i.test(answer.text)) return notUnderstood(url, answer);
  const verdict = means?.(answer, step);
  return verdict && refusal(url, answer, io.nowMs(), { [answer.status]: verdict });
}

export function check(...about: Parameters<typeof objection>): void {
  const failure = objection(...about);
  if (failure) throw failure;
}

export function isUnknown({ status }: Answer): boolean {
  return status === 404 || status === 410;
}

export function notUnderstood(url: string, { status, text }: Answer): ProtocolFailure {
  const message = `${url} answered "${text.trim().slice(0, 40)}"`;
  return new ProtocolFailure('unreachable', 'unexpected-answer', message, { httpStatus: status });
}
