// Survival in real browsers, without retries: a test that fails sometimes has found something. Two at a time, since they
// mostly wait for a slow link; what is measured has a script of its own.
import { defineConfig } from 'playwright/test';
import { EVERY_ENGINE_TAG, engineNames } from './e2e/engines/engine.js';
import type { EngineOption } from './e2e/harness/fixtures.js';

export default defineConfig<object, EngineOption>({
  testDir: 'e2e',
  testMatch: '**/*.spec.ts',
  outputDir: 'node_modules/.cache/backhaul-e2e/results',
  globalSetup: './e2e/harness/global-setup.ts',
  timeout: 120_000,
  workers: 2,
  retries: 0,
  forbidOnly: true,
  reporter: [['list'], ['./e2e/engines/reporter.ts']],
  projects: engineNames.map((engine) => ({
    name: engine,
    use: { engine },
    // Chromium runs all: what Playwright alone can do, and what no other engine has.
    ...(engine === 'chromium' ? {} : { grep: new RegExp(EVERY_ENGINE_TAG) }),
  })),
});
