/** One line of the results. */
export interface Row {
  readonly what: string;
  /** The measured values, in words with units. */
  readonly measured: string;
  /** The plugin's value divided by the peer's, or the target and whether it was reached. */
  readonly against: string;
}

/** One benchmark. */
export interface Benchmark {
  readonly title: string;
  /** How the benchmark measures, for readers who repeat it. */
  readonly how: string;
  /** Heads of the three columns; absent: what, measured, target. */
  readonly columns?: readonly [string, string, string];
  /** @param only a part of the names of the rows to measure, where a benchmark can measure some alone; empty: all */
  readonly run: (only: string) => Promise<readonly Row[]>;
}

export function reached(isReached: boolean, target: string): string {
  return `${target}: ${isReached ? 'reached' : '**missed**'}`;
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const rank = Math.ceil(share * sorted.length) - 1;
  return sorted[Math.max(0, Math.min(sorted.length - 1, rank))] ?? Number.NaN;
}

export function ms(value: number): string {
  return `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ms`;
}
