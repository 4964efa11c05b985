import type { Clock } from '../../lifecycle/clock.ts';
import type { Connection } from './connection.ts';

/** How long a caller counts as recent after its last connection closed, in milliseconds: as long as one with the plugin. */
const RECENT_MS = 10 * 60_000;

/** Most addresses without a connection that are remembered. */
const MOST_ADDRESSES = 1_000;

/** Facts about one address. */
interface Sender {
  /** Monotonic time at which a connection of it last came or went. */
  at: number;
  /** Connections from it so far. */
  arrivals: number;
  /** Open connections from it. */
  open: number;
}

/** Callers without the plugin, which get no GoAway: balancers, proxies, browsers, other services. */
export class Unmanaged {
  readonly #clock: Clock;
  readonly #isSpokenFor: (address: string | undefined) => boolean;
  #open = 0;
  #closedAt = Number.NEGATIVE_INFINITY;
  /** By address, the one that has been away longest first. */
  readonly #senders = new Map<string | undefined, Sender>();
  /** Connections of forgotten addresses. */
  #forgotten = 0;
  #activeAt = Number.NEGATIVE_INFINITY;
  #cameAt = Number.NEGATIVE_INFINITY;
  /** Their requests since the process began. */
  requests = 0;
  /** Idle connections that the server has closed, perhaps with a request on its way. */
  idleClosed = 0;

  /**
   * @param isSpokenFor whether another signal shows when this address stays away: checks of a balancer, watched ports of a proxy
   */
  constructor(clock: Clock, isSpokenFor: (address: string | undefined) => boolean) {
    this.#clock = clock;
    this.#isSpokenFor = isSpokenFor;
  }

  /** Connections that have carried a request of theirs and are open. */
  get open(): number {
    return this.#open;
  }

  /** Those without another signal. */
  get openOfOthers(): number {
    return this.#ofOthers(({ open }) => open);
  }

  /** Connections without another signal since the process began. */
  get arrivals(): number {
    return this.#forgotten + this.#ofOthers(({ arrivals }) => arrivals);
  }

  /** A caller was connected within the last ten minutes. */
  get seen(): boolean {
    return this.#open > 0 || this.#clock.now() - this.#closedAt < RECENT_MS;
  }

  /** Monotonic time at which a request of theirs last started or ended; kept only while the instance leaves. */
  get activeAt(): number {
    return this.#activeAt;
  }

  /**
   * Monotonic time of the last arrival: a request of HTTP/1.1, or a new session of HTTP/2 (later streams on it are no new
   * arrivals); kept only while the instance leaves.
   */
  get cameAt(): number {
    return this.#cameAt;
  }

  /** Whether calls have come from there within the last ten minutes, or a connection is open. */
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

  /** A request has started or ended. @param hasCome whether its caller chose this instance for it */
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

  /** The facts about an address of a request or a connection. */
  #touched(address: string | undefined): Sender {
    const sender = this.#senders.get(address) ?? { at: 0, arrivals: 0, open: 0 };
    sender.at = this.#clock.now();
    this.#senders.delete(address);
    this.#senders.set(address, sender);
    if (this.#senders.size > MOST_ADDRESSES) this.#forgetOne();
    return sender;
  }

  /** The address that has been away longest. */
  #forgetOne(): void {
    for (const [address, { arrivals, open }] of this.#senders) {
      if (open > 0) continue;
      this.#forgotten += arrivals;
      this.#senders.delete(address);
      return;
    }
  }
}
