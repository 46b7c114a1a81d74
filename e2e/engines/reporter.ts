// Ends a run with what its engines were: which could not be had, what they do not do, and whether the README's table says the
// same. `BACKHAUL_TABLE=write` writes what was seen into the table instead.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FullResult, Reporter, TestCase, TestResult } from 'playwright/types/testReporter';
import { repositoryDir } from '../harness/server.js';
import { differenceOf } from './differences.js';
import { type EngineName, EVERY_ENGINE_TAG, engineNames, engineTitles } from './engine.js';
import { whyAbsent } from './installed.js';
import { type Cells, cellOf, merged, rowsIn, withRows } from './table.js';

const README = join(repositoryDir, 'README.md');

class EngineReporter implements Reporter {
  readonly #seen = new Map<string, Cells>();
  readonly #absent = new Map<EngineName, number>();
  readonly #differences: string[] = [];

  onTestEnd(test: TestCase, result: TestResult): void {
    const engine = engineNames.find((name) => name === test.parent.project()?.name);
    if (engine === undefined || !test.tags.includes(EVERY_ENGINE_TAG)) return;
    if (whyAbsent(engine) !== undefined) {
      this.#absent.set(engine, (this.#absent.get(engine) ?? 0) + 1);
      return;
    }
    const difference = differenceOf(engine, test.title);
    const cell = cellOf(result.status, difference);
    if (cell === undefined) return;
    if (difference) this.#differences.push(`${engineTitles[engine]}, ${test.title}: ${cell}`);
    this.#note(test.title, engine, cell);
    for (const { type, description } of result.annotations) {
      if (type !== 'offers') continue;
      const [what, offered] = JSON.parse(description ?? '') as [string, string];
      this.#note(what, engine, offered);
    }
  }

  async onEnd(): Promise<{ status?: FullResult['status'] }> {
    const readme = readFileSync(README, 'utf8');
    const wanted = withRows(readme, merged(rowsIn(readme), this.#seen));
    const current = wanted === readme;
    if (!current && process.env['BACKHAUL_TABLE'] === 'write') writeFileSync(README, wanted);
    const stale = !current && process.env['BACKHAUL_TABLE'] !== 'write';
    for (const line of this.#differences) console.log(`EXPECTED DIFFERENCE ${line}`);
    if (stale) console.log(`README.md does not say what this run has seen: ${changes(rowsIn(readme), this.#seen)}`);
    for (const [engine, tests] of this.#absent)
      console.log(`NOT RUN ${engineTitles[engine]}, ${tests} tests: ${whyAbsent(engine)}`);
    return stale ? { status: 'failed' } : {};
  }

  #note(what: string, engine: EngineName, cell: string): void {
    this.#seen.set(what, { ...this.#seen.get(what), [engine]: cell });
  }
}

function changes(known: ReadonlyMap<string, Cells>, seen: ReadonlyMap<string, Cells>): string {
  const lines = [...seen].flatMap(([what, cells]) =>
    engineNames
      .filter((engine) => cells[engine] !== undefined && cells[engine] !== known.get(what)?.[engine])
      .map((engine) => `\n  ${what}, ${engineTitles[engine]}: ${cells[engine]}`),
  );
  return `${lines.join('')}\n  (BACKHAUL_TABLE=write npm run e2e writes it)`;
}

// biome-ignore lint/style/noDefaultExport: Playwright takes nothing else from this file.
export default EngineReporter;
