/**
 * Writes `dashboards/generated/`. With `--check` it writes nothing, and the exit code tells whether the files match the code.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { dashboards } from '../dashboards/all.ts';
import { grafanaRules } from '../dashboards/grafana-rules.ts';
import { prometheusRules } from '../dashboards/prometheus-rules.ts';

const folder = join(import.meta.dirname, '../dashboards/generated');
const check = process.argv.includes('--check');

/** Exceptions of Grafana's dashboard-linter, with reasons. */
const LINT = `exclusions:
  template-job-rule: {reason: "span metrics are summed over job and instance: they are those of the collector"}
  template-instance-rule: {reason: "as template-job-rule"}
  target-job-rule: {reason: "as template-job-rule"}
  target-instance-rule: {reason: "as template-job-rule"}
  target-counter-agg-rule: {reason: "an instance leaves once: increase() misses the first value of a series, so it is used only where counters began again"}
`;

const all = dashboards();
const files: Readonly<Record<string, string>> = {
  ...Object.fromEntries(Object.entries(all).map(([name, dashboard]) => [`${name}.json`, json(dashboard)])),
  'alerts.yaml': `# Generated from the code by \`npm run dashboards\`. Do not edit.\n${prometheusRules(all)}`,
  '.lint': LINT,
  'grafana-alerts.json': json(grafanaRules(all)),
};

mkdirSync(folder, { recursive: true });
for (const [name, content] of Object.entries(files)) {
  const file = join(folder, name);
  if (existsSync(file) && readFileSync(file, 'utf8') === content) continue;
  if (check) refuse(`${name} is not what the code says`);
  else writeFileSync(file, content);
}
for (const name of readdirSync(folder).filter((each) => !(each in files))) refuse(`${name} is of no dashboard or rule`);

function json(value: object): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

function refuse(reason: string): void {
  console.error(`dashboards/generated/${reason}; run \`npm run dashboards\``);
  process.exitCode = 1;
}
