// Unit tests beside their file, in Node. The browser's tests are Playwright's (*.spec.ts in e2e).
import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { SkippedReporter } from './e2e/harness/skipped-reporter.js';

export default defineConfig({
  test: {
    include: ['{src,sw,demo,e2e}/**/*.test.ts'],
    environment: 'node',
    // One less than there are cores is the default, which makes one on a machine of two.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    reporters: ['default', new SkippedReporter()],
  },
});
