/** How much more of something is no growth: the larger of a part of what there was, and an amount. */
export interface Allowance {
  readonly part: number;
  readonly amount: number;
}

/** Fewer say nothing. */
const LEAST_SAMPLES = 8;

export interface Growth {
  /** Medians of the second quarter and of the last one: the first one fills tables and caches. */
  readonly early: number;
  readonly late: number;
  readonly hasGrown: boolean;
}

/** Whether a series has grown; undefined when it is too short to tell. */
export function growthOf(samples: readonly number[], { amount, part }: Allowance): Growth | undefined {
  if (samples.length < LEAST_SAMPLES) return undefined;
  const quarter = samples.length / 4;
  const early = median(samples.slice(Math.floor(quarter), Math.floor(2 * quarter)));
  const late = median(samples.slice(Math.floor(3 * quarter)));
  return { early, late, hasGrown: late - early > Math.max(amount, part * early) };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
