import type { Clock } from '../../lifecycle/clock.ts';

/** A prober that is silent for this long is forgotten, in milliseconds. */
const RECENT_MS = 10 * 60_000;

/** Most probers in memory: a balancer has a few nodes, a stranger can use any number of names. */
const MOST = 64;

/** Most names of one address; further ones count as one prober. */
const MOST_NAMES = 8;

/** A prober that is silent for this many of its intervals has stopped asking. */
const SILENT_INTERVALS = 3;

/** The probes of a kubelet decide about its pod; no balancer follows them. */
const KUBELET = 'kube-probe/';

interface Prober {
  readonly address: string;
  lastAt: number;
  /** Undefined until it has asked twice. */
  intervalMs: number | undefined;
  /** Failing answers since the offline began. */
  failures: number;
  toldAt: number | undefined;
}

/** Knowledge of some probers. */
export interface Knowledge {
  readonly count: number;
  /** Their failing answers since the offline began. */
  readonly failures: number;
  /** Monotonic time at which the last of them knew of the shutdown; undefined while one does not, or without any. */
  readonly toldAt: number | undefined;
  /** Longest time until those with a known interval know, in milliseconds. */
  readonly takesMs: number;
}

/** Balancers and proxies that check this instance, and whether each knows that it leaves. */
export class Probers {
  readonly #clock: Clock;
  readonly #failuresNeeded: number;
  readonly #probers = new Map<string, Prober>();
  readonly #checks = { good: 0, failing: 0 };

  /** @param failuresNeeded failing answers after which a balancer takes an instance out */
  constructor(clock: Clock, failuresNeeded: number) {
    this.#clock = clock;
    this.#failuresNeeded = failuresNeeded;
  }

  /** A health check has come. @param isFailing whether its answer takes the instance out */
  asked(address: string, agent: string, isFailing: boolean): void {
    this.#checks[isFailing ? 'failing' : 'good']++;
    if (agent.startsWith(KUBELET)) return;
    const now = this.#clock.now();
    const key = this.#keyOf(address, agent.slice(0, 80));
    const known = this.#probers.get(key);
    const prober = known ?? { address, lastAt: now, intervalMs: undefined, failures: 0, toldAt: undefined };
    if (known !== undefined) prober.intervalMs = intervalOf(now - prober.lastAt, prober.intervalMs);
    prober.lastAt = now;
    if (isFailing && ++prober.failures >= this.#failuresNeeded) prober.toldAt ??= now;
    // The one that has been silent longest comes first.
    this.#probers.delete(key);
    this.#probers.set(key, prober);
    if (this.#probers.size > MOST) this.#probers.delete(this.#probers.keys().next().value as string);
  }

  /** A stranger that makes up names displaces only itself. */
  #keyOf(address: string, agent: string): string {
    const key = `${address} ${agent}`;
    if (this.#probers.has(key)) return key;
    let names = 0;
    for (const prober of this.#probers.values()) if (prober.address === address) names++;
    return names < MOST_NAMES ? key : `${address} and others`;
  }

  /** An offline begins: no prober knows yet. */
  reset(): void {
    const now = this.#clock.now();
    for (const [key, prober] of this.#probers) {
      if (now - prober.lastAt >= RECENT_MS) this.#probers.delete(key);
      prober.failures = 0;
      prober.toldAt = undefined;
    }
  }

  /** Health checks since the process began. */
  get checks(): { readonly good: number; readonly failing: number } {
    return { ...this.#checks };
  }

  /** Whether a prober has this address, so that its requests come through a balancer. */
  has(address: string | undefined): boolean {
    for (const prober of this.#probers.values()) if (prober.address === address) return true;
    return false;
  }

  /** Knowledge of the probers at the addresses that `isMeant` accepts. */
  about(isMeant: (address: string) => boolean): Knowledge {
    const now = this.#clock.now();
    const meant = [...this.#probers.values()].filter(({ address }) => isMeant(address));
    const told = meant.map(({ toldAt, lastAt, intervalMs = Number.POSITIVE_INFINITY }) => {
      const silentAt = lastAt + SILENT_INTERVALS * intervalMs;
      return toldAt ?? (silentAt <= now ? silentAt : undefined);
    });
    return {
      count: meant.length,
      failures: meant.reduce((sum, { failures }) => sum + failures, 0),
      toldAt: told.includes(undefined) || told.length === 0 ? undefined : Math.max(...(told as number[])),
      takesMs: Math.max(0, ...meant.map(({ intervalMs = 0 }) => (this.#failuresNeeded + 1) * intervalMs)),
    };
  }
}

/** Grows at once and shrinks slowly: several workers of one proxy may ask at the same time. */
function intervalOf(pauseMs: number, before: number | undefined): number {
  return before === undefined ? pauseMs : Math.max(pauseMs, 0.9 * before + 0.1 * pauseMs);
}
