import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import type { Ran } from './simulate.ts';

const FILE = new URL('runs.jsonl', import.meta.url);

/** The runs that `docs/scale.md` shows, the smallest first: large ones take so long that each is played by itself. */
export function keptRuns(): readonly Ran[] {
  const text = existsSync(FILE) ? readFileSync(FILE, 'utf8') : '';
  return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]));
}

/** Adds a run, in the place of an older one of the same fleet. */
export function keep(ran: Ran): void {
  const others = keptRuns().filter(({ shape }) => !isDeepStrictEqual(shape, ran.shape));
  const size = ({ shape }: Ran): readonly number[] => [shape.instances, shape.consumers, shape.seed];
  const runs = [...others, ran].toSorted((a, b) => compare(size(a), size(b)));
  writeFileSync(FILE, runs.map((each) => `${JSON.stringify(each)}\n`).join(''));
}

function compare(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, n) => value !== b[n]);
  return at < 0 ? 0 : (a[at] ?? 0) - (b[at] ?? 0);
}
