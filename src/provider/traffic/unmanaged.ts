import type { Clock } from '../../lifecycle/clock.ts';
import type { Connection } from './connection.ts';

/** How long a caller counts as recent after its last connection closed, in milliseconds: as long as one with the plugin. */
const RECENT_MS = 10 * 60_000;

/** Most addresses without a connection that are remembered. */
const MOST_ADDRESSES = 1_000;

/** What is known of one address. */
interface Sender {
  /** Monotonic time at which a connection of it last came or went. */
  at: number;
  /** Connections it has made. */
  arrivals: number;
  /** How many of them are open. */
  open: number;
}

/** Callers without the plugin, which nobody can tell: balancers, proxies, browsers, services of other makes. */
export class Unmanaged {
  readonly #clock: Clock;
  readonly #isSpokenFor: (address: string | undefined) => boolean;
  #open = 0;
  #closedAt = Number.NEGATIVE_INFINITY;
  /** Of each address, the one that has been away longest first. */
  readonly #senders = new Map<string | undefined, Sender>();
  /** Connections of those that were forgotten. */
  #forgotten = 0;
  #activeAt = Number.NEGATIVE_INFINITY;
  #cameAt = Number.NEGATIVE_INFINITY;
  /** Their requests since the process began. */
  requests = 0;
  /** Idle connections of theirs that the server has closed: a request may have been on its way. */
  idleClosed = 0;

  /** @param isSpokenFor whether it is seen otherwise when this address stays away: a balancer that checks, a proxy whose ports are watched */
  constructor(clock: Clock, isSpokenFor: (address: string | undefined) => boolean) {
    this.#clock = clock;
    this.#isSpokenFor = isSpokenFor;
  }

  /** Connections that have carried a request of theirs and are open. */
  get open(): number {
    return this.#open;
  }

  /** Those of them for whom nobody speaks. */
  get openOfOthers(): number {
    return this.#ofOthers(({ open }) => open);
  }

  /** How many connections there have been since the process began for whom nobody speaks. */
  get arrivals(): number {
    return this.#forgotten + this.#ofOthers(({ arrivals }) => arrivals);
  }

  /** One was there within the last ten minutes. */
  get seen(): boolean {
    return this.#open > 0 || this.#clock.now() - this.#closedAt < RECENT_MS;
  }

  /** Monotonic time at which a request of theirs last started or ended; kept only while the instance leaves. */
  get activeAt(): number {
    return this.#activeAt;
  }

  /**
   * Monotonic time at which one of them last came: with a request of HTTP/1.1, or with a new session of HTTP/2, on which the further
   * ones come anyway; kept only while the instance leaves.
   */
  get cameAt(): number {
    return this.#cameAt;
  }

  /** Whether calls have come from there within the last ten minutes, or come still. */
  hasSent(address: string): boolean {
    const sender = this.#senders.get(address);
    return sender !== undefined && (sender.open > 0 || this.#clock.now() - sender.at < RECENT_MS);
  }

  opened({ address }: Connection): void {
    const sender = this.#touched(address);
    sender.arrivals++;
    sender.open++;
    this.#open++;
  }

  /** A request has started or ended. @param hasCome its caller chose this instance for it */
  active(connection: Connection, now: number, hasCome: boolean): void {
    this.#activeAt = now;
    if (hasCome) this.#cameAt = now;
    connection.activeAt = now;
  }

  closed({ address }: Connection): void {
    this.#touched(address).open--;
    this.#open--;
    this.#closedAt = this.#clock.now();
  }

  #ofOthers(of: (sender: Sender) => number): number {
    let sum = 0;
    for (const [address, sender] of this.#senders) if (!this.#isSpokenFor(address)) sum += of(sender);
    return sum;
  }

  /** What is known of an address from which something has come or to which something goes. */
  #touched(address: string | undefined): Sender {
    const sender = this.#senders.get(address) ?? { at: 0, arrivals: 0, open: 0 };
    sender.at = this.#clock.now();
    this.#senders.delete(address);
    this.#senders.set(address, sender);
    if (this.#senders.size > MOST_ADDRESSES) this.#forgetOne();
    return sender;
  }

  /** The one that has been away longest. */
  #forgetOne(): void {
    for (const [address, { arrivals, open }] of this.#senders) {
      if (open > 0) continue;
      this.#forgotten += arrivals;
      this.#senders.delete(address);
      return;
    }
  }
}
