import type { Guard } from '../../guard.ts';
import type { Clock, Timer } from '../../lifecycle/clock.ts';
import type { CallContext } from '../call/call-context.ts';
import { CONNECT_MS } from '../call/connect-time.ts';
import type { Endpoint } from '../directory/endpoint.ts';
import type { Service } from '../directory/service.ts';
import type { Channel, Failure, Leaf, Outcome, Parts, Picker, Place, Subchannel } from './parts.ts';
import { listedAt, POLICY } from './resolver.ts';

/** What the guard calls this. */
const HOOK = 'a load-balancing policy of grpc-js';

/** Registers the policy at one copy of grpc-js. */
export function registerPolicy(parts: Parts, context: CallContext): void {
  class Config {
    static createFromJson(): Config {
      return new Config();
    }
    getLoadBalancerName(): string {
      return POLICY;
    }
    toJsonObject(): object {
      return { [POLICY]: {} };
    }
  }
  class Registered extends Policy {
    constructor(channel: Channel, ...more: readonly unknown[]) {
      super(parts, context, channel, more);
    }
  }
  parts.experimental.registerLoadBalancerType(POLICY, Registered, Config);
}

/**
 * A load-balancing policy of grpc-js that keeps a connection to each usable instance, and asks the service which of the connected
 * ones is next. So weights, zones, warm-up and isolation are the same as for every other call.
 */
class Policy {
  readonly #parts: Parts;
  readonly #clock: Clock;
  readonly #guard: Guard;
  readonly #channel: Channel;
  /** Further arguments of a leaf: stored here up to 1.12, part of each list since. */
  readonly #more: readonly unknown[];
  readonly #leaves = new Map<Endpoint, Leaf>();
  #service: Service | undefined;
  #isPaused = false;

  constructor(parts: Parts, { clock, guard }: CallContext, channel: Channel, more: readonly unknown[]) {
    this.#parts = parts;
    this.#clock = clock;
    this.#guard = guard;
    this.#channel = channel;
    this.#more = more;
  }

  updateAddressList(
    told: readonly Place[] | Outcome<readonly Place[]>,
    _config: unknown,
    ...more: readonly unknown[]
  ): boolean {
    const outcome = isList(told) ? { ok: true as const, value: told } : told;
    if (outcome.ok) this.#guard.attempt(HOOK, () => this.#take(outcome.value, more), nothing);
    else if (this.#leaves.size === 0) this.#fail(outcome.error);
    return true;
  }

  exitIdle(): void {
    for (const leaf of this.#leaves.values()) leaf.exitIdle();
  }

  resetBackoff(): void {}

  destroy(): void {
    this.#isPaused = true;
    for (const leaf of this.#leaves.values()) leaf.destroy();
    this.#leaves.clear();
  }

  getTypeName(): string {
    return POLICY;
  }

  #take(places: readonly Place[], more: readonly unknown[]): void {
    const left = new Map(this.#leaves);
    const added: Leaf[] = [];
    for (const place of places) {
      const listed = listedAt(place);
      if (listed === undefined) continue;
      const { service, endpoint } = listed;
      this.#service = service;
      if (left.delete(endpoint) || this.#leaves.has(endpoint)) continue;
      const leaf = this.#leaf(service, endpoint, place, this.#more.length > 0 ? this.#more : more);
      this.#leaves.set(endpoint, leaf);
      added.push(leaf);
    }
    for (const endpoint of left.keys()) this.#leaves.delete(endpoint);
    this.#isPaused = true;
    for (const leaf of added) leaf.startConnecting();
    this.#isPaused = false;
    // First no call goes to instances that have left, then their connections close.
    this.#update();
    for (const leaf of left.values()) leaf.destroy();
  }

  #leaf(service: Service, endpoint: Endpoint, place: Place, more: readonly unknown[]): Leaf {
    const { experimental, states } = this.#parts;
    const channel = this.#channel;
    let slow: Timer | undefined;
    const changed = this.#guard.listener(HOOK, (state: number) => {
      slow?.cancel();
      if (state === states.CONNECTING)
        slow = this.#clock.after(CONNECT_MS, () => {
          if (this.#leaves.get(endpoint) === leaf) service.rest(endpoint);
        });
      // Calls wait for another choice before they fail.
      if (state !== states.TRANSIENT_FAILURE) this.#update();
    });
    /** Later, because the choice may then be different and leave this leaf out. */
    const settled = this.#guard.listener(HOOK, (state: number) => {
      if (state === states.READY) service.reached(endpoint);
      if (state !== states.TRANSIENT_FAILURE) return;
      service.rest(endpoint);
      this.#update();
    });
    const resetBackoff = this.#guard.listener(HOOK, (subchannel: Subchannel) =>
      subchannel.getRealSubchannel().resetBackoff(),
    );
    let isFirst = true;
    const own = experimental.createChildChannelControlHelper(channel, {
      // A new life of an instance at the same address does not inherit the back-off of the former one.
      createSubchannel: (...parts) => {
        const subchannel = channel.createSubchannel(...parts);
        if (isFirst) resetBackoff(subchannel);
        isFirst = false;
        return subchannel;
      },
      updateState: (state) => {
        changed(state);
        queueMicrotask(() => settled(state));
      },
    });
    const leaf = new experimental.LeafLoadBalancer(place, own, ...more);
    return leaf;
  }

  #update(): void {
    if (this.#isPaused) return;
    const { experimental, states, UNAVAILABLE, Metadata } = this.#parts;
    const all = [...this.#leaves.values()].map((leaf) => leaf.getConnectivityState());
    if (all.includes(states.READY)) this.#channel.updateState(states.READY, this.#picker(), null);
    else if (all.some((state) => state !== states.TRANSIENT_FAILURE))
      this.#channel.updateState(states.CONNECTING, new experimental.QueuePicker(this), null);
    else {
      const details = `no instance of ${this.#service?.name ?? 'the service'} can be connected to`;
      this.#fail({ code: UNAVAILABLE, details, metadata: new Metadata() });
    }
    for (const leaf of this.#leaves.values()) if (leaf.getConnectivityState() === states.IDLE) leaf.exitIdle();
  }

  #fail(failure: Failure): void {
    const { experimental, states } = this.#parts;
    const picker = new experimental.UnavailablePicker(failure);
    this.#channel.updateState(states.TRANSIENT_FAILURE, picker, failure.details);
  }

  /** Picks among the leaves that are connected now; the channel gets another picker when one disconnects. */
  #picker(): Picker {
    const { experimental, states } = this.#parts;
    const ready = new Map<Endpoint, Picker>();
    for (const [endpoint, leaf] of this.#leaves)
      if (leaf.getConnectivityState() === states.READY) ready.set(endpoint, leaf.getPicker());
    const queue = new experimental.QueuePicker(this);
    const isReady = (endpoint: Endpoint): boolean => ready.has(endpoint);
    const turn = (): Picker | undefined => {
      const endpoint = this.#service?.pickAmong('grpc', isReady);
      return endpoint && ready.get(endpoint);
    };
    return { pick: (call) => (this.#guard.attempt(HOOK, turn, nothing) ?? queue).pick(call) };
  }
}

function isList(told: readonly Place[] | Outcome<readonly Place[]>): told is readonly Place[] {
  return Array.isArray(told);
}

function nothing(): undefined {}
