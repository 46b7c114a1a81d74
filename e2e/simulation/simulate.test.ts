// 2,000 simulated runs with every test run, the same trace for the same seed, and every fault that was found this way.

import { expect, test } from 'vitest';
import { regressions } from './regressions.js';
import { coverageOf } from './report.js';
import { runBatches } from './run-batches.js';

const RUNS = 2000;

test(`${RUNS} seeds keep every invariant`, { timeout: 900_000 }, async () => {
  const report = await runBatches({ from: 1, runs: RUNS, workers: 2 });
  const { failures, struck } = report;
  expect(failures.map(({ plan, complaints }) => `${plan.protocol} ${plan.seed}: ${complaints[0]}`)).toEqual([]);
  // Every event in every state in which the machine lets it in.
  expect(coverageOf(report)).toMatchObject({ missing: [] });
  // Each kind has really happened.
  expect(Object.values(struck).every((count) => count > 0)).toBe(true);
  expect(Object.keys(struck).length).toBeGreaterThan(25);
});

test('the same seed gives the same trace, to the byte', { timeout: 180_000 }, async () => {
  const traces = async () => {
    const lines: (readonly string[])[] = [];
    await runBatches({ from: 500, runs: 40, workers: 1, trace: true, onTrace: (trace) => lines.push(trace) });
    return lines;
  };
  const [first, second] = await Promise.all([traces(), traces()]);
  expect(first).toHaveLength(40);
  expect(second).toEqual(first);
});

test.each(regressions)('$name', { timeout: 180_000 }, async ({ plan }) => {
  const { failures } = await runBatches({ from: plan.seed, runs: 1, workers: 1, plan });
  expect(failures.flatMap(({ complaints }) => complaints)).toEqual([]);
});
