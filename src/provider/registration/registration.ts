import { Backoff } from '../../lifecycle/backoff.ts';
import { type Clock, sleep } from '../../lifecycle/clock.ts';
import type { DeregisterResult } from '../../lifecycle/outcomes.ts';
import { addressKey, hostOf } from '../../registry/address.ts';
import type { Instance, Registry } from '../../registry/registry.ts';

/** Waits between reads of the list, 1.2 to 1.5 s in all: registries update the list a little after the call. */
const WAITS = { initialMs: 20, factor: 2.1, capMs: 800 };
const MOST_READ_BACKS = 7;

/** How the registry answered a deregistration. */
export interface Deregistered {
  readonly result: DeregisterResult;
  /** Instances of the service listed afterwards; absent when they could not be read. */
  readonly listedAfter?: number;
  /**
   * Ids of entries of others at this address: of the application's own code, for example, or of a killed process. Absent when
   * living processes share the address, because it stays valid.
   */
  readonly others?: readonly string[];
  readonly error?: Error;
}

/** This instance's entry in the registry. */
export class Registration {
  readonly #registry: Registry;
  readonly #clock: Clock;
  readonly #isAlone: () => Promise<boolean>;
  #instance: Instance | undefined;
  #listed = false;
  #wasListed = false;
  #leaving = false;

  /** @param isAlone whether no other living process listens at this address */
  constructor(registry: Registry, clock: Clock, isAlone: () => Promise<boolean> = async () => true) {
    this.#registry = registry;
    this.#clock = clock;
    this.#isAlone = isAlone;
  }

  /** The entry, as last written. */
  get instance(): Instance | undefined {
    return this.#instance;
  }

  /** The registry has confirmed the entry, and it was not removed since. */
  get listed(): boolean {
    return this.#listed;
  }

  /** The registry has confirmed an entry of this process at least once. */
  get wasListed(): boolean {
    return this.#wasListed;
  }

  /**
   * Writes the entry.
   *
   * @throws LosslessError LOSSLESS_REGISTRY_UNAVAILABLE, Error when others cannot reach an instance at its host
   */
  async write(instance: Instance): Promise<void> {
    const own = { ...instance, host: hostOf(instance.host) };
    this.#instance = own;
    this.#leaving = false;
    await this.#registry.register(own);
  }

  /**
   * Polls until the entry is visible; with several registries, in each. Where the platform lists the instance because it is
   * ready, it reads nothing. It removes older entries of the plugin at this address, whose processes have exited, unless another
   * process listens there too.
   *
   * @param signal ends the reading
   * @returns whether the list has the entry, and its number of instances
   * @throws LosslessError LOSSLESS_REGISTRY_UNAVAILABLE
   */
  async confirm(signal?: AbortSignal): Promise<{ readonly listed: boolean; readonly count: number }> {
    const { reached, count, lists } = await this.#readBack(
      this.#members.filter(({ capabilities }) => capabilities.registers !== false),
      (member, listed) => listed.some((entry) => this.#isThis(member, entry) && this.#isCurrent(entry)),
      signal,
    );
    this.#listed = reached && !this.#leaving;
    this.#wasListed ||= this.#listed;
    if (this.#listed) void this.#removeOlder(lists);
    return { listed: this.#listed, count };
  }

  /**
   * Removes the entry, after a registration in flight, and reads the list back. It does not wait for entries of others at the
   * same address: their writers remove them. Never rejects.
   *
   * @param signal ends the reading, not the removal
   */
  async deregister(signal?: AbortSignal): Promise<Deregistered> {
    const instance = this.#instance;
    if (instance === undefined) return { result: 'none' };
    this.#leaving = true;
    this.#listed = false;
    try {
      await this.#registry.deregister(instance);
    } catch (thrown) {
      return { result: 'failed', error: thrown as Error };
    }
    try {
      const { reached, count, lists } = await this.#readBack(
        this.#members,
        (member, listed) => !listed.some((entry) => this.#isThis(member, entry)),
        signal,
      );
      const others = lists.flatMap(({ member, listed }) => this.#othersIn(member, listed));
      return {
        result: reached ? 'confirmed' : 'unconfirmed',
        listedAfter: count,
        ...(others.length > 0 &&
          (await this.#isAlone()) && { others: [...new Set(others.map(({ instanceId }) => instanceId))] }),
      };
    } catch (thrown) {
      return { result: 'unconfirmed', error: thrown as Error };
    }
  }

  async #removeOlder(lists: readonly List[]): Promise<void> {
    for (const { member, listed } of lists)
      for (const entry of this.#othersIn(member, listed))
        if (entry.generation > 0 && (await this.#isAlone())) await member.deregister(entry).catch(() => {});
  }

  /** Each registry has a list of its own, which only some consumers see. */
  get #members(): readonly Registry[] {
    return this.#registry.members ?? [this.#registry];
  }

  /** @returns whether every list fulfils the condition, the length of the longest one, and the lists */
  async #readBack(
    members: readonly Registry[],
    reached: (member: Registry, listed: readonly Instance[]) => boolean,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly reached: boolean; readonly count: number; readonly lists: readonly List[] }> {
    const backoff = new Backoff(WAITS);
    let count = 0;
    for (let left = MOST_READ_BACKS; ; left--) {
      const lists = await Promise.all(
        members.map(async (member) => ({ member, listed: await member.instances(this.#instance?.service ?? '') })),
      );
      count = Math.max(0, ...lists.map(({ listed }) => listed.length));
      if (lists.every(({ member, listed }) => reached(member, listed))) return { reached: true, count, lists };
      if (left > 1) await sleep(this.#clock, backoff.next(), signal);
      if (left <= 1 || signal?.aborted) return { reached: false, count, lists };
    }
  }

  /** Where the plugin writes nothing, an entry belongs to this instance when its address does. */
  #isThis(member: Registry, entry: Instance): boolean {
    const own = this.#instance;
    if (own === undefined) return false;
    if (entry.generation > 0) return entry.instanceId === own.instanceId;
    return member.capabilities.registers === false && addressKey(entry) === addressKey(own);
  }

  /** Older entries of others at this address; a newer one belongs to a process that runs now. */
  #othersIn(member: Registry, listed: readonly Instance[]): readonly Instance[] {
    const own = this.#instance;
    if (own === undefined) return [];
    return listed.filter(
      (entry) =>
        !this.#isThis(member, entry) && entry.generation < own.generation && addressKey(entry) === addressKey(own),
    );
  }

  /** A list that lags may show the generation before an undone offline, which consumers have isolated. */
  #isCurrent({ generation }: Instance): boolean {
    return generation === 0 || generation === this.#instance?.generation;
  }
}

/** The list of one registry. */
interface List {
  readonly member: Registry;
  readonly listed: readonly Instance[];
}
