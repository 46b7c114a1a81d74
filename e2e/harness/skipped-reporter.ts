// Says at the end of a run which tests were skipped, and why: a machine that lacks something never goes unseen.
import type { Reporter, TestCase, TestModule } from 'vitest/node';

export class SkippedReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const skipped = modules.flatMap((module) => [...module.children.allTests('skipped')]);
    for (const test of skipped) console.log(`SKIPPED ${test.module.relativeModuleId} > ${test.fullName}${why(test)}`);
  }
}

function why(test: TestCase): string {
  const result = test.result();
  const note = result.state === 'skipped' ? result.note : undefined;
  return note === undefined ? '' : `: ${note}`;
}
