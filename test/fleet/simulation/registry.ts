import type { Clock } from '../../../src/lifecycle/clock.ts';
import type { Instance, Listener, Registry } from '../../../src/registry/registry.ts';

/** How fast a registry brings changes, measured in the table of `docs/benchmarks.md`. */
export interface Lag {
  readonly name: string;
  /** Time until the last consumer has seen a change, in milliseconds: median and longest. */
  readonly lagMs: readonly [number, number];
  /** A read is as old as a push, because the server answers from a cache. */
  readonly isCached: boolean;
}

/** The rows of that table. */
export const LAGS: readonly Lag[] = [
  { name: 'file:', lagMs: [3, 5], isCached: false },
  { name: 'Consul', lagMs: [7, 8], isCached: false },
  { name: 'etcd', lagMs: [5, 9], isCached: false },
  { name: 'ZooKeeper', lagMs: [13, 14], isCached: false },
  { name: 'Nacos 3.1, push', lagMs: [587, 600], isCached: false },
  { name: 'Nacos 3.1, push, pushTaskDelay=50', lagMs: [117, 169], isCached: false },
  { name: 'Nacos 2.5, polled', lagMs: [2_404, 2_446], isCached: false },
  { name: 'Eureka, no read-only cache', lagMs: [549, 550], isCached: false },
  { name: 'Eureka', lagMs: [29_153, 31_890], isCached: true },
  { name: 'Kubernetes', lagMs: [17, 18], isCached: false },
];

/** Time of a call to a registry, in milliseconds. */
const CALL_MS = 2;

/** The list of a service from one moment on. */
interface Version {
  readonly at: number;
  readonly list: readonly Instance[];
}

/** One service in a registry: the true list, and the view of each watcher. */
export class ServiceList {
  readonly #clock: Clock;
  readonly #lag: Lag;
  readonly #instances = new Map<string, Instance>();
  #versions: Version[] = [{ at: Number.NEGATIVE_INFINITY, list: [] }];
  readonly #watches = new Set<() => void>();

  constructor(clock: Clock, lag: Lag) {
    this.#clock = clock;
    this.#lag = lag;
  }

  /** The view of writers. */
  get writer(): Registry {
    return this.#view(async () => this.#newest.list);
  }

  /** The view of a consumer, whose changes come late. @param chance lateness, from 0 for the median to 1 for the longest */
  reader(chance: number): Registry {
    const [median, longest] = this.#lag.lagMs;
    const lagMs = median + chance * (longest - median);
    const seen = (): readonly Instance[] => this.#asOf(this.#clock.now() - lagMs);
    return this.#view(
      async () => (this.#lag.isCached ? seen() : this.#newest.list),
      (listener) => {
        let told = this.#newest.list;
        let isWaiting = false;
        const tell = (): void => {
          isWaiting = false;
          const list = seen();
          if (list !== told) listener(list);
          told = list;
          if (list !== this.#newest.list) wait();
        };
        const wait = (): void => {
          if (isWaiting) return;
          isWaiting = true;
          const now = this.#clock.now();
          const unseen = this.#versions.find(({ at }) => at > now - lagMs) ?? this.#newest;
          this.#clock.after(unseen.at + lagMs - now, tell);
        };
        listener(told);
        this.#watches.add(wait);
        return () => this.#watches.delete(wait);
      },
    );
  }

  get #newest(): Version {
    return this.#versions.at(-1) as Version;
  }

  #asOf(at: number): readonly Instance[] {
    return (this.#versions.findLast((version) => version.at <= at) ?? (this.#versions[0] as Version)).list;
  }

  #change(): void {
    const at = this.#clock.now();
    const [, longest] = this.#lag.lagMs;
    // Drops versions that no reader can see any more.
    const oldest = this.#versions.findLastIndex((version) => version.at <= at - longest);
    this.#versions = this.#versions.slice(Math.max(0, oldest)).filter((version) => version.at !== at);
    this.#versions.push({ at, list: [...this.#instances.values()] });
    for (const wait of this.#watches) wait();
  }

  #view(read: () => Promise<readonly Instance[]>, watch?: (listener: Listener) => () => void): Registry {
    const call = async (): Promise<void> => {
      await new Promise<void>((resolve) => this.#clock.after(CALL_MS, resolve));
    };
    return {
      type: this.#lag.name,
      address: '',
      capabilities: { push: true, lagMs: this.#lag.lagMs[1], expires: true },
      register: async (instance) => {
        await call();
        this.#instances.set(instance.instanceId, instance);
        this.#change();
      },
      deregister: async ({ instanceId }) => {
        await call();
        if (this.#instances.delete(instanceId)) this.#change();
      },
      instances: async () => {
        await call();
        return read();
      },
      watch: async (_, listener) => watch?.(listener) ?? (() => {}),
      close: async () => {},
    };
  }
}
