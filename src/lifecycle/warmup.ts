/** Least share of a warming instance, so that it always takes traffic (Envoy slow start: `min_weight_percent` 10 %). */
export const WARMUP_FLOOR = 0.1;

/** Exponent of the curve of every instance: its share grows slowly while it is cold. */
export const WARMUP_CURVE = 2;

/** How instances warm up. */
export interface Warmup {
  /** Warm-up time in milliseconds; 0 switches it off. */
  readonly ms: number;
  /** Exponent of the curve. */
  readonly curve: number;
}

/** Share of its weight that an instance takes after `uptimeMs`: max(floor, (t / T) ^ curve), at most 1. */
export function warmupShare(uptimeMs: number, { ms, curve }: Warmup): number {
  if (ms === 0 || uptimeMs >= ms) return 1;
  return Math.max(WARMUP_FLOOR, (Math.max(uptimeMs, 0) / ms) ** curve);
}

/**
 * Shares of the instances of one service. When half of them or more are warming, all take their full weight: otherwise the few
 * warm ones would carry everything, and a service of only new instances would have no warm ones to compare with.
 */
export function warmupShares(uptimesMs: readonly number[], warmup: Warmup): readonly number[] {
  const warming = uptimesMs.filter((uptime) => uptime < warmup.ms).length;
  if (warming * 2 >= uptimesMs.length) return uptimesMs.map(() => 1);
  return uptimesMs.map((uptime) => warmupShare(uptime, warmup));
}
