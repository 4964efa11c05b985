import type { Clock } from '../lifecycle/clock.ts';
import { sleep } from '../lifecycle/clock.ts';
import type { Instance, Registry } from '../registry/registry.ts';
import type { DeregisterResult } from '../trace/schema.ts';

/** Waits between read-backs, in milliseconds: registries answer for the list a little later than for the call. */
const READ_BACK_MS = [0, 20, 50, 100, 200, 400, 800];

/** What the registry said to a deregistration. */
export interface Deregistered {
  readonly result: DeregisterResult;
  /** Instances of the service listed afterwards; absent when they could not be read. */
  readonly listedAfter?: number;
  readonly error?: Error;
}

/** This instance's entry in the registry. */
export class Registration {
  readonly #registry: Registry;
  readonly #clock: Clock;
  #instance: Instance | undefined;
  #listed = false;
  #wasListed = false;
  #leaving = false;

  constructor(registry: Registry, clock: Clock) {
    this.#registry = registry;
    this.#clock = clock;
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
   * @throws LosslessError LOSSLESS_REGISTRY_UNAVAILABLE
   */
  async write(instance: Instance): Promise<void> {
    this.#instance = instance;
    this.#leaving = false;
    await this.#registry.register(instance);
  }

  /**
   * Reads the list back, for a while; of several registries each list. Where something else lists the instance, because it is
   * ready, nothing is read back.
   *
   * @returns whether it holds the entry, and how many instances it holds
   * @throws LosslessError LOSSLESS_REGISTRY_UNAVAILABLE
   */
  async confirm(): Promise<{ readonly listed: boolean; readonly count: number }> {
    const { reached, count } = await this.#readBack(
      this.#members.filter(({ capabilities }) => capabilities.registers !== false),
      (listed) => listed.some((entry) => this.#isThis(entry) && this.#isCurrent(entry)),
    );
    this.#listed = reached && !this.#leaving;
    this.#wasListed ||= this.#listed;
    return { listed: this.#listed, count };
  }

  /** Removes the entry, after a registration in flight, and reads the list back. Never rejects. */
  async deregister(): Promise<Deregistered> {
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
      const { reached, count } = await this.#readBack(
        this.#members,
        (listed) => !listed.some((entry) => this.#isThis(entry)),
      );
      return { result: reached ? 'confirmed' : 'unconfirmed', listedAfter: count };
    } catch (thrown) {
      return { result: 'unconfirmed', error: thrown as Error };
    }
  }

  /** Each has a list of its own, which some consumers see and others do not. */
  get #members(): readonly Registry[] {
    return this.#registry.members ?? [this.#registry];
  }

  /** @returns whether every list has reached that, and how many instances the longest holds */
  async #readBack(
    members: readonly Registry[],
    reached: (listed: readonly Instance[]) => boolean,
  ): Promise<{ readonly reached: boolean; readonly count: number }> {
    let count = 0;
    for (const ms of READ_BACK_MS) {
      if (ms > 0) await sleep(this.#clock, ms);
      const lists = await Promise.all(members.map((member) => member.instances(this.#instance?.service ?? '')));
      count = Math.max(0, ...lists.map((listed) => listed.length));
      if (lists.every(reached)) return { reached: true, count };
    }
    return { reached: false, count };
  }

  #isThis({ instanceId, generation, host, port }: Instance): boolean {
    const own = this.#instance;
    return generation === 0 ? host === own?.host && port === own.port : instanceId === own?.instanceId;
  }
  /** A list that lags may show the generation before an undone offline, which consumers have isolated. */
  #isCurrent({ generation }: Instance): boolean {
    return generation === 0 || generation === this.#instance?.generation;
  }
}
