import type { Guard } from '../../guard.ts';
import type { Clock } from '../../lifecycle/clock.ts';
import { hostPort } from '../../protocol/host-port.ts';
import { addressKey } from '../../registry/address.ts';
import type { Instance } from '../../registry/registry.ts';
import { Connections } from './connections.ts';
import { Prebuilt } from './prebuilt.ts';
import type { Rest } from './rest.ts';
import type { Turn } from './rotation.ts';

/** Most ids of one address that are remembered: the workers of a cluster share theirs. */
const MOST_IDS = 256;

/** One instance as this process sees it: where it is, its share of the traffic, and the connections to it. */
export class Endpoint implements Turn {
  /** Monotonic time from which its warm-up is measured. */
  readonly warmingSince: number;
  instance: Instance;
  share = 0;
  credit: number;
  /** How it is spared since it could not be connected to; undefined: that never happened. */
  rest: Rest | undefined;
  /** The draining marker last seen, as it came. */
  marker: string | undefined;
  /** Where to connect. */
  readonly target: { readonly host: string; readonly port: number };
  /** `host:port`, IPv6 in brackets. */
  readonly address: string;
  /** The same in one spelling. */
  readonly key: string;
  /** Ids under which the plugin has listed this address. */
  readonly #ids = new Set<string>();
  /** `address` as origins. */
  readonly origins: { readonly http: string; readonly https: string };
  readonly #guard: Guard;
  readonly #open = new Set<Connections>();
  #current: Connections | undefined;
  #prebuilt: Prebuilt | undefined;

  constructor(instance: Instance, warmingSince: number, guard: Guard) {
    this.#guard = guard;
    this.instance = instance;
    const { host, port, weight } = instance;
    // Less than one turn: with more it would take several before the others have theirs.
    this.credit = Math.random() * weight;
    this.target = { host, port };
    this.address = hostPort(instance);
    this.key = addressKey(instance);
    this.origins = { http: `http://${this.address}`, https: `https://${this.address}` };
    this.warmingSince = warmingSince;
  }

  /** Whether the plugin has listed this address under that id: only who registered there is likely to know it. */
  isKnownAs(instanceId: string): boolean {
    return this.#ids.has(instanceId);
  }

  /** This address is listed so too. */
  knowAs({ instanceId, generation }: Instance): void {
    if (generation === 0) return;
    if (this.#ids.size >= MOST_IDS) this.#ids.clear();
    this.#ids.add(instanceId);
  }

  /** Requests to it that are not finished. */
  get outstanding(): number {
    let sum = 0;
    for (const connections of this.#open) sum += connections.outstanding;
    return sum;
  }

  /** The connections that new requests use; opened again when an isolated instance must be used after all. */
  get connections(): Connections {
    if (this.#current === undefined) {
      const connections = new Connections(this.#guard);
      this.#current = connections;
      this.#open.add(connections);
      void connections.idle.then(() => this.#open.delete(connections));
    }
    return this.#current;
  }

  /** A connection that stands ready for the first request. */
  get prebuilt(): Prebuilt | undefined {
    return this.#prebuilt?.stands ? this.#prebuilt : undefined;
  }

  /**
   * Builds a connection ahead.
   *
   * @param service what a certificate must be for
   * @throws Error when it does not stand within `withinMs` milliseconds
   */
  async prebuild(service: string, clock: Clock, withinMs: number): Promise<void> {
    const { host, port } = this.target;
    const isSecure = this.instance.scheme === 'https';
    this.#prebuilt?.close();
    this.#prebuilt = new Prebuilt({ host, port, ...(isSecure && { servername: service }) }, clock, this.#guard);
    await this.#prebuilt.open(withinMs);
  }

  /** Closes its connections; what is in progress ends normally. */
  close(): void {
    this.#prebuilt?.close();
    const current = this.#current;
    this.#current = undefined;
    current?.close();
  }

  /** Resolves when no connection that was closed until now is left; there may be new ones. */
  async closed(): Promise<void> {
    await Promise.all([...this.#open].map((connections) => connections.closed && connections.idle));
  }

  /** Resolves when no connection to it is left. */
  async idle(): Promise<void> {
    while (this.#open.size > 0) await Promise.all([...this.#open].map((connections) => connections.idle));
  }
}
