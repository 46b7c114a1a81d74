// The mutation check of everything but the pure core (that is Stryker's: npm run mutate:core), of which it has the
// promises: npm run mutate -- [--only expression]. Applies each fault of faults.ts to a copy of the tree, runs the tests that
// have to see it, prints a table. Exit code 1 if a fault survives, if its text is not there any more, or if its tests fail
// without it.
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { repositoryDir } from '../harness/server.js';
import { type Catcher, type Fault, faults } from './faults.js';

/** Beside other load, a test that is only slow must not pass for one that has seen something. */
const TEST_LIMIT_MS = 20_000;
/** For a file that never ends. */
const LIMIT_MS = 240_000;

interface Outcome {
  readonly caughtBy: string | undefined;
  readonly seconds: number;
}

interface VitestReport {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

/** What is red of the tests that `catchers` name, in the order of the report; empty: all passed, and each name was found. */
async function failures(copy: string, catchers: readonly Catcher[]): Promise<readonly string[]> {
  const output = join(copy, 'mutation.json');
  await rm(output, { force: true });
  const files = [...new Set(catchers.map(({ test }) => test))];
  const words = catchers.flatMap(({ named }) => named ?? []);
  // Where one file is run as a whole, so are those beside it.
  const names = words.length === catchers.length ? ['--testNamePattern', words.map(escaped).join('|')] : [];
  const vitest = join(repositoryDir, 'node_modules/vitest/vitest.mjs');
  const limit = ['--testTimeout', String(TEST_LIMIT_MS)];
  const args = [vitest, 'run', ...limit, ...names, '--reporter', 'json', '--outputFile', output, ...files];
  const ended = await new Promise<string>((resolve) => {
    execFile(process.execPath, args, { cwd: copy, timeout: LIMIT_MS, killSignal: 'SIGKILL' }, (error) =>
      resolve(error?.killed ? 'never ends' : error ? 'failed' : 'passed'),
    );
  });
  if (ended === 'never ends') return [`${files.join(', ')}: ${ended}`];
  const report = await readFile(output, 'utf8').catch(() => '{"testResults":[]}');
  const { testResults } = JSON.parse(report) as VitestReport;
  const red = testResults.flatMap(({ name, status, assertionResults }) => {
    const place = name.slice(copy.length + 1);
    const failed = assertionResults.filter((result) => result.status === 'failed');
    if (failed.length > 0) return failed.map(({ fullName }) => `${place}: ${fullName}`);
    return status === 'failed' ? [`${place}: does not run`] : [];
  });
  if (red.length > 0) return red;
  if (ended !== 'passed' || testResults.length < files.length) {
    return [`${files.join(', ')}: ${ended}, an error outside of any test`];
  }
  const passed = testResults.flatMap(({ name, assertionResults }) =>
    assertionResults.flatMap(({ status, fullName }) => (status === 'passed' ? `${name}: ${fullName}` : [])),
  );
  const idle = catchers.filter(
    ({ test, named = '' }) => !passed.some((name) => name.startsWith(join(copy, test)) && name.includes(named)),
  );
  return idle.map(({ test, named = '' }) => `${test}: no test is called "${named}"`);
}

function escaped(words: string): string {
  return words.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** Catchers that are red without any fault catch nothing, and are not counted. */
async function check(
  copy: string,
  { file, find, replace, caughtBy }: Fault,
  redBefore: readonly string[],
): Promise<Outcome> {
  const startedAtMs = Date.now();
  const path = join(copy, file);
  const source = await readFile(path, 'utf8');
  const places = source.split(find).length - 1;
  if (places !== 1) throw new Error(`"${find}" is ${places} times in ${file}.`);
  await writeFile(
    path,
    source.replace(find, () => replace),
  );
  try {
    let first: string | undefined;
    // One after the other, until one of them sees it.
    for (let at = 0; first === undefined && at < caughtBy.length; at += 1) {
      const red = await failures(copy, caughtBy.slice(at, at + 1));
      first = red.find((name) => !redBefore.includes(name));
    }
    return { caughtBy: first, seconds: (Date.now() - startedAtMs) / 1000 };
  } finally {
    await writeFile(path, source);
  }
}

/** The same catcher, of many faults, runs once. */
async function redWithoutFault(copy: string, chosen: readonly Fault[]): Promise<readonly string[]> {
  const all = chosen.flatMap(({ caughtBy }) => caughtBy);
  const whole = all.filter(({ named }) => named === undefined);
  const some = all.filter(({ named }) => named !== undefined);
  const red = await Promise.all([whole, some].map((each) => (each.length > 0 ? failures(copy, each) : [])));
  return red.flat();
}

const { values } = parseArgs({ options: { only: { type: 'string', default: '' } } });
const only = new RegExp(values.only);
const chosen = faults.filter(({ what, file }) => only.test(`${file} ${what}`));
const copy = await mkdtemp(join(tmpdir(), 'backhaul-mutation-'));
const rows: string[] = [];
let bad = 0;
let caught = 0;
try {
  for (const name of [
    'src',
    'sw',
    'demo',
    'e2e',
    'package.json',
    'README.md',
    'tsconfig.base.json',
    'vitest.config.ts',
  ]) {
    await cp(join(repositoryDir, name), join(copy, name), { recursive: true });
  }
  await symlink(join(repositoryDir, 'node_modules'), join(copy, 'node_modules'));
  const redBefore = await redWithoutFault(copy, chosen);
  for (const name of redBefore) console.log(`RED WITHOUT ANY FAULT, so it catches none: ${name}`);
  bad += redBefore.length;
  for (const fault of chosen) {
    const { file, what } = fault;
    const outcome = await check(copy, fault, redBefore).catch((cause: unknown) => cause as Error);
    const sound = !(outcome instanceof Error) && outcome.caughtBy !== undefined;
    if (sound) caught += 1;
    else bad += 1;
    const said =
      outcome instanceof Error ? `**does not apply**: ${outcome.message}` : (outcome.caughtBy ?? '**SURVIVED**');
    const seconds = outcome instanceof Error ? '' : outcome.seconds.toFixed(1);
    console.error(`${sound ? 'caught  ' : 'BAD     '} ${seconds} s ${file}: ${what}: ${said}`);
    rows.push(`| ${[`\`${file}\``, what, said.replaceAll('|', '\\|'), seconds].join(' | ')} |`);
  }
} finally {
  await rm(copy, { recursive: true, force: true });
}
console.log(['| file | fault | caught by | seconds |', '| --- | --- | --- | --- |', ...rows].join('\n'));
console.log(`\n${caught} of ${chosen.length} faults caught.`);
if (bad > 0 || chosen.length === 0) process.exitCode = 1;
