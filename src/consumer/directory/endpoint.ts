import type { Guard } from '../../guard.ts';
import type { Clock } from '../../lifecycle/clock.ts';
import { hostPort } from '../../protocol/host-port.ts';
import { addressKey } from '../../registry/address.ts';
import { endpointOf, type Protocol } from '../../registry/endpoints.ts';
import type { Instance } from '../../registry/registry.ts';
import { Connections } from './connections.ts';
import { Prebuilt } from './prebuilt.ts';
import type { Rest } from './rest.ts';
import type { Turn } from './rotation.ts';

/** Most ids of one address: the workers of a cluster share an address. */
const MOST_IDS = 256;

/** One instance as this process sees it: where it is, its share of the traffic, and the connections to it. */
export class Endpoint implements Turn {
  /** Monotonic time from which its warm-up is measured. */
  readonly warmingSince: number;
  share = 0;
  credit = 0;
  isNew = true;
  /** Its rest after a failed connection; undefined: none has failed. */
  rest: Rest | undefined;
  /** It is leaving, and waits for this process, whose ack said that it has no other instance to call. */
  isKept = false;
  /** The raw value of the last draining marker. */
  marker: string | undefined;
  /** Target of HTTP calls. */
  target: { readonly host: string; readonly port: number } = { host: '', port: 0 };
  /** `target` as origins. */
  origins: { readonly http: string; readonly https: string } = { http: '', https: '' };
  /** `host:port` of its main port, IPv6 in brackets. */
  readonly address: string;
  /** The same, normalized. */
  readonly key: string;
  /** Ids under which the plugin has listed this address. */
  readonly #ids = new Set<string>();
  #instance: Instance;
  readonly #guard: Guard;
  readonly #open = new Set<Connections>();
  #current: Connections | undefined;
  #prebuilt: Prebuilt | undefined;

  constructor(instance: Instance, warmingSince: number, guard: Guard) {
    this.#guard = guard;
    this.#instance = instance;
    this.instance = instance;
    this.address = hostPort(instance);
    this.key = addressKey(instance);
    this.warmingSince = warmingSince;
  }

  /** The listed facts; the next list may have more of the same instance. */
  get instance(): Instance {
    return this.#instance;
  }

  set instance(instance: Instance) {
    this.#instance = instance;
    const { host, port } = instance;
    this.target = this.targetOf('http') ?? { host, port };
    const authority = hostPort(this.target);
    this.origins = { http: `http://${authority}`, https: `https://${authority}` };
  }

  /** Whether one of its ports has that address, in the form of `addressKey`. */
  isAt(key: string): boolean {
    const { host, port: main, endpoints = [] } = this.#instance;
    return key === this.key || endpoints.some(({ port }) => port !== main && addressKey({ host, port }) === key);
  }

  /** Target of calls of `protocol`; undefined when it takes none. */
  targetOf(protocol: Protocol): { readonly host: string; readonly port: number } | undefined {
    const found = endpointOf(this.#instance, protocol);
    return found && { host: this.#instance.host, port: found.port };
  }

  /** Whether it takes calls of that protocol. */
  takes(protocol: Protocol): boolean {
    return endpointOf(this.#instance, protocol) !== undefined;
  }

  /** Whether the plugin has listed this address under that id, which only the registered process is likely to know. */
  isKnownAs(instanceId: string): boolean {
    return this.#ids.has(instanceId);
  }

  /** Adds a further id of this address. */
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

  /** The connections for new requests; opened again when an isolated instance must be used. */
  get connections(): Connections {
    if (this.#current === undefined) {
      const connections = new Connections(this.#guard);
      this.#current = connections;
      this.#open.add(connections);
      void connections.idle.then(() => this.#open.delete(connections));
    }
    return this.#current;
  }

  /** A connection that is ready for the first request. */
  get prebuilt(): Prebuilt | undefined {
    return this.#prebuilt?.stands ? this.#prebuilt : undefined;
  }

  /**
   * Prepares a connection.
   *
   * @param service the name that a certificate must have
   * @throws Error when it is not ready within `withinMs` milliseconds
   */
  async prebuild(service: string, clock: Clock, withinMs: number): Promise<void> {
    const { host, port } = this.target;
    const isSecure = endpointOf(this.#instance, 'http')?.secure === true;
    this.#prebuilt?.close();
    this.#prebuilt = new Prebuilt({ host, port, ...(isSecure && { servername: service }) }, clock, this.#guard);
    await this.#prebuilt.open(withinMs);
  }

  /** Closes its connections; requests in progress end normally. */
  close(): void {
    this.#prebuilt?.close();
    const current = this.#current;
    this.#current = undefined;
    current?.close();
  }

  /** Resolves when the connections closed so far have ended; there may be new ones. */
  async closed(): Promise<void> {
    await Promise.all([...this.#open].map((connections) => connections.closed && connections.idle));
  }

  /** Resolves when no connection to it is left. */
  async idle(): Promise<void> {
    while (this.#open.size > 0) await Promise.all([...this.#open].map((connections) => connections.idle));
  }
}
