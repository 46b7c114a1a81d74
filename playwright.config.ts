// Survival in real browsers. One at a time and without retries: a test that fails sometimes has found something.
import { defineConfig } from 'playwright/test';

export default defineConfig({
  testDir: 'e2e',
  testMatch: '**/*.spec.ts',
  outputDir: 'node_modules/.cache/backhaul-e2e/results',
  globalSetup: './e2e/harness/global-setup.ts',
  timeout: 120_000,
  workers: 1,
  retries: 0,
  forbidOnly: true,
  reporter: 'list',
});
