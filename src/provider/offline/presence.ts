import type { Clock } from '../../lifecycle/clock.ts';
import { plainAddress } from '../../protocol/host-port.ts';
import type { Instance, Registry } from '../../registry/registry.ts';
import type { RecentCaller } from '../traffic/recent-caller.ts';

/** How long one read of a list is reused for all callers of that service, in milliseconds. */
const FRESH_MS = 500;

/** The registry's answer about a caller: it is listed; only others of its service are; or no instance of that service is. */
export type Presence = 'listed' | 'others' | 'nobody';

/** Asks the registry whether callers are still listed. */
export class Presences {
  readonly #registry: Registry;
  readonly #clock: Clock;
  readonly #lists = new Map<string, { readonly at: number; readonly list: Promise<readonly Instance[]> }>();

  constructor(registry: Registry, clock: Clock) {
    this.#registry = registry;
    this.#clock = clock;
  }

  /**
   * An entry of others (generation 0) is recognized only by its host.
   *
   * @throws LosslessError LOSSLESS_REGISTRY_UNAVAILABLE
   */
  async of({ caller, address }: Pick<RecentCaller, 'caller' | 'address'>): Promise<Presence> {
    const host = plainAddress(address);
    const isThis = (instance: Instance): boolean =>
      instance.generation === 0 ? instance.host === host : instance.instanceId === caller.instanceId;
    const listed = await this.#listOf(caller.service);
    if (listed.length === 0) return 'nobody';
    return listed.some(isThis) ? 'listed' : 'others';
  }

  #listOf(service: string): Promise<readonly Instance[]> {
    const now = this.#clock.now();
    const known = this.#lists.get(service);
    if (known !== undefined && now - known.at < FRESH_MS) return known.list;
    const list = this.#registry.instances(service);
    this.#lists.set(service, { at: now, list });
    return list;
  }
}
