// Owns the table: several runs of a case become one row, which shows the worst of them.
import type { SurvivalCase } from './cases.js';
import type { Verdict } from './verdict.js';

/** All runs of one case; a run that threw is its message. */
export interface Outcome {
  readonly play: SurvivalCase;
  readonly runs: readonly (Verdict | string)[];
}

export function failuresOf({ runs }: Outcome): string[] {
  return runs.flatMap((run) => (typeof run === 'string' ? [run] : (run.failure ?? [])));
}

export function table(outcomes: readonly Outcome[]): string {
  const head = [
    '| one file, stopped half-way by | delivered once | hash equal | acknowledged bytes sent again | first new byte after | what the page said meanwhile |',
    '| --- | --- | --- | --- | --- | --- |',
  ];
  return [...head, ...outcomes.map(row)].join('\n');
}

function row(outcome: Outcome): string {
  const { play, runs } = outcome;
  const verdicts = runs.filter((run) => typeof run !== 'string');
  const failures = failuresOf(outcome);
  const of = (holds: (verdict: Verdict) => boolean) =>
    verdicts.filter(holds).length === runs.length
      ? 'yes'
      : `**no**, ${verdicts.filter(holds).length} of ${runs.length}`;
  const cells = [
    failures.length === 0 ? play.title : `**${play.title}: ${[...new Set(failures)].join('; ')}**`,
    delivered(verdicts, runs.length),
    of(({ hashEqual }) => hashEqual),
    again(play, verdicts),
    time(verdicts),
    words(verdicts),
  ];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
}

function delivered(verdicts: readonly Verdict[], runs: number): string {
  const good = verdicts.filter((verdict) => verdict.delivered && verdict.deliveries > 0).length;
  const most = Math.max(0, ...verdicts.map(({ deliveries }) => deliveries));
  return good < runs ? `**no**, ${good} of ${runs}` : most > 1 ? `${most} times` : 'yes';
}

function again(play: SurvivalCase, verdicts: readonly Verdict[]): string {
  const most = (value: (verdict: Verdict) => number) => Math.max(0, ...verdicts.map(value));
  const bytes = most(({ acknowledgedSentAgainBytes }) => acknowledgedSentAgainBytes);
  const reason = play.sendsAgain !== undefined && bytes > 0 ? ` (${play.sendsAgain})` : '';
  const overhead = most(({ wireOverheadBytes }) => wireOverheadBytes);
  const resends = most(({ silentResends }) => silentResends);
  const notes = [
    ...(overhead > 0 ? [`${megabytes(overhead)} more went out and was never acknowledged`] : []),
    ...(resends > 0 ? [`${resends} POST repeated by the browser itself`] : []),
  ];
  return `${bytes === 0 ? '0' : megabytes(bytes)}${reason}${notes.map((note) => `; ${note}`).join('')}`;
}

function time(verdicts: readonly Verdict[]): string {
  const worst = verdicts.toSorted((a, b) => (b.waitedMs ?? Infinity) - (a.waitedMs ?? Infinity))[0];
  if (worst === undefined) return 'never';
  const limit = worst.limitMs === undefined ? '' : ` (limit ${seconds(worst.limitMs)})`;
  const also = worst.also === undefined ? '' : `; ${seconds(worst.also.waitedMs)} after ${worst.also.from}`;
  const gap = verdicts.some(({ wentOn }) => wentOn) ? ', the request went on: longest pause' : '';
  return `${worst.waitedMs === undefined ? 'never' : seconds(worst.waitedMs)}${limit}${gap}${also}`;
}

function words(verdicts: readonly Verdict[]): string {
  const all = (texts: (verdict: Verdict) => readonly string[]) =>
    [...new Set(verdicts.flatMap(texts))].filter((text) => text !== '').map((text) => `"${text}"`);
  const banner = all((verdict) => verdict.banner);
  return `${banner.length === 0 ? 'no banner' : `banner ${banner.join(', ')}`}; status ${all((verdict) => verdict.status).join(', ')}`;
}

const seconds = (ms: number) => `${(ms / 1000).toFixed(2)} s`;
const megabytes = (bytes: number) =>
  bytes < 100_000 ? `${Math.ceil(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
