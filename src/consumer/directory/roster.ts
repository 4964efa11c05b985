import { isDeepStrictEqual } from 'node:util';
import type { Guard } from '../../guard.ts';
import type { Clock } from '../../lifecycle/clock.ts';
import type { GoAway } from '../../protocol/identity.ts';
import { addressesOf, addressKey, newestByAddress } from '../../registry/address.ts';
import { PROTOCOLS, type Protocol } from '../../registry/endpoints.ts';
import type { Instance } from '../../registry/registry.ts';
import { Endpoint } from './endpoint.ts';

/**
 * Most instances that are kept after they left the list: to recognize the sender of a late GoAway, and as a last resort when the
 * list is empty.
 */
const MOST_DEPARTED = 200;

/** Longest plausible time between a registration and its first sight, in milliseconds: the defaults of Eureka add up to it. */
const REGISTRY_LAG_MS = 60_000;

/** Most instances of one service that are used. */
const MOST_INSTANCES = 5_000;

/** Addresses of an instance, by which a message finds it whatever its id in a list. */
export type Address = Pick<Instance, 'host' | 'port'>;

/**
 * The instances of one service, from list to list. Calls go to addresses: of several entries with one address only the newest
 * generation is used, because the others belong to the same process or to one that has exited.
 */
export class Roster {
  readonly #clock: Clock;
  readonly #guard: Guard;
  readonly #warmupMs: number;
  readonly #departed = new Map<string, Endpoint>();
  #byKey: ReadonlyMap<string, Endpoint> = new Map();
  #listed: readonly Endpoint[] = [];
  #all: readonly Endpoint[] = [];
  /** The last list, as it came. */
  #applied: readonly Instance[] | undefined;
  /** Of each protocol, those that take its calls in the last list that had any. */
  readonly #last = new Map<Protocol, readonly Endpoint[]>();
  #times = 0;
  #listedAt: number | undefined;

  /** @param warmupMs warm-up time; 0 switches it off */
  constructor(clock: Clock, guard: Guard, warmupMs: number) {
    this.#clock = clock;
    this.#guard = guard;
    this.#warmupMs = warmupMs;
  }

  /** The instances of the last list; the same array until a list differs. */
  get listed(): readonly Endpoint[] {
    return this.#listed;
  }

  /** Whether the last list has an instance at an address, in the form of `addressKey`. */
  lists(key: string): boolean {
    return this.#byKey.has(key);
  }

  /** Whether a list was not empty. */
  get known(): boolean {
    return this.#last.size > 0;
  }

  /** The instances that take calls of `protocol` in the last list that had such. */
  lastOf(protocol: Protocol): readonly Endpoint[] {
    return this.#last.get(protocol) ?? [];
  }

  /** Instances and generations that have left the list. */
  get departed(): Iterable<Endpoint> {
    return this.#departed.values();
  }

  /** All known instances. */
  get all(): readonly Endpoint[] {
    return this.#all;
  }

  /** How many lists were applied, empty ones included. */
  get times(): number {
    return this.#times;
  }

  /** Age of the list, in milliseconds. */
  get ageMs(): number | undefined {
    return this.#listedAt === undefined ? undefined : Math.round(this.#clock.now() - this.#listedAt);
  }

  /**
   * Applies a full list. An older generation of a known instance never replaces a newer one.
   *
   * @returns whether it differs from the last one; most do not, because each GoAway and each poll reads one
   */
  apply(instances: readonly Instance[]): boolean {
    this.#listedAt = this.#clock.now();
    this.#times++;
    const listed = instances.slice(0, MOST_INSTANCES);
    if (isDeepStrictEqual(listed, this.#applied)) return false;
    this.#applied = listed;
    const next = new Map<string, Endpoint>();
    for (const [address, instance] of newestByAddress(listed)) {
      const known = this.#byKey.get(address) ?? this.#departed.get(keyOf(instance));
      const endpoint = continued(known, instance) ?? new Endpoint(instance, this.#warmingSince(instance), this.#guard);
      endpoint.knowAs(instance);
      next.set(address, endpoint);
    }
    if (next.size < listed.length) for (const instance of listed) next.get(addressKey(instance))?.knowAs(instance);
    for (const endpoint of this.#listed) if (next.get(endpoint.key) !== endpoint) this.#depart(endpoint);
    for (const endpoint of next.values())
      if (this.#byKey.get(endpoint.key) !== endpoint) this.#departed.delete(keyOf(endpoint.instance));
    this.#byKey = next;
    this.#listed = [...next.values()];
    this.#all = [...this.#listed, ...this.#departed.values()];
    for (const protocol of PROTOCOLS) {
      const taking = this.#listed.filter((endpoint) => endpoint.takes(protocol));
      if (taking.length > 0) this.#last.set(protocol, taking);
    }
    return true;
  }

  /** The endpoints at an address, of all generations. */
  at(address: Address): readonly Endpoint[] {
    const key = addressKey(address);
    return this.all.filter((endpoint) => endpoint.isAt(key));
  }

  /** Endpoints of an instance: those with its id in this list, else those at its addresses, where it may have another id. */
  addressesOf(provider: GoAway['provider']): readonly Address[] {
    const known = this.all.filter((endpoint) => endpoint.isKnownAs(provider.instanceId));
    if (known.length > 0) return [...new Map(known.map(({ key, instance }) => [key, instance])).values()];
    return addressesOf(provider);
  }

  /**
   * When a new instance began to warm up. In the first list it may have any age, and only its registration time tells. One that
   * appears later is new: its registration time counts only as far as a registry may lag, because its clock may be minutes off.
   */
  #warmingSince({ registeredAt }: Instance): number {
    const age = this.#clock.wall() - registeredAt;
    const most = this.#times === 1 ? Number.POSITIVE_INFINITY : REGISTRY_LAG_MS;
    return this.#clock.now() - (age <= most ? Math.min(Math.max(age, 0), this.#warmupMs) : 0);
  }

  /** Its connections stay until the service knows that no call needs them. */
  #depart(endpoint: Endpoint): void {
    const [oldest] = this.#departed;
    if (oldest !== undefined && this.#departed.size >= MOST_DEPARTED) {
      const [key, left] = oldest;
      this.#departed.delete(key);
      left.close();
    }
    this.#departed.set(keyOf(endpoint.instance), endpoint);
  }
}

/**
 * The endpoint to keep for `instance`, unless that is another generation or another life. An older entry never replaces a newer
 * one. An entry without a generation that remains at the address is the same process.
 */
function continued(known: Endpoint | undefined, instance: Instance): Endpoint | undefined {
  if (known === undefined) return undefined;
  const { instanceId, generation, uid } = known.instance;
  if (instance.generation > generation || (uid ?? instance.uid) !== (instance.uid ?? uid)) return undefined;
  if (instance.generation === generation) known.instance = instance;
  else if (instance.generation === 0) known.instance = { ...instance, instanceId, generation };
  return known;
}

function keyOf(instance: Instance): string {
  return JSON.stringify([addressKey(instance), instance.generation, instance.uid]);
}
