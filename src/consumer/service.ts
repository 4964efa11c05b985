import type { Clock, Timer } from '../lifecycle/clock.ts';
import { type Warmup, warmupShares } from '../lifecycle/warmup.ts';
import type { GoAway, Identity } from '../protocol/identity.ts';
import type { Instance } from '../registry/registry.ts';
import { Endpoint } from './endpoint.ts';
import type { Quarantine } from './quarantine.ts';
import { nextTurn } from './rotation.ts';

/** How long an instance that refused a connection is passed over, in milliseconds. */
const REST_MS = 1_000;

/** Instances kept after they left the list: to know who sends a late GoAway, and to have somebody when the list is empty. */
const MOST_DEPARTED = 200;

/** Longest time in milliseconds between a registration and its first sight that is believed: the defaults of Eureka add up to it. */
const REGISTRY_LAG_MS = 60_000;

/** Most instances of one service that are used. */
const MOST_INSTANCES = 5_000;

/** Shares of warming instances are renewed this often, as a part of the warm-up time, and at these bounds in milliseconds. */
const STEPS = 200;
const SHORTEST_STEP_MS = 20;
const LONGEST_STEP_MS = 1_000;

export interface ServiceOptions {
  readonly clock: Clock;
  readonly quarantine: Quarantine;
  readonly warmup: Warmup;
  /** Zone of this process: instances of the same one go before others. Undefined: all are alike. */
  readonly zone?: string | undefined;
}

/** What is known about a service, for people. */
export interface ServiceStatus {
  /** The instances of the last list. */
  readonly instances: readonly {
    readonly instanceId: string;
    readonly generation: number;
    readonly address: string;
    /** Its label `zone`. */
    readonly zone: string | undefined;
    /** Part of the traffic, 0 to 1. */
    readonly share: number;
    readonly isolated: boolean;
    readonly outstanding: number;
  }[];
  /** Picks of an isolated or no longer listed instance because there was no other. */
  readonly panicPicks: number;
  /** Age of the list, in milliseconds. */
  readonly listAgeMs: number | undefined;
}

/** The instances of one service, and which one takes the next request. */
export class Service {
  readonly name: string;
  readonly #options: ServiceOptions;
  readonly #departed = new Map<string, Endpoint>();
  #endpoints = new Map<string, Endpoint>();
  /** The last list that was not empty. */
  #last: readonly Endpoint[] = [];
  #turns: readonly Endpoint[] = [];
  #panic = false;
  #panicPicks = 0;
  #listedAt: number | undefined;
  #listedTimes = 0;
  #step: Timer | undefined;
  #closed = false;
  /** A request went to it since this was last reset. */
  used = true;

  constructor(name: string, options: ServiceOptions) {
    this.name = name;
    this.#options = options;
  }

  /** It has or had instances; anything else is not a service. */
  get known(): boolean {
    return this.#last.length > 0;
  }

  /** How many lists were applied, empty ones included. */
  get listedTimes(): number {
    return this.#listedTimes;
  }

  /** Connections to an instance are open. */
  get busy(): boolean {
    return [...this.#endpoints.values(), ...this.#departed.values()].some((endpoint) => endpoint.isOpen);
  }

  /** `host:port` of the instances that can be picked now. */
  get addresses(): readonly string[] {
    return this.available.map(({ address }) => address);
  }

  /** The instances that can be picked now. */
  get available(): readonly Endpoint[] {
    const { quarantine } = this.#options;
    return [...this.#endpoints.values()].filter(({ instance }) => !quarantine.has(instance));
  }

  /** The instances that requests go to. */
  get preferred(): readonly Endpoint[] {
    return this.#turns;
  }

  /**
   * The instance that takes the next request.
   *
   * @param tried instances that refused this request
   * @returns undefined when there is none left
   */
  pick(tried?: ReadonlySet<Endpoint>): Endpoint | undefined {
    this.used = true;
    if (tried === undefined) {
      if (this.#panic) this.#panicPicks++;
      return nextTurn(this.#turns);
    }
    return nextTurn(
      this.#tiers()
        .find((tier) => tier.some((endpoint) => !tried.has(endpoint)))
        ?.filter((endpoint) => !tried.has(endpoint)) ?? [],
    );
  }

  /** Takes over a full list. An older generation of an instance that is known never replaces a newer one. */
  apply(instances: readonly Instance[]): void {
    if (this.#closed) return;
    this.#listedAt = this.#options.clock.now();
    this.#listedTimes++;
    const next = new Map<string, Endpoint>();
    for (const instance of instances.slice(0, MOST_INSTANCES)) {
      const known =
        next.get(instance.instanceId) ??
        this.#endpoints.get(instance.instanceId) ??
        this.#departed.get(keyOf(instance));
      next.set(instance.instanceId, continued(known, instance) ?? new Endpoint(instance, this.#warmingSince(instance)));
    }
    for (const endpoint of this.#endpoints.values())
      if (next.get(endpoint.instance.instanceId) !== endpoint) this.#depart(endpoint);
    for (const endpoint of next.values()) this.#departed.delete(keyOf(endpoint.instance));
    this.#endpoints = next;
    if (next.size > 0) this.#last = [...next.values()];
    this.rebuild();
  }

  /** The endpoints that a message about an instance and its older generations is about. */
  find(instanceId: string, generation: number): readonly Endpoint[] {
    return [...this.#endpoints.values(), ...this.#departed.values()].filter(
      ({ instance }) => instance.instanceId === instanceId && instance.generation <= generation,
    );
  }

  /**
   * Who an instance is in this list: itself, or the entry at its address when something else has listed it (generation 0),
   * whose id says nothing.
   */
  listedAs(provider: GoAway['provider']): Identity {
    const { instanceId, address } = provider;
    const all = [...this.#endpoints.values(), ...this.#departed.values()];
    if (all.some(({ instance }) => instance.instanceId === instanceId)) return provider;
    const anonymous = all.find(
      ({ instance: { generation, host, port }, address: bracketed }) =>
        generation === 0 && (address === `${host}:${port}` || address === bracketed),
    );
    return anonymous?.instance ?? provider;
  }

  /** The instance refused a connection: for a moment it is used only if there is no other. */
  rest(endpoint: Endpoint): void {
    if (endpoint.resting) return;
    endpoint.resting = true;
    this.rebuild();
    this.#options.clock.after(REST_MS, () => {
      endpoint.resting = false;
      this.rebuild();
    });
  }

  /** Decides anew who is picked; to be called when an isolation begins or ends. */
  rebuild(): void {
    if (this.#closed) return;
    const { quarantine } = this.#options;
    this.#warm();
    const tiers = this.#tiers();
    const tier = tiers.findIndex((endpoints) => endpoints.length > 0);
    this.#turns = tiers[tier] ?? [];
    this.#panic = tier >= PANIC_TIER;
    if (this.#panic) return;
    // Somebody better is there again: what was used in need is left.
    for (const endpoint of this.#endpoints.values()) if (quarantine.has(endpoint.instance)) endpoint.close();
    for (const endpoint of this.#departed.values()) endpoint.close();
  }

  status(): ServiceStatus {
    const { clock, quarantine } = this.#options;
    const total = this.#turns.reduce((sum, { share }) => sum + share, 0);
    return {
      instances: [...this.#endpoints.values()].map((endpoint) => ({
        instanceId: endpoint.instance.instanceId,
        generation: endpoint.instance.generation,
        address: endpoint.address,
        zone: endpoint.instance.metadata['zone'],
        share: this.#turns.includes(endpoint) && total > 0 ? endpoint.share / total : 0,
        isolated: quarantine.has(endpoint.instance),
        outstanding: endpoint.outstanding,
      })),
      panicPicks: this.#panicPicks,
      listAgeMs: this.#listedAt === undefined ? undefined : Math.round(clock.now() - this.#listedAt),
    };
  }

  close(): void {
    this.#closed = true;
    this.#step?.cancel();
    for (const endpoint of [...this.#endpoints.values(), ...this.#departed.values()]) endpoint.close();
  }

  /** Who may be picked, best first: a tier is used only when those before it are empty. */
  #tiers(): readonly (readonly Endpoint[])[] {
    const { quarantine } = this.#options;
    const listed = [...this.#endpoints.values()];
    const free = listed.filter(({ instance }) => !quarantine.has(instance));
    const usable = free.filter(({ resting, instance }) => !resting && instance.weight > 0);
    return [
      usable.filter((endpoint) => this.#isNear(endpoint)),
      usable,
      free.filter(({ resting }) => !resting),
      free,
      listed.filter(({ resting }) => !resting),
      listed,
      this.#last,
    ];
  }

  #isNear({ instance }: Endpoint): boolean {
    const { zone } = this.#options;
    return zone === undefined || instance.metadata['zone'] === zone;
  }

  /** Shares of all, those near and those elsewhere apart, and again after a step while somebody is warming. */
  #warm(): void {
    const { clock, quarantine, warmup } = this.#options;
    const all = [...new Set([...this.#endpoints.values(), ...this.#last])];
    const counted = all.filter(({ instance }) => this.#endpoints.has(instance.instanceId) && !quarantine.has(instance));
    const now = clock.now();
    const uptimeOf = ({ warmingSince }: Endpoint): number => now - warmingSince;
    for (const endpoint of all) endpoint.share = Math.max(endpoint.instance.weight, 0) || 1;
    for (const group of Map.groupBy(counted, (endpoint) => this.#isNear(endpoint)).values()) {
      const shares = warmupShares(group.map(uptimeOf), warmup);
      for (const [n, endpoint] of group.entries()) endpoint.share *= shares[n] ?? 1;
    }
    this.#step?.cancel();
    if (!counted.some((endpoint) => uptimeOf(endpoint) < warmup.ms)) return;
    const step = Math.min(Math.max(warmup.ms / STEPS, SHORTEST_STEP_MS), LONGEST_STEP_MS);
    this.#step = clock.after(step, () => this.rebuild());
  }

  /**
   * When an instance that was not known began to warm up. In the first list it may be of any age, and only its registration
   * tells. One that appears later is new: its registration is believed as far as a registry may lag, because the clock it
   * was taken from may be minutes off.
   */
  #warmingSince({ registeredAt }: Instance): number {
    const { clock, warmup } = this.#options;
    const age = clock.wall() - registeredAt;
    const most = this.#listedTimes === 1 ? Number.POSITIVE_INFINITY : REGISTRY_LAG_MS;
    return clock.now() - (age <= most ? Math.min(Math.max(age, 0), warmup.ms) : 0);
  }

  #depart(endpoint: Endpoint): void {
    const oldest = this.#departed.size < MOST_DEPARTED ? undefined : this.#departed.keys().next().value;
    if (oldest !== undefined) this.#departed.delete(oldest);
    this.#departed.set(keyOf(endpoint.instance), endpoint);
    endpoint.close();
  }
}

/** From here on only isolated or no longer listed instances are left. */
const PANIC_TIER = 4;

/** The endpoint that goes on with `instance`, unless it is another generation or elsewhere. An older entry never replaces a newer one. */
function continued(known: Endpoint | undefined, instance: Instance): Endpoint | undefined {
  if (known === undefined) return undefined;
  const { generation, host, port } = known.instance;
  if (instance.generation < generation) return known;
  if (instance.generation > generation || instance.host !== host || instance.port !== port) return undefined;
  known.instance = instance;
  return known;
}

function keyOf({ instanceId, generation }: Instance): string {
  return `${generation} ${instanceId}`;
}
