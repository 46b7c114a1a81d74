// Unit tests beside their file, in Node. The browser's tests are Playwright's (*.spec.ts in e2e).
import { defineConfig } from 'vitest/config';
import { SkippedReporter } from './e2e/harness/skipped-reporter.js';

export default defineConfig({
  test: {
    include: ['{src,sw,demo,e2e}/**/*.test.ts'],
    environment: 'node',
    reporters: ['default', new SkippedReporter()],
  },
});
