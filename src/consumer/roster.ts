import type { Clock } from '../lifecycle/clock.ts';
import type { GoAway, Identity } from '../protocol/identity.ts';
import type { Instance } from '../registry/registry.ts';
import { Endpoint } from './endpoint.ts';

/** Instances kept after they left the list: to know who sends a late GoAway, and to have somebody when the list is empty. */
const MOST_DEPARTED = 200;

/** Longest time in milliseconds between a registration and its first sight that is believed: the defaults of Eureka add up to it. */
const REGISTRY_LAG_MS = 60_000;

/** Most instances of one service that are used. */
const MOST_INSTANCES = 5_000;

/** Who the instances of one service are, list after list. */
export class Roster {
  readonly #clock: Clock;
  readonly #warmupMs: number;
  readonly #departed = new Map<string, Endpoint>();
  #listed = new Map<string, Endpoint>();
  #last: readonly Endpoint[] = [];
  #times = 0;
  #listedAt: number | undefined;

  /** @param warmupMs warm-up time; 0 switches it off */
  constructor(clock: Clock, warmupMs: number) {
    this.#clock = clock;
    this.#warmupMs = warmupMs;
  }

  /** The instances of the last list. */
  get listed(): readonly Endpoint[] {
    return [...this.#listed.values()];
  }

  /** The instances of the last list that was not empty. */
  get last(): readonly Endpoint[] {
    return this.#last;
  }

  /** Instances and generations that have left the list. */
  get departed(): readonly Endpoint[] {
    return [...this.#departed.values()];
  }

  /** Everybody who is known. */
  get all(): readonly Endpoint[] {
    return [...this.#listed.values(), ...this.#departed.values()];
  }

  /** How many lists were applied, empty ones included. */
  get times(): number {
    return this.#times;
  }

  /** Age of the list, in milliseconds. */
  get ageMs(): number | undefined {
    return this.#listedAt === undefined ? undefined : Math.round(this.#clock.now() - this.#listedAt);
  }

  /** Takes over a full list. An older generation of an instance that is known never replaces a newer one. */
  apply(instances: readonly Instance[]): void {
    this.#listedAt = this.#clock.now();
    this.#times++;
    const next = new Map<string, Endpoint>();
    for (const instance of instances.slice(0, MOST_INSTANCES)) {
      const known =
        next.get(instance.instanceId) ?? this.#listed.get(instance.instanceId) ?? this.#departed.get(keyOf(instance));
      next.set(instance.instanceId, continued(known, instance) ?? new Endpoint(instance, this.#warmingSince(instance)));
    }
    for (const endpoint of this.#listed.values())
      if (next.get(endpoint.instance.instanceId) !== endpoint) this.#depart(endpoint);
    for (const endpoint of next.values()) this.#departed.delete(keyOf(endpoint.instance));
    this.#listed = next;
    if (next.size > 0) this.#last = [...next.values()];
  }

  /** The endpoints that a message about an instance and its older generations is about. */
  find(instanceId: string, generation: number): readonly Endpoint[] {
    return this.all.filter(({ instance }) => instance.instanceId === instanceId && instance.generation <= generation);
  }

  /**
   * Who an instance is in this list: itself, or the entry at its address when something else has listed it (generation 0),
   * whose id says nothing.
   */
  listedAs(provider: GoAway['provider']): Identity {
    const { instanceId, address } = provider;
    const { all } = this;
    if (all.some(({ instance }) => instance.instanceId === instanceId)) return provider;
    const anonymous = all.find((endpoint) => endpoint.instance.generation === 0 && endpoint.address === address);
    return anonymous?.instance ?? provider;
  }

  /**
   * When an instance that was not known began to warm up. In the first list it may be of any age, and only its registration
   * tells. One that appears later is new: its registration is believed as far as a registry may lag, because the clock it
   * was taken from may be minutes off.
   */
  #warmingSince({ registeredAt }: Instance): number {
    const age = this.#clock.wall() - registeredAt;
    const most = this.#times === 1 ? Number.POSITIVE_INFINITY : REGISTRY_LAG_MS;
    return this.#clock.now() - (age <= most ? Math.min(Math.max(age, 0), this.#warmupMs) : 0);
  }

  #depart(endpoint: Endpoint): void {
    const oldest = this.#departed.size < MOST_DEPARTED ? undefined : this.#departed.keys().next().value;
    if (oldest !== undefined) this.#departed.delete(oldest);
    this.#departed.set(keyOf(endpoint.instance), endpoint);
    endpoint.close();
  }
}

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
