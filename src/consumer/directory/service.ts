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
import { nextTurn, seat } from './rotation.ts';
import { isProven, isResting, type Known, keptFor, tiersFor } from './tiers.ts';

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
    /** Part of the traffic, 0 to 1; of several protocols that it is called by, their mean. */
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

/** The listed instances by whether they are isolated, and what that was found from. */
interface Parts {
  readonly listed: readonly Endpoint[];
  readonly changes: number;
  readonly free: readonly Endpoint[];
  readonly isolated: readonly Endpoint[];
  /** `host:port` of the free ones. */
  readonly addresses: readonly string[];
}

/** The instances of one service, and the pick of the next one. */
export class Service {
  readonly name: string;
  readonly #options: ServiceOptions;
  readonly #roster: Roster;
  /** For each protocol that was asked for since something changed. */
  readonly #choices = new Map<Protocol, Choice>();
  /** Protocols that were ever asked for. */
  readonly #asked = new Set<Protocol>(['http']);
  #parted: Parts = { listed: [], changes: 0, free: [], isolated: [], addresses: [] };
  #panicPicks = 0;
  #step: Timer | undefined;
  #closed = false;
  #called = false;
  /** Protocols of the calls that were made to it of late. */
  readonly #calledBy = new Set<Protocol>();
  #changed = Promise.withResolvers<void>();
  readonly #followers = new Set<() => void>();
  /** A request went to it since this was last reset. */
  used = true;

  constructor(name: string, options: ServiceOptions) {
    this.name = name;
    this.#options = options;
    this.#roster = new Roster(options.clock, options.guard, options.warmup.ms);
  }

  /** It has or had instances; anything else is not a service. */
  get known(): boolean {
    return this.#roster.known;
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
    return this.#parts.addresses;
  }

  /**
   * How many instances can take the requests of those that leave, without instances whose last connection failed. When the leaving
   * ones are called by several protocols, the protocol with the fewest instances counts.
   */
  othersThan(leaving: readonly Endpoint[]): number {
    const able = this.#free.filter(isProven);
    const missed = [...this.#calledBy].filter((protocol) => leaving.some((endpoint) => endpoint.takes(protocol)));
    return Math.min(able.length, ...missed.map((each) => able.filter((endpoint) => endpoint.takes(each)).length));
  }

  /** Forgets who called it; a new call counts again. */
  forget(): void {
    this.used = false;
    this.#calledBy.clear();
  }

  /** Whether one of its instances is, or was, at `authority`, the host and port of a URL. */
  isAt(authority: string): boolean {
    return this.#roster.all.some(({ address }) => address === authority);
  }

  /** Whether the last list has an instance at an address, in the form of `addressKey`. */
  lists(key: string): boolean {
    return this.#roster.lists(key);
  }

  /** The instances for HTTP requests. */
  get preferred(): readonly Endpoint[] {
    return this.#choiceFor('http').turns;
  }

  /** The current instances for calls of `protocol`; `endpointOf` gives the port of each. */
  preferredFor(protocol: Protocol): readonly Endpoint[] {
    return this.#choiceFor(protocol).turns;
  }

  /** Why HTTP requests are impossible: all instances speak only gRPC. Undefined: they are possible. */
  get refusal(): LosslessError | undefined {
    return this.known && this.preferred.length === 0 ? this.#speaksGrpcAlone() : undefined;
  }

  /**
   * The instance that takes the next request.
   *
   * @param tried instances that refused this request
   * @returns undefined when there is none left
   */
  pick(tried?: ReadonlySet<Endpoint>): Endpoint | undefined {
    this.#call('http');
    const { turns, isPanic } = this.#choiceFor('http');
    if (tried === undefined && isPanic) this.#panicPicks++;
    const picked = nextTurn(tried === undefined ? turns : this.#untried(tried));
    if (picked?.rest?.isDue) {
      picked.rest.probe();
      this.invalidate();
    }
    return picked;
  }

  /**
   * The same for calls of `protocol`, among the instances that `can` take it; the caller keeps the connections.
   *
   * @returns undefined when there is none
   */
  pickAmong(protocol: Protocol, can: (endpoint: Endpoint) => boolean): Endpoint | undefined {
    this.#call(protocol);
    const { turns, isPanic } = this.#choiceFor(protocol);
    const picked = nextTurn(turns.every(can) ? turns : turns.filter(can));
    if (picked !== undefined && isPanic) this.#panicPicks++;
    return picked;
  }

  /** Applies a full list. An older generation of a known instance never replaces a newer one. */
  apply(instances: readonly Instance[]): void {
    if (this.#closed) return;
    if (this.#roster.apply(instances)) this.invalidate();
    else this.#closeUnneeded();
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
    endpoint.rest ??= new Rest(this.#options.clock, () => this.invalidate());
    if (endpoint.rest.failed()) this.invalidate();
  }

  /** The instance could be connected to, or has answered. */
  reached(endpoint: Endpoint): void {
    if (endpoint.rest?.succeeded()) this.invalidate();
  }

  /** Whether another instance can take an HTTP request that this one keeps waiting. */
  hasOther(endpoint: Endpoint): boolean {
    const others = [...this.#free, ...keptFor('http', this.#roster)];
    return others.some((other) => other !== endpoint && other.takes('http') && !isResting(other));
  }

  /** The next call chooses anew, and those who follow are told; call it when an isolation begins or ends. */
  invalidate(): void {
    if (this.#closed) return;
    // Many changes may come before the next call, which then chooses once.
    this.#choices.clear();
    this.#tell();
    this.#closeUnneeded();
  }

  status(): ServiceStatus {
    const { quarantine } = this.#options;
    const protocols = this.#calledBy.size > 0 ? this.#calledBy : this.#asked;
    const choices = [...protocols].map((each) => this.#choiceFor(each).turns).filter(({ length }) => length > 0);
    const partIn = (turns: readonly Endpoint[], endpoint: Endpoint): number =>
      turns.includes(endpoint) ? endpoint.share / turns.reduce((sum, { share }) => sum + share, 0) : 0;
    return {
      instances: this.#roster.listed.map((endpoint) => ({
        instanceId: endpoint.instance.instanceId,
        generation: endpoint.instance.generation,
        address: endpoint.address,
        zone: endpoint.instance.metadata['zone'],
        share: choices.reduce((sum, turns) => sum + partIn(turns, endpoint) / choices.length, 0),
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

  #call(protocol: Protocol): void {
    this.used = true;
    this.#calledBy.add(protocol);
    if (!this.#called) this.#options.onCalled?.(this.name);
    this.#called = true;
  }

  #tell(): void {
    for (const listener of [...this.#followers]) listener();
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  /** Instances of the last list, by whether they are isolated; looked up anew when one of the two has changed. */
  get #parts(): Parts {
    const { quarantine } = this.#options;
    const { listed } = this.#roster;
    const { changes } = quarantine;
    if (this.#parted.listed !== listed || this.#parted.changes !== changes) {
      const free: Endpoint[] = [];
      const isolated: Endpoint[] = [];
      for (const endpoint of listed) (quarantine.has(endpoint.instance, endpoint.key) ? isolated : free).push(endpoint);
      this.#parted = { listed, changes, free, isolated, addresses: free.map(({ address }) => address) };
    }
    return this.#parted;
  }

  get #free(): readonly Endpoint[] {
    return this.#parts.free;
  }

  get #known(): Known {
    return { free: this.#free, roster: this.#roster, isNear: (endpoint) => this.#isNear(endpoint) };
  }

  #choiceFor(protocol: Protocol): Choice {
    const known = this.#choices.get(protocol);
    if (known !== undefined) return known;
    const free = this.#free;
    // The shares are those of all protocols.
    if (this.#choices.size === 0) this.#warm(free);
    const choice = this.#best(protocol, free);
    this.#choices.set(protocol, choice);
    this.#asked.add(protocol);
    return choice;
  }

  #best(protocol: Protocol, free: readonly Endpoint[]): Choice {
    for (const turns of tiersFor(protocol, this.#known)) {
      const [first] = turns;
      if (first === undefined) continue;
      seat(turns);
      return { turns, isPanic: !free.includes(first) };
    }
    return { turns: [], isPanic: false };
  }

  /** Leaves isolated and no longer listed instances, but for those that calls use because there are no others. */
  #closeUnneeded(): void {
    const { free, isolated } = this.#parts;
    const lacking = [...this.#asked].filter(
      (protocol) =>
        this.#roster.lastOf(protocol).length > 0 &&
        !free.some((endpoint) => endpoint.takes(protocol) && isProven(endpoint)),
    );
    const needed = new Set(lacking.flatMap((protocol) => this.#choiceFor(protocol).turns));
    for (const left of [isolated, this.#roster.departed])
      for (const endpoint of left) if (!needed.has(endpoint)) endpoint.close();
  }

  /** The best of the instances that this request has not tried. */
  #untried(tried: ReadonlySet<Endpoint>): readonly Endpoint[] {
    for (const tier of tiersFor('http', this.#known)) {
      const left = tier.filter((endpoint) => !tried.has(endpoint));
      if (left.length > 0) return left;
    }
    return [];
  }

  #speaksGrpcAlone(): LosslessError {
    const [first] = this.#roster.lastOf('grpc');
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
  #warm(counted: readonly Endpoint[]): void {
    const { clock, warmup } = this.#options;
    const now = clock.now();
    const uptimeOf = ({ warmingSince }: Endpoint): number => now - warmingSince;
    for (const endpoint of this.#roster.all) endpoint.share = Math.max(endpoint.instance.weight, 0) || 1;
    this.#step?.cancel();
    const isWarming = counted.some((endpoint) => uptimeOf(endpoint) < warmup.ms);
    if (!isWarming) return;
    for (const group of Map.groupBy(counted, (endpoint) => this.#isNear(endpoint)).values()) {
      const shares = warmupShares(group.map(uptimeOf), warmup);
      for (const [n, endpoint] of group.entries()) endpoint.share *= shares[n] ?? 1;
    }
    if (this.#closed) return;
    const step = Math.min(Math.max(warmup.ms / STEPS, SHORTEST_STEP_MS), LONGEST_STEP_MS);
    this.#step = clock.after(step, () => this.invalidate());
  }
}
