// The README's table "capability x engine" as text, and back. A cell is `yes`, or says why not.
import type { Difference } from './differences.js';
import { type EngineName, engineNames, engineTitles } from './engine.js';

export type Cells = Readonly<Partial<Record<EngineName, string>>>;
/** Rows by what they are about, in their order. */
export type Rows = ReadonlyMap<string, Cells>;

const MARKED = /(?<=<!-- engines:begin -->\n).*?(?=<!-- engines:end -->)/s;

/** What stands between the markers of a README. */
export function rowsIn(readme: string): Rows {
  const lines = MARKED.exec(readme)?.[0].trim().split('\n').slice(2) ?? [];
  return new Map(
    lines.map((line) => {
      const [what = '', ...cells] = line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim());
      return [what, Object.fromEntries(engineNames.map((engine, index) => [engine, cells[index]]))];
    }),
  );
}

const WORDS = { untested: 'not tested: ', but: 'yes, but ' } as const;

/**
 * What the end of one test says of the engine. Undefined: nothing. A failure is told by itself, and a test that was skipped
 * for any other reason than its difference (the run was broken off) has shown nothing.
 */
export function cellOf(status: string, difference: Difference | undefined): string | undefined {
  if (status !== (difference?.kind === 'untested' ? 'skipped' : 'passed')) return undefined;
  return difference === undefined ? 'yes' : `${WORDS[difference.kind]}${difference.reason}`;
}

/** `known`, where `seen` says nothing else; new rows come last. A run of some specs or engines says nothing of the others. */
export function merged(known: Rows, seen: Rows): Rows {
  const all = new Map(known);
  for (const [what, cells] of seen) all.set(what, { ...all.get(what), ...cells });
  return all;
}

/** The same README with these rows. */
export function withRows(readme: string, rows: Rows): string {
  if (!MARKED.test(readme)) throw new Error('The README has no place for the table of engines.');
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |\n`;
  const head = ['', ...engineNames.map((engine) => engineTitles[engine])];
  const body = [...rows].map(([what, cells]) => line([what, ...engineNames.map((engine) => cells[engine] ?? '')]));
  return readme.replace(MARKED, () => line(head) + line(head.map(() => '---')) + body.join(''));
}
