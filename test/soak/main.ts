/**
 * `npm run soak -- [--hours N | --minutes N] [--seed N] [--from N] [--steps N] [--rate N] [--env NAME=VALUE …]`: releases a fleet again
 * and again with chaos in the way, and prints what must hold and did not. It plays in mounts and a network of its own where there
 * can be some. Exit code 1 when something did not hold: then a folder stays with all that is needed to repeat it.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { whole } from '../../src/cli/whole.ts';
import { inNamespace, namespaceMissing } from '../support/process/namespace.ts';
import { ScratchFolder } from '../support/scratch-folder.ts';
import { judge } from './judge.ts';
import { keep, linesOf } from './report.ts';
import { STEP_MS, soak } from './run.ts';

const MINUTE_MS = 60_000;

/** Largest seed and number of a step. */
const MOST = 1_000_000_000;

const { values } = parseArgs({
  options: {
    hours: { type: 'string' },
    minutes: { type: 'string' },
    /** Default: another seed each day. */
    seed: { type: 'string', default: String(Math.floor(Date.now() / 86_400_000)) },
    /** The first step. */
    from: { type: 'string', default: '0' },
    /** Most steps. */
    steps: { type: 'string' },
    /** Requests a second of all callers. */
    rate: { type: 'string', default: '240' },
    /** A variable of every process of the fleet. */
    env: { type: 'string', multiple: true, default: [] },
    /** Set for the process that runs in the namespaces. */
    inside: { type: 'boolean', default: false },
  },
});

/** Runs this program once more, in its own namespaces. */
function outside(): number {
  const command = [process.execPath, ...process.execArgv, fileURLToPath(import.meta.url), '--inside'];
  return (
    spawnSync('unshare', inNamespace([], [...command, ...process.argv.slice(2)]), { stdio: 'inherit' }).status ?? 1
  );
}

/** Default: a quarter of an hour. @throws Error for an invalid time */
function durationMs(): number {
  // A step may take as long as a grace period.
  const byDefault = values.steps === undefined ? 15 : (Number(values.steps) * 4 * STEP_MS) / MINUTE_MS;
  const minutes = values.hours === undefined ? Number(values.minutes ?? byDefault) : Number(values.hours) * 60;
  if (!(minutes > 0))
    throw new Error(`--hours and --minutes must be above 0, received ${values.hours ?? values.minutes}`);
  return minutes * MINUTE_MS;
}

async function inside(): Promise<number> {
  const seed = whole('--seed', values.seed, 0, MOST);
  const from = whole('--from', values.from, 0, MOST);
  const folder = new ScratchFolder();
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort()).once('SIGTERM', () => stop.abort());
  const observed = await soak({
    folder: folder.path,
    seed,
    from,
    steps: whole('--steps', values.steps ?? `${MOST}`, 1, MOST),
    withinMs: durationMs(),
    rate: whole('--rate', values.rate, 1, 10_000),
    env: Object.fromEntries(values.env.map((pair) => [pair.split('=', 1)[0], pair.slice(pair.indexOf('=') + 1)])),
    isOwn: values.inside,
    signal: stop.signal,
    say: (line) => console.error(`${new Date().toISOString()} ${line}`),
  });
  const rows = judge(observed);
  console.log(`seed ${seed}\n\n${linesOf(rows, observed).join('\n')}`);
  if (rows.every(({ isGood }) => isGood)) {
    folder.remove();
    return 0;
  }
  console.log(`\nkept in ${folder.path}; to repeat it: ${keep(folder.path, seed, from, rows, observed)}`);
  return 1;
}

process.exit(values.inside || namespaceMissing() ? await inside() : outside());
