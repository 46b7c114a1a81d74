// Owns the judgement: what the server's log lines say about invariants 1, 4, 7 and 8. Pure functions over plain lines,
// in the order in which they were written. Field meanings: demo/server/request-records.ts.

/** One line of the server's log. What a line does not have is absent; only `event` and the stamps are sure. */
export interface LedgerLine {
  readonly event: string;
  readonly atMs: number;
  /** Which process wrote it: 1 for the first, one more for each restart. Request ids start anew in each. */
  readonly run: number;
  readonly fileId?: string;
  readonly requestId?: number;
  readonly outcome?: string;
  readonly startByte?: number;
  readonly sizeBytes?: number;
  readonly receivedBytes?: number;
  readonly acceptedBytes?: number;
  readonly heldBytes?: number;
  readonly answeredBytes?: number;
  readonly answeredAtMs?: number;
  readonly startedAtMs?: number;
  readonly writerFromMs?: number;
  readonly writerUntilMs?: number;
}

/** Written by the harness when a server process has ended, whatever the reason. */
export const EXIT_EVENT = 'exit';

const TEXTS = ['fileId', 'outcome'] as const;
const NUMBERS = [
  'requestId',
  'startByte',
  'sizeBytes',
  'receivedBytes',
  'acceptedBytes',
  'heldBytes',
  'answeredBytes',
  'answeredAtMs',
  'startedAtMs',
  'writerFromMs',
  'writerUntilMs',
] as const;

/** Undefined for output that is not one of our log lines. */
export function parseLedgerLine(text: string, run: number): LedgerLine | undefined {
  if (!text.startsWith('{')) return undefined;
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined; // Cut off by a kill.
  }
  const { event, atMs } = value;
  if (typeof event !== 'string' || typeof atMs !== 'number') return undefined;
  const texts = TEXTS.filter((name) => typeof value[name] === 'string');
  const numbers = NUMBERS.filter((name) => typeof value[name] === 'number');
  return { event, atMs, run, ...Object.fromEntries([...texts, ...numbers].map((name) => [name, value[name]])) };
}

function of(lines: readonly LedgerLine[], fileId: string): LedgerLine[] {
  return lines.filter((line) => line.fileId === fileId);
}

/** The ids that clients gave to their files, in order of their first request. */
export function fileIds(lines: readonly LedgerLine[]): string[] {
  return [...new Set(lines.flatMap(({ fileId }) => fileId ?? []))];
}

/**
 * Invariant 7: body bytes that came in below the highest number answered for that file before their request began.
 * An answer that was lost on the way was never heard: pass `heard` to leave such lines out.
 * A request whose server died tells no count; with a first byte below the number it is worth one byte at least.
 */
export function acknowledgedBytesSentAgain(
  lines: readonly LedgerLine[],
  fileId: string,
  heard: (answer: LedgerLine) => boolean = () => true,
): number {
  const own = of(lines, fileId);
  const answers = own.filter((line) => line.answeredBytes !== undefined && heard(line));
  // A request that is refused in its first millisecond has not heard its own answer.
  const acknowledgedTo = (request: LedgerLine, atMs: number) =>
    answers
      .filter((line) => (line.answeredAtMs ?? line.atMs) <= atMs && line !== request)
      .reduce((most, line) => Math.max(most, line.answeredBytes ?? 0), 0);
  const again = (request: LedgerLine, bytes: number) => {
    const { startByte = 0 } = request;
    return Math.max(0, Math.min(startByte + bytes, acknowledgedTo(request, start(request))) - startByte);
  };

  const told = own.filter(({ event }) => event === 'upload');
  const untold = own.filter((line) => line.event === 'first-byte' && !told.some((end) => sameRequest(end, line)));
  const start = (line: LedgerLine) =>
    own.find((other) => other.event === 'upload-start' && sameRequest(other, line))?.atMs ??
    line.startedAtMs ??
    line.atMs;
  return (
    told.reduce((sum, line) => sum + again(line, line.receivedBytes ?? 0), 0) +
    untold.reduce((sum, line) => sum + again(line, 1), 0)
  );
}

/**
 * Without requests that a browser repeated by itself: from the same first byte as the one before, with no question between.
 * Only for what is listed in e2e/engines/differences.ts; elsewhere nothing may be repeated.
 */
export function withoutRepeats(lines: readonly LedgerLine[], fileId: string): LedgerLine[] {
  const asked = of(lines, fileId).filter(({ event }) => event === 'upload-start' || event === 'status');
  const repeated = asked.filter(({ event, startByte }, index) => {
    const before = asked[index - 1];
    return event === 'upload-start' && before?.event === event && before.startByte === startByte;
  });
  return lines.filter((line) => line.event === EXIT_EVENT || !repeated.some((start) => sameRequest(start, line)));
}

/** Invariant 4: how many requests were this file's writer at one moment, at most. */
export function maxConcurrentWriters(lines: readonly LedgerLine[], fileId: string): number {
  const own = of(lines, fileId);
  const told = own.filter(({ event }) => event === 'upload');
  const exitAt = (run: number) => lines.find((line) => line.event === EXIT_EVENT && line.run === run)?.atMs ?? Infinity;
  const spans = [
    ...told.flatMap(({ writerFromMs, writerUntilMs }) =>
      writerFromMs === undefined ? [] : [[writerFromMs, writerUntilMs ?? Infinity] as const],
    ),
    ...own
      .filter((line) => line.event === 'first-byte' && !told.some((end) => sameRequest(end, line)))
      .map((line) => [line.atMs, exitAt(line.run)] as const),
  ];
  // Half-open spans: one that ends when the next begins does not meet it. An empty one is there at its own moment.
  return spans.reduce(
    (most, [from]) => Math.max(most, spans.filter(([a, b]) => a <= from && (from < b || from === a)).length),
    0,
  );
}

/** Invariant 8: how often the server came to hold the whole file. */
export function deliveries(lines: readonly LedgerLine[], fileId: string): number {
  let complete = false;
  let count = 0;
  for (const { event, heldBytes, sizeBytes, acceptedBytes } of of(lines, fileId)) {
    if (heldBytes === undefined || (event !== 'upload' && event !== 'status')) continue;
    const whole = sizeBytes !== undefined && heldBytes === sizeBytes;
    // Bytes taken into a file that was whole already: it was thrown away and made again.
    const anew = event === 'upload' && (acceptedBytes ?? 0) > 0;
    if (whole && (!complete || anew)) count += 1;
    complete = whole;
  }
  return count;
}

/** When the first byte that was kept arrived after `atMs`; undefined if none has yet. */
export function firstByteAfter(lines: readonly LedgerLine[], fileId: string, atMs: number): number | undefined {
  return of(lines, fileId).find((line) => line.event === 'first-byte' && line.atMs >= atMs)?.atMs;
}

function sameRequest(a: LedgerLine, b: LedgerLine): boolean {
  return a.run === b.run && a.requestId === b.requestId;
}
