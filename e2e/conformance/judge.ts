// What a run is worth: the invariants of the design, and the kit's own duty to have done what it says it did.

import { createHash } from 'node:crypto';
import { EXPOSE, type Run } from './deliver.js';
import type { RunningServer, Subject } from './subject.js';

/** How a run may end. */
export interface Expectation {
  /** Default `completed`. */
  readonly end?: 'completed' | 'cancelled';
  /** A definite end that is as good: the reason why the server cannot be served. */
  readonly orFailedWith?: string;
}

/** Virtual time in which an upload must end once nothing is in its way. Longest back-off 300 s, longest request 120 s. */
const CALM_LIMIT_MS = 900_000;
/** Requests that the engine may have under way at once. */
const LANES = 3;

/** What is wrong with the run, in words; nothing if all is well. */
export async function judge(
  subject: Subject,
  server: RunningServer,
  run: Run,
  expected: Expectation = {},
): Promise<string[]> {
  const { record, journal, witness, plan } = run;
  const wrong = [...run.complaints];
  const mayRepeat = subject.repeats !== undefined && mayBeFinishedUnseen(run);
  const say = (holds: boolean, what: string) => {
    if (!holds) wrong.push(what);
  };
  if (record === undefined) return [...wrong, 'The file was never stored (invariant 1).'];
  const { state } = record.course;
  const { end = 'completed', orFailedWith } = expected;
  const failed = state.status === 'failed' && state.error.code === orFailedWith;
  const error = 'error' in state && state.error ? `: ${state.error.code}, ${state.error.message}` : '';
  say(state.status === end || failed, `It ended as ${state.status}${error} (invariant 6; ${end} was due).`);
  if (plan.hidesHeaders && state.status !== 'completed') {
    say(error.includes(EXPOSE), `With hidden headers the error does not name ${EXPOSE} (invariant 11).`);
  }
  // Those of a worker that was stopped are nobody's any more, but still in the clock.
  say(run.stops > 0 || run.timersLeft === 0, `${run.timersLeft} timers were left running at the end.`);
  say(run.afterwards === 0, `${run.afterwards} requests came after the end.`);
  say(run.calmMs <= CALM_LIMIT_MS, `It took ${Math.round(run.calmMs / 1000)} s with nothing in its way (invariant 6).`);

  const held = await server.held(run.name);
  const due = createHash('sha256').update(run.bytes).digest('hex');
  say(
    held.every((sha256) => sha256 === due),
    'The server finished a file that is not the one that was sent (invariant 2).',
  );
  if (state.status === 'completed') {
    say(held.length > 0, 'It is "completed", but the server has no finished file of that name (invariant 3).');
    say(held.length < 2 || mayRepeat, `The server finished it ${held.length} times (invariant 8).`);
  }
  if (end === 'cancelled') {
    const left = (await server.unfinished?.(run.name)) ?? 0;
    say(left === 0, `A cancel left ${left} unfinished uploads on the server.`);
  }

  const again = witness.sentAgainBytes;
  say(again === 0 || mayRepeat, `${again} acknowledged bytes were sent again (invariant 7).`);
  const { parts } = subject.adapter(server.origin, plan.pieceBytes);
  const disturbances = journal.filter(({ strike }) => strike !== undefined).length + run.stops;
  const inFlight = parts ? LANES * plan.pieceBytes * disturbances : 0;
  const taken = witness.takenAgainBytes;
  say(
    taken <= inFlight || mayRepeat,
    `${taken} bytes that the server had taken were sent again, ${inFlight} may be (invariant 7).`,
  );

  for (const { notBeforeMs, ended = Infinity, ordinal, atMs, life } of journal) {
    if (notBeforeMs === undefined) continue;
    // A worker that is stopped before it could commit the answer leaves nothing that the next one could obey.
    const early = journal.filter(
      (entry) => entry.begun > ended && entry.atMs < notBeforeMs && (life ?? entry.life) === entry.life,
    );
    // Parts that stood in line when the answer came; time has not moved since.
    const inLine = parts ? early.filter((entry) => entry.phase === 'send' && entry.atMs === atMs) : [];
    say(
      early.length <= Math.min(inLine.length, LANES - 1),
      `${early.length} requests came before the Retry-After of #${ordinal} was over (#${early[0]?.ordinal}).`,
    );
  }
  const pieces = Math.ceil(plan.sizeBytes / Math.min(plan.pieceBytes, plan.limitBytes ?? Infinity));
  const most = 10 + 3 * pieces + 30 * (disturbances + 1);
  say(journal.length <= most, `${journal.length} requests, ${most} at most were to be expected.`);
  return wrong;
}

/** The server may have finished the file with an answer that no worker has committed: see `Subject.repeats`. */
function mayBeFinishedUnseen({ journal, plan, stops }: Run): boolean {
  const unseen = ['mute', 'torn', 'twice', 'silent', 'killed'];
  return journal.some(({ phase, range, strike, seen }) => {
    const finishes = range === undefined ? plan.sizeBytes === 0 && phase === 'create' : range[1] === plan.sizeBytes;
    return finishes && (stops > 0 || seen === 'ended' || (strike !== undefined && unseen.includes(strike)));
  });
}
