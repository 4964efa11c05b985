import { LosslessError } from '../../errors.ts';
import type { Guard } from '../../guard.ts';
import type { Clock, Timer } from '../../lifecycle/clock.ts';
import { type Warmup, warmupShares } from '../../lifecycle/warmup.ts';
import type { GoAway } from '../../protocol/identity.ts';
import type { Protocol } from '../../registry/endpoints.ts';
import type { Instance } from '../../registry/registry.ts';
import type { Endpoint } from './endpoint.ts';
import type { Quarantine } from './quarantine.ts';
import { Rest } from './rest.ts';
import { type Address, Roster } from './roster.ts';
import { nextTurn } from './rotation.ts';

/**
 * Interval at which shares of warming instances are updated, as a part of the warm-up time, with these bounds in milliseconds.
 */
const STEPS = 200;
const SHORTEST_STEP_MS = 20;
const LONGEST_STEP_MS = 1_000;

export interface ServiceOptions {
  readonly clock: Clock;
  readonly guard: Guard;
  readonly quarantine: Quarantine;
  readonly warmup: Warmup;
  /** Zone of this process, whose instances are preferred. Undefined: no preference. */
  readonly zone?: string | undefined;
  /** Called with the name of a service when its first request is about to be sent. It must not throw. */
  readonly onCalled?: ((service: string) => void) | undefined;
}

/** State of a service, for people. */
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
  /** Picks of an isolated or unlisted instance because there was no other. */
  readonly panicPicks: number;
  /** Age of the list, in milliseconds. */
  readonly listAgeMs: number | undefined;
}

/** The instances for calls of one protocol. */
interface Choice {
  readonly turns: readonly Endpoint[];
  /** Only isolated or unlisted instances are left. */
  readonly isPanic: boolean;
}

/** The instances of one service, and the pick of the next one. */
export class Service {
  readonly name: string;
  readonly #options: ServiceOptions;
  readonly #roster: Roster;
  /** For HTTP. */
  #choice: Choice = { turns: [], isPanic: false };
  /** For each protocol in use. */
  readonly #choices = new Map<Protocol, Choice>();
  #panicPicks = 0;
  #step: Timer | undefined;
  #closed = false;
  #called = false;
  #changed = Promise.withResolvers<void>();
  readonly #followers = new Set<() => void>();
  #refusal: LosslessError | undefined;
  /** A request went to it since this was last reset. */
  used = true;

  constructor(name: string, options: ServiceOptions) {
    this.name = name;
    this.#options = options;
    this.#roster = new Roster(options.clock, options.guard, options.warmup.ms);
  }

  /** It has or had instances; anything else is not a service. */
  get known(): boolean {
    return this.#roster.last.length > 0;
  }

  /** The watch has ended, because there were no calls for a while. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Resolves when the choice of instances changes, or when this is closed. */
  changed(): Promise<void> {
    return this.#changed.promise;
  }

  /**
   * Calls `listener` synchronously whenever the choice of instances changes, and when this is closed. A follower counts as a
   * caller, with or without requests.
   *
   * @param listener must not throw
   * @returns a function that ends it
   */
  follow(listener: () => void): () => void {
    this.#followers.add(listener);
    return () => void this.#followers.delete(listener);
  }

  /** How many lists were applied, empty ones included. */
  get listedTimes(): number {
    return this.#roster.times;
  }

  /** It has a follower or unfinished requests. Open connections alone do not count. */
  get busy(): boolean {
    return this.#followers.size > 0 || this.#roster.all.some(({ outstanding }) => outstanding > 0);
  }

  /** `host:port` of the instances that can be picked now. */
  get addresses(): readonly string[] {
    return this.#free.map(({ address }) => address);
  }

  /** Instances that can take a request now, without those whose last connection failed. */
  get others(): number {
    return this.#free.filter(({ rest }) => rest === undefined || rest.isOver).length;
  }

  /** Whether one of its instances is, or was, at `authority`, the host and port of a URL. */
  isAt(authority: string): boolean {
    return this.#roster.all.some(({ address }) => address === authority);
  }

  /** The instances for HTTP requests. */
  get preferred(): readonly Endpoint[] {
    return this.#choice.turns;
  }

  /** The current instances for calls of `protocol`; `endpointOf` gives the port of each. */
  preferredFor(protocol: Protocol): readonly Endpoint[] {
    return this.#choiceFor(protocol).turns;
  }

  /** Why HTTP requests are impossible: all instances speak only gRPC. Undefined: they are possible. */
  get refusal(): LosslessError | undefined {
    return this.#refusal;
  }

  /**
   * The instance that takes the next request.
   *
   * @param tried instances that refused this request
   * @returns undefined when there is none left
   */
  pick(tried?: ReadonlySet<Endpoint>): Endpoint | undefined {
    this.#call();
    const { turns, isPanic } = this.#choice;
    if (tried === undefined && isPanic) this.#panicPicks++;
    const picked = nextTurn(tried === undefined ? turns : this.#untried(tried));
    if (picked?.rest?.isDue) {
      picked.rest.probe();
      this.rebuild();
    }
    return picked;
  }

  /**
   * The same for calls of `protocol`, among the instances that `can` take it; the caller keeps the connections.
   *
   * @returns undefined when there is none
   */
  pickAmong(protocol: Protocol, can: (endpoint: Endpoint) => boolean): Endpoint | undefined {
    this.#call();
    const { turns, isPanic } = this.#choiceFor(protocol);
    const picked = nextTurn(turns.every(can) ? turns : turns.filter(can));
    if (picked !== undefined && isPanic) this.#panicPicks++;
    return picked;
  }

  /** Applies a full list. An older generation of a known instance never replaces a newer one. */
  apply(instances: readonly Instance[]): void {
    if (this.#closed) return;
    this.#roster.apply(instances);
    this.rebuild();
  }

  /** The endpoints at an address, of all generations. */
  at(address: Address): readonly Endpoint[] {
    return this.#roster.at(address);
  }

  /** Endpoints of an instance: those with its id in this list, else those at its address. */
  addressesOf(provider: GoAway['provider']): readonly Address[] {
    return this.#roster.addressesOf(provider);
  }

  /** Whether the list has an instance of that id elsewhere than at `endpoint`. */
  hasElsewhere(instanceId: string, endpoint: Endpoint): boolean {
    return this.#roster.all.some((other) => other.isKnownAs(instanceId) && other.key !== endpoint.key);
  }

  /** The instance could not be connected to: it rests. */
  rest(endpoint: Endpoint): void {
    endpoint.rest ??= new Rest(this.#options.clock, () => this.rebuild());
    if (endpoint.rest.failed()) this.rebuild();
  }

  /** The instance could be connected to, or has answered. */
  reached(endpoint: Endpoint): void {
    if (endpoint.rest?.succeeded()) this.rebuild();
  }

  /** Whether another instance can take a request that this one keeps waiting. */
  hasOther(endpoint: Endpoint): boolean {
    return this.#free.some((other) => other !== endpoint && !isResting(other));
  }

  /** Chooses the instances again; call it when an isolation begins or ends. */
  rebuild(): void {
    if (this.#closed) return;
    const { quarantine } = this.#options;
    this.#warm();
    const calledBy = new Set<Protocol>(['http', ...this.#choices.keys()]);
    this.#choices.clear();
    const isPanic = [...calledBy].filter((protocol) => this.#choiceFor(protocol).isPanic).length > 0;
    this.#choice = this.#choiceFor('http');
    this.#refusal = this.known && this.#choice.turns.length === 0 ? this.#speaksGrpcAlone() : undefined;
    this.#tell();
    if (isPanic) return;
    // Better instances are back: leaves those that were used as a last resort.
    for (const endpoint of this.#roster.listed) if (quarantine.has(endpoint.instance, endpoint.key)) endpoint.close();
    for (const endpoint of this.#roster.departed) endpoint.close();
  }

  status(): ServiceStatus {
    const { quarantine } = this.#options;
    const turns = [...this.#choices.values()].map((choice) => choice.turns).find(({ length }) => length > 0) ?? [];
    const total = turns.reduce((sum, { share }) => sum + share, 0);
    return {
      instances: this.#roster.listed.map((endpoint) => ({
        instanceId: endpoint.instance.instanceId,
        generation: endpoint.instance.generation,
        address: endpoint.address,
        zone: endpoint.instance.metadata['zone'],
        share: turns.includes(endpoint) && total > 0 ? endpoint.share / total : 0,
        isolated: quarantine.has(endpoint.instance, endpoint.key),
        outstanding: endpoint.outstanding,
      })),
      panicPicks: this.#panicPicks,
      listAgeMs: this.#roster.ageMs,
    };
  }

  close(): void {
    this.#closed = true;
    this.#step?.cancel();
    for (const endpoint of this.#roster.all) endpoint.close();
    this.#tell();
  }

  #call(): void {
    this.used = true;
    if (!this.#called) this.#options.onCalled?.(this.name);
    this.#called = true;
  }

  #tell(): void {
    for (const listener of [...this.#followers]) listener();
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  /** Instances of the last list that are not isolated. */
  get #free(): readonly Endpoint[] {
    const { quarantine } = this.#options;
    return this.#roster.listed.filter(({ instance, key }) => !quarantine.has(instance, key));
  }

  #choiceFor(protocol: Protocol): Choice {
    const known = this.#choices.get(protocol);
    if (known !== undefined) return known;
    const tiers = this.#tiers(protocol);
    const tier = tiers.findIndex((endpoints) => endpoints.length > 0);
    const choice = { turns: tiers[tier] ?? [], isPanic: tier >= PANIC_TIER };
    this.#choices.set(protocol, choice);
    return choice;
  }

  /** The best of the instances that this request has not tried. */
  #untried(tried: ReadonlySet<Endpoint>): readonly Endpoint[] {
    for (const tier of this.#tiers('http')) {
      const left = tier.filter((endpoint) => !tried.has(endpoint));
      if (left.length > 0) return left;
    }
    return [];
  }

  /** Tiers of instances for calls of `protocol`, best first: a tier is used only when those before it are empty. */
  #tiers(protocol: Protocol): readonly (readonly Endpoint[])[] {
    const taking = (endpoints: readonly Endpoint[]) => endpoints.filter((endpoint) => endpoint.takes(protocol));
    const [free, listed, last] = [taking(this.#free), taking(this.#roster.listed), taking(this.#roster.last)];
    const awake = free.filter((endpoint) => !isResting(endpoint));
    const usable = awake.filter(({ instance }) => instance.weight > 0);
    return [
      usable.filter((endpoint) => this.#isNear(endpoint)),
      usable,
      awake,
      free,
      listed.filter((endpoint) => !isResting(endpoint)),
      listed,
      last,
    ];
  }

  #speaksGrpcAlone(): LosslessError {
    const [first] = this.#roster.last;
    return new LosslessError(
      'LOSSLESS_GRPC_ALONE',
      `expected an instance of ${this.name} that takes HTTP, received a list of instances that speak only gRPC (${first?.address}): call it with a gRPC client, or let it listen with an HTTP server too`,
    );
  }

  #isNear({ instance }: Endpoint): boolean {
    const { zone } = this.#options;
    return zone === undefined || instance.metadata['zone'] === zone;
  }

  /**
   * Computes all shares, of the near instances and of the others separately, and again after a step while an instance is warming.
   */
  #warm(): void {
    const { clock, warmup } = this.#options;
    const counted = this.#free;
    const now = clock.now();
    const uptimeOf = ({ warmingSince }: Endpoint): number => now - warmingSince;
    for (const endpoint of this.#roster.last) endpoint.share = Math.max(endpoint.instance.weight, 0) || 1;
    for (const group of Map.groupBy(counted, (endpoint) => this.#isNear(endpoint)).values()) {
      const shares = warmupShares(group.map(uptimeOf), warmup);
      for (const [n, endpoint] of group.entries()) endpoint.share *= shares[n] ?? 1;
    }
    this.#step?.cancel();
    if (!counted.some((endpoint) => uptimeOf(endpoint) < warmup.ms)) return;
    const step = Math.min(Math.max(warmup.ms / STEPS, SHORTEST_STEP_MS), LONGEST_STEP_MS);
    this.#step = clock.after(step, () => this.rebuild());
  }
}

function isResting({ rest }: Endpoint): boolean {
  return rest?.isPassedOver === true;
}

/** From here on only isolated or unlisted instances are left. */
const PANIC_TIER = 4;
