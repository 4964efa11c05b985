import { Random } from '../fleet/random.ts';

/** Services, each of which calls the next one. */
export const TIERS = { shop: { next: 'stock', instances: 3 }, stock: { next: '', instances: 3 } } as const;
export type Tier = keyof typeof TIERS;

/** Clients, which live for the whole run. */
export const CALLERS = ['fetch', 'http', 'close'] as const;

/** How often each chaos is in the way of a release, in comparison with the others. */
const WEIGHTS = {
  none: 6,
  kill: 3,
  stop: 2,
  block: 2,
  disk_full: 2,
  collector_dead: 1,
  collector_silent: 1,
  registry_dead: 1,
  registry_silent: 1,
  partition: 2,
  clock: 2,
  descriptors: 1,
} as const;
export type ChaosName = keyof typeof WEIGHTS;
export const CHAOS_NAMES = Object.keys(WEIGHTS) as ChaosName[];

/** One step of the rolling releases: an instance is started, then the oldest one of its service leaves. */
export interface Step {
  readonly n: number;
  readonly tier: Tier;
  readonly chaos: ChaosName;
  /** Whom it befalls, where it befalls one process. */
  readonly whom: 'leaving' | 'peer' | 'caller';
  /** Which of several. */
  readonly pick: number;
  /** Whether it begins with the start of the new instance, or with the end of the old one. */
  readonly when: 'joining' | 'leaving';
  /** How long after that, in milliseconds. */
  readonly afterMs: number;
  readonly lastsMs: number;
  /** By how much a clock steps, in milliseconds. */
  readonly aheadMs: number;
}

/** Further than two runs of neighbouring seeds ever get. */
const STRIDE = 100_003;

/** The step of a seed, which depends on no step before it. */
export function stepOf(seed: number, n: number): Step {
  const random = new Random(seed * STRIDE + n);
  return {
    n,
    tier: random.one(['shop', 'stock']),
    chaos: random.weighted(WEIGHTS),
    whom: random.weighted({ leaving: 2, peer: 1, caller: 2 }),
    pick: random.below(1_000),
    when: random.weighted({ joining: 1, leaving: 3 }),
    afterMs: random.tens(0, 200),
    lastsMs: random.tens(200, 3_000),
    aheadMs: random.one([-86_400_000, -3_600_000, -20_000, 20_000, 3_600_000, 86_400_000]),
  };
}
