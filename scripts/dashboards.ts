/**
 * Writes `dashboards/generated/`. With `--check` nothing is written: the exit code says whether it is what the code says.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { dashboards } from '../dashboards/all.ts';

const folder = join(import.meta.dirname, '../dashboards/generated');
const check = process.argv.includes('--check');

const files: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(dashboards()).map(([name, dashboard]) => [
    `${name}.json`,
    `${JSON.stringify(dashboard, undefined, 2)}\n`,
  ]),
);

mkdirSync(folder, { recursive: true });
for (const [name, content] of Object.entries(files)) {
  const file = join(folder, name);
  if (existsSync(file) && readFileSync(file, 'utf8') === content) continue;
  if (check) refuse(`${name} is not what the code says`);
  else writeFileSync(file, content);
}
for (const name of readdirSync(folder).filter((each) => !(each in files))) refuse(`${name} is of no dashboard or rule`);

function refuse(reason: string): void {
  console.error(`dashboards/generated/${reason}; run \`npm run dashboards\``);
  process.exitCode = 1;
}
