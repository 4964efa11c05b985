import { Backoff } from '../../lifecycle/backoff.ts';
import { type Clock, sleep } from '../../lifecycle/clock.ts';
import type { DeregisterResult } from '../../lifecycle/outcomes.ts';
import { addressKey, hostOf } from '../../registry/address.ts';
import type { Instance, Registry } from '../../registry/registry.ts';

/** Waits between read-backs, 1.2 to 1.5 s in all: registries answer for the list a little later than for the call. */
const WAITS = { initialMs: 20, factor: 2.1, capMs: 800 };
const MOST_READ_BACKS = 7;

/** What the registry said to a deregistration. */
export interface Deregistered {
  readonly result: DeregisterResult;
  /** Instances of the service listed afterwards; absent when they could not be read. */
  readonly listedAfter?: number;
  /**
   * Ids of entries of others with this address: of the application's own code, say, or of a process that was killed. Absent
   * when living processes share the address: it goes on being right.
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

  /** The entry as it was written last. */
  get instance(): Instance | undefined {
    return this.#instance;
  }

  /** The registry has confirmed the entry and it was not removed since. */
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
   * @throws LosslessError LOSSLESS_REGISTRY_UNAVAILABLE, Error when its host is none at which others can reach it
   */
  async write(instance: Instance): Promise<void> {
    const own = { ...instance, host: hostOf(instance.host) };
    this.#instance = own;
    this.#leaving = false;
    await this.#registry.register(own);
  }

  /**
   * Reads the list back, for a while; of several registries each list. Where something else lists the instance, because it is
   * ready, nothing is read back. Older entries of the plugin at this address are removed: whoever wrote them has ended, unless
   * this process is not alone there.
   *
   * @param signal ends the reading
   * @returns whether it holds the entry, and how many instances it holds
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
   * Removes the entry, after a registration in flight, and reads the list back. Entries of others with the same address are
   * not waited for: who wrote them removes them. Never rejects.
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

  /** Each has a list of its own, which some consumers see and others do not. */
  get #members(): readonly Registry[] {
    return this.#registry.members ?? [this.#registry];
  }

  /** @returns whether every list has reached that, how many instances the longest holds, and the lists */
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

  /** Where nothing is registered by this package, an entry is this instance's when its address is. */
  #isThis(member: Registry, entry: Instance): boolean {
    const own = this.#instance;
    if (own === undefined) return false;
    if (entry.generation > 0) return entry.instanceId === own.instanceId;
    return member.capabilities.registers === false && addressKey(entry) === addressKey(own);
  }

  /** Older entries at this address, which others have written; a newer one is of a process that is there now. */
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

/** What one registry lists. */
interface List {
  readonly member: Registry;
  readonly listed: readonly Instance[];
}
