// Asks the registry for known weaknesses of every locked package. Exits with 1 on a finding, and with 2 if the registry
// could not be asked: not every network has one that answers, and silence is no good news.
import { spawnSync } from 'node:child_process';

const LIMIT_MS = 120_000;
const { stdout, error } = spawnSync('npm', ['audit', '--json'], {
  encoding: 'utf8',
  timeout: LIMIT_MS,
  maxBuffer: 64 * 1024 * 1024,
  stdio: ['ignore', 'pipe', 'ignore'],
});

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const report = parsed(stdout);
const { vulnerabilities: counts, dependencies } = report?.metadata ?? {};
if (!Number.isInteger(counts?.total) || !(dependencies?.total > 0)) {
  const why = error?.message ?? report?.message ?? 'no report';
  console.error(`NOT ASKED: the registry gave no audit (${why}). Nothing is known; ask again from another network.`);
  process.exitCode = 2;
} else if (counts.total > 0) {
  for (const { name, severity, range, via } of Object.values(report.vulnerabilities)) {
    const because = via.map((each) => (typeof each === 'string' ? `by ${each}` : `${each.title} ${each.url}`));
    console.error(`${severity}: ${name} ${range}: ${because.join('; ')}`);
  }
  console.error(`npm audit: ${counts.total} of ${dependencies.total} packages have known weaknesses.`);
  process.exitCode = 1;
} else {
  console.log(`npm audit: no known weakness in ${dependencies.total} packages.`);
}
