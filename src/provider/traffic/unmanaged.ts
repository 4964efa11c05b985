import type { Clock } from '../../lifecycle/clock.ts';
import type { Connection } from './connection.ts';

/** How long a caller counts as recent after its last connection closed, in milliseconds: as long as one with the plugin. */
const RECENT_MS = 10 * 60_000;

/** Most addresses that are remembered to have sent something. */
const MOST_ADDRESSES = 1_000;

/** What is known of one address. */
interface Sender {
  /** Monotonic time at which a connection of it last came or went. */
  readonly at: number;
  /** Connections it has made. */
  readonly arrivals: number;
}

/** Callers without the plugin, which nobody can tell: balancers, proxies, browsers, services of other makes. */
export class Unmanaged {
  readonly #clock: Clock;
  readonly #isBalancers: (address: string | undefined) => boolean;
  readonly #open = new Set<Connection>();
  #closedAt = Number.NEGATIVE_INFINITY;
  /** Of each address, the one that has been away longest first. */
  readonly #senders = new Map<string | undefined, Sender>();
  /** Connections of those that were forgotten. */
  #forgotten = 0;
  #activeAt = Number.NEGATIVE_INFINITY;
  /** Their requests since the process began. */
  requests = 0;
  /** Idle connections of theirs that the server has closed: a request may have been on its way. */
  idleClosed = 0;

  /** @param isBalancers whether somebody at this address checks the health of this instance */
  constructor(clock: Clock, isBalancers: (address: string | undefined) => boolean) {
    this.#clock = clock;
    this.#isBalancers = isBalancers;
  }

  /** Connections that have carried a request of theirs and are open. */
  get open(): ReadonlySet<Connection> {
    return this.#open;
  }

  /** How many connections there have been since the process began that no balancer has made. */
  get arrivals(): number {
    let sum = this.#forgotten;
    for (const [address, { arrivals }] of this.#senders) if (!this.#isBalancers(address)) sum += arrivals;
    return sum;
  }

  /** One was there within the last ten minutes. */
  get seen(): boolean {
    return this.#open.size > 0 || this.#clock.now() - this.#closedAt < RECENT_MS;
  }

  /** Monotonic time at which a request of theirs last started or ended; kept only while the instance leaves. */
  get activeAt(): number {
    return this.#activeAt;
  }

  /** Whether calls have come from there within the last ten minutes, or come still. */
  hasSent(address: string): boolean {
    const sender = this.#senders.get(address);
    if (sender !== undefined && this.#clock.now() - sender.at < RECENT_MS) return true;
    return [...this.#open].some((connection) => connection.address === address);
  }

  opened(connection: Connection): void {
    this.#remember(connection, 1);
    this.#open.add(connection);
  }

  active(connection: Connection, now: number): void {
    this.#activeAt = now;
    connection.activeAt = now;
  }

  closed(connection: Connection): void {
    this.#open.delete(connection);
    this.#remember(connection, 0);
    this.#closedAt = this.#clock.now();
  }

  #remember({ address }: Connection, more: number): void {
    const arrivals = (this.#senders.get(address)?.arrivals ?? 0) + more;
    this.#senders.delete(address);
    this.#senders.set(address, { at: this.#clock.now(), arrivals });
    if (this.#senders.size <= MOST_ADDRESSES) return;
    const [oldest] = this.#senders.keys();
    this.#forgotten += this.#senders.get(oldest)?.arrivals ?? 0;
    this.#senders.delete(oldest);
  }
}
