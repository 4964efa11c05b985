import type { Clock } from '../../lifecycle/clock.ts';
import type { Connection } from './connection.ts';

/** How long a caller counts as recent after its last connection closed, in milliseconds: as long as one with the plugin. */
const RECENT_MS = 10 * 60_000;

/** Callers without the plugin, which nobody can tell: balancers, proxies, browsers, services of other makes. */
export class Unmanaged {
  readonly #clock: Clock;
  readonly #isBalancers: (address: string | undefined) => boolean;
  readonly #open = new Set<Connection>();
  #closedAt = Number.NEGATIVE_INFINITY;
  #arrivals = 0;
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
    return this.#arrivals;
  }

  /** One was there within the last ten minutes. */
  get seen(): boolean {
    return this.#open.size > 0 || this.#clock.now() - this.#closedAt < RECENT_MS;
  }

  /** Monotonic time at which a request of theirs last started or ended; kept only while the instance leaves. */
  get activeAt(): number {
    return this.#activeAt;
  }

  opened(connection: Connection): void {
    this.#open.add(connection);
    if (!this.#isBalancers(connection.address)) this.#arrivals++;
  }

  active(connection: Connection, now: number): void {
    this.#activeAt = now;
    connection.activeAt = now;
  }

  closed(connection: Connection): void {
    this.#open.delete(connection);
    this.#closedAt = this.#clock.now();
  }
}
