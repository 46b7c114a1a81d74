// Owns the judgement of one run: what the server's ledger and disk, the link and the page's words say about it.
import {
  acknowledgedBytesSentAgain,
  deliveries,
  firstByteAfter,
  type LedgerLine,
  maxConcurrentWriters,
} from '../harness/ledger.js';
import type { LinkRequest } from '../harness/link.js';
import type { SurvivalCase } from './cases.js';
import type { Fault } from './fault.js';
import { saidBetween } from './said.js';
import type { Stage } from './stage.js';
import { traceOf } from './trace.js';

export interface Verdict {
  /** The server holds one whole copy. */
  readonly delivered: boolean;
  /** How often it came to hold the whole file. */
  readonly deliveries: number;
  readonly hashEqual: boolean;
  readonly acknowledgedSentAgainBytes: number;
  /** Body bytes on the wire beyond the size of the file: lost on the way, refused, or sent in vain by the browser. */
  readonly wireOverheadBytes: number;
  /** POSTs that started where one before had started, with no question between: nobody but a browser does that. */
  readonly silentResends: number;
  readonly writers: number;
  /** Undefined: nothing new ever came. */
  readonly waitedMs: number | undefined;
  /** The same request went on: `waitedMs` is the longest pause of its bytes. */
  readonly wentOn: boolean;
  readonly limitMs: number | undefined;
  readonly also?: { readonly from: string; readonly waitedMs: number };
  readonly banner: readonly string[];
  readonly status: readonly string[];
  /** What went over the link and what the server noted, a line each, in seconds since the fault. */
  readonly trace: readonly string[];
  /** Why the run is a failure; undefined if it is none. */
  readonly failure?: string;
}

/** While a request goes on: how long after the fault its bytes are watched. */
const WATCH_MS = 3000;
/** An answer passes the link within this of its ledger line; a guess. */
const SAME_ANSWER_MS = 250;

export interface Run {
  readonly fault: Fault;
  /** The POST that was under way when the harm was done. */
  readonly carrier: LinkRequest | undefined;
  readonly endedAtMs: number;
  /** Why the run was given up. */
  readonly givenUp?: string;
}

export async function judge(play: SurvivalCase, stage: Stage, run: Run): Promise<Verdict> {
  const { server, link, file, fileId = '' } = stage;
  const { fault, carrier, endedAtMs } = run;
  const held = await server.heldFiles(({ sizeBytes }) => sizeBytes === file.sizeBytes);
  const posts = link.requests.filter(({ method }) => method === 'POST');
  const unheard = link.requests.filter(({ outcome }) => outcome === 'dropped' || outcome === 'replaced');
  const wentOn = play.mayGoOn === true && (carrier?.endedAtMs ?? endedAtMs) > fault.couldGoOnAtMs;
  const resumedAtMs = play.ends === 'page' ? endedAtMs : firstByteAfter(server.ledger, fileId, fault.startedAtMs);
  const since = (fromMs: number) => (resumedAtMs === undefined ? undefined : Math.max(0, resumedAtMs - fromMs));
  const also = fault.also === undefined ? undefined : since(fault.also.atMs);
  const facts = {
    delivered: held.length === 1,
    deliveries: deliveries(server.ledger, fileId),
    hashEqual: held[0]?.sha256 === file.sha256,
    acknowledgedSentAgainBytes: acknowledgedBytesSentAgain(server.ledger, fileId, (line) => isHeard(line, unheard)),
    wireOverheadBytes: posts.reduce((sum, { bodyBytesForwarded }) => sum + bodyBytesForwarded, -file.sizeBytes),
    silentResends: silentResends(link.requests),
    writers: maxConcurrentWriters(server.ledger, fileId),
    waitedMs: wentOn ? longestPause(stage, fault.couldGoOnAtMs) : since(fault.couldGoOnAtMs),
    wentOn,
    limitMs: play.limitMs?.(fault),
    ...(fault.also === undefined || also === undefined ? {} : { also: { from: fault.also.from, waitedMs: also } }),
    banner: saidBetween(stage.said, 'banner', fault.startedAtMs, endedAtMs),
    status: saidBetween(stage.said, 'status', fault.startedAtMs, endedAtMs),
    trace: traceOf(stage, fault),
  };
  const failure = run.givenUp ?? failureOf(play, facts);
  return failure === undefined ? facts : { ...facts, failure };
}

function failureOf(play: SurvivalCase, facts: Omit<Verdict, 'failure'>): string | undefined {
  if (!facts.delivered || facts.deliveries === 0) return 'not delivered';
  if (facts.deliveries > 1 && play.deliversAgain === undefined) return `delivered ${facts.deliveries} times`;
  if (!facts.hashEqual) return 'other bytes';
  if (facts.acknowledgedSentAgainBytes > 0 && play.sendsAgain === undefined) return 'acknowledged bytes sent again';
  if (facts.writers > 1) return `${facts.writers} writers at once`;
  if (facts.waitedMs === undefined) return 'no new byte';
  if (facts.limitMs !== undefined && facts.waitedMs > facts.limitMs) return 'time limit missed';
  return undefined;
}

/** The longest time without a byte in the first seconds after `fromMs`; a file that is through ends the watch. */
function longestPause({ arrivals, file }: Stage, fromMs: number): number {
  const after = arrivals.filter(({ atMs }) => atMs > fromMs && atMs <= fromMs + WATCH_MS);
  const times = [fromMs, ...after.map(({ atMs }) => atMs)];
  const through = (after.at(-1)?.bytes ?? 0) >= file.sizeBytes;
  const ends = through ? times.slice(1) : [...times.slice(1), fromMs + WATCH_MS];
  return Math.max(0, ...ends.map((atMs, index) => atMs - (times[index] ?? atMs)));
}

/** An answer that the link took away was never heard. */
function isHeard(line: LedgerLine, unheard: readonly LinkRequest[]): boolean {
  const atMs = line.answeredAtMs ?? line.atMs;
  return !unheard.some(
    ({ method, startByte, answeredAtMs = 0 }) =>
      (method === 'POST') === (line.event === 'upload') &&
      startByte === line.startByte &&
      Math.abs(answeredAtMs - atMs) < SAME_ANSWER_MS,
  );
}

function silentResends(requests: readonly LinkRequest[]): number {
  return requests.filter((request, index) => {
    const before = requests.slice(0, index).findLast(({ fileId }) => fileId !== undefined);
    return request.method === 'POST' && before?.method === 'POST' && before.startByte === request.startByte;
  }).length;
}
