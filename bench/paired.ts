import { quantile } from './row.ts';

export interface Paired {
  /** Median without. */
  readonly base: number;
  /** Median difference, and the 95 % interval of that median (by ranks, so that no distribution is assumed); of fewer than six pairs their range. */
  readonly added: number;
  readonly low: number;
  readonly high: number;
}

/** The addition and its interval, as parts of the base. */
export function asShares({ added, base, low, high }: Paired): string {
  const share = (part: number): string => `${((100 * part) / base).toFixed(1)} %`;
  return `${share(added)} (${share(low)} to ${share(high)})`;
}

/** Differences of neighbouring slices, each first in turn: other work of the machine affects both, and garbage collections are outliers. */
export async function paired(
  pairs: number,
  without: (pair: number) => Promise<number>,
  withIt: (pair: number) => Promise<number>,
): Promise<Paired> {
  const differences: number[] = [];
  const bases: number[] = [];
  for (let pair = 0; pair < pairs; pair++) {
    const [first, second] = pair % 2 === 0 ? [without, withIt] : [withIt, without];
    const [a, b] = [await first(pair), await second(pair)];
    const [base, other] = pair % 2 === 0 ? [a, b] : [b, a];
    bases.push(base);
    differences.push(other - base);
  }
  const half = 0.98 / Math.sqrt(pairs);
  return {
    base: quantile(bases, 0.5),
    added: quantile(differences, 0.5),
    low: quantile(differences, 0.5 - half),
    high: quantile(differences, 0.5 + half),
  };
}
