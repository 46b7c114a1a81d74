// Runs once before the browser tests: builds what they test, and settles which engines run them.
import { execFileSync } from 'node:child_process';
import { settleEngines } from '../engines/installed.js';
import { findChromium } from './chromium.js';
import { repositoryDir } from './server.js';

async function globalSetup(): Promise<void> {
  // Workers are child processes: they inherit the answer instead of searching again.
  process.env['CHROMIUM_PATH'] = await findChromium();
  await settleEngines();
  if (process.env['BACKHAUL_BUILT'] === '1') return;
  execFileSync(process.execPath, ['build.mjs'], { cwd: repositoryDir, stdio: 'inherit' });
}

// biome-ignore lint/style/noDefaultExport: Playwright takes nothing else from this file.
export default globalSetup;
