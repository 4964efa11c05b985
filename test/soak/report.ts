import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { textTable } from '../../src/cli/text-table.ts';
import { median } from './growth.ts';
import { isGraceful, killOf, type Row, unexplained } from './judge.ts';
import type { Observed } from './observed.ts';
import { CHAOS_NAMES, stepOf } from './plan.ts';

/** Steps before a failure that are played again too. */
const BEFORE = 2;

/** The judgement, and what each chaos did, as tables. */
export function linesOf(rows: readonly Row[], observed: Observed): readonly string[] {
  const judgement = rows.map(({ isGood, seen, wanted, what }) => [what, seen, wanted, isGood ? '' : 'FAILED']);
  return [
    ...textTable([['', 'seen', 'must be', ''], ...judgement]),
    '',
    ...textTable([['chaos', 'steps', 'shutdowns', 'results', 'traces', 'ms, median', 'longest'], ...chaosOf(observed)]),
  ];
}

function chaosOf({ lacks, shutdowns, steps }: Observed): readonly (readonly string[])[] {
  return CHAOS_NAMES.map((name) => {
    const own = shutdowns.filter(({ chaos }) => chaos === name);
    const durations = own.map(({ durationMs }) => Math.round(durationMs));
    if (lacks[name] !== undefined) return [name, 'not played', '', lacks[name]];
    return [
      name,
      `${steps[name] ?? 0}`,
      `${own.length}`,
      counted(own.map(({ result }) => result)),
      counted(own.map(({ trace }) => trace)),
      `${median(durations)}`,
      `${Math.max(0, ...durations)}`,
    ];
  });
}

function counted(words: readonly string[]): string {
  return [...Map.groupBy(words, (word) => word)].map(([word, all]) => `${all.length} ${word}`).join(', ');
}

/** Writes what it needs to repeat a failure beside logs and traces. @returns the command that repeats the first one */
export function keep(folder: string, seed: number, from: number, rows: readonly Row[], observed: Observed): string {
  const { broken, failures, lives, series, shutdowns, spooled, steps } = observed;
  const count = Object.values(steps).reduce((sum, each) => sum + each, 0) + broken.length;
  const plan = Array.from({ length: count }, (_, n) => stepOf(seed, from + n));
  const reasons = failures.map((failure) => ({ ...failure, killed: killOf(failure, lives)?.name }));
  const files = {
    rows,
    plan,
    failures: reasons,
    lives,
    shutdowns,
    broken,
    spooled,
    series: Object.fromEntries(series),
  };
  for (const [name, content] of Object.entries(files))
    writeFileSync(join(folder, `${name}.json`), JSON.stringify(content, undefined, 1));
  const bad = Math.min(
    ...unexplained(observed).map(({ step }) => step),
    ...shutdowns.filter((one) => !isGraceful(one) || one.trace === 'silent').map(({ step }) => step),
    ...broken.map(({ step }) => step),
    from + count,
  );
  return `npm run soak -- --seed ${seed} --from ${Math.max(0, bad - BEFORE)} --steps ${2 * BEFORE + 1}`;
}
