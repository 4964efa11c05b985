import type { Clock } from '../lifecycle/clock.ts';
import type { Caller } from '../protocol/identity.ts';

/** How long a caller without an open connection stays "recent": longer than any registry lags (two minutes), with room. */
const RECENT_MS = 10 * 60_000;

/** Most callers remembered. Sermant's 500 overflowed in the field; an entry here is about 300 bytes. */
export const MOST_CALLERS = 10_000;

/** Most services that are told apart in the status and in metrics. */
const MOST_NAMES = 100;

/** How one caller is told, in one offline, that this instance leaves. An undone offline goes on writing into its own. */
export class Telling {
  told: 'telling' | 'acked' | 'failed' | 'gone' | 'cancelled' = 'telling';
  /** Requests that were on their way when it acked, and may still arrive. */
  outstanding = 0;
}

/** One process that called this instance, with an address to notify. */
export class RecentCaller {
  /** Renewed when the process restarts under the same id. */
  caller: Caller;
  /** Where its control server is. */
  readonly address: string;
  /** Its connections that are open now. */
  open = 0;
  /** Monotonic time at which the last connection closed. */
  closedAt = 0;
  /** Undefined when it has been told nothing. */
  telling: Telling | undefined;

  constructor(caller: Caller, address: string) {
    this.caller = caller;
    this.address = address;
  }
}

/**
 * The callers of the last ten minutes. A caller is recent while it has an open connection, and for ten minutes after its
 * last one closed; so no clock is read per request. Bounded: when full, the caller that has been away longest is forgotten
 * and counted, because somebody who should be told then is not.
 */
export class Callers {
  readonly #clock: Clock;
  readonly #most: number;
  readonly #entries = new Map<string, RecentCaller>();
  #overflowed = 0;
  #unmanagedOpen = 0;
  #unmanagedAt = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, most: number = MOST_CALLERS) {
    this.#clock = clock;
    this.#most = most;
  }

  /** How many were forgotten because the table was full, or were not told because too many were. */
  get overflowed(): number {
    return this.#overflowed;
  }

  /** A caller that should be told is not. */
  overflow(): void {
    this.#overflowed++;
  }

  /** The entry of `caller`, made if it is new, with one more open connection. */
  opened(caller: Caller, remoteAddress: string): { entry: RecentCaller; isNew: boolean } {
    const address = caller.host ?? remoteAddress;
    const key = `${caller.instanceId} ${address} ${caller.port}`;
    let entry = this.#entries.get(key);
    const isNew = entry === undefined || entry.caller.generation !== caller.generation;
    if (entry === undefined) {
      if (this.#entries.size >= this.#most) this.#forgetOne();
      entry = new RecentCaller(caller, address);
      this.#entries.set(key, entry);
    } else if (isNew) {
      entry.caller = caller;
      entry.telling = undefined;
    }
    entry.open++;
    return { entry, isNew };
  }

  /** One connection of `entry` is closed. */
  closed(entry: RecentCaller): void {
    entry.open--;
    entry.closedAt = this.#clock.now();
  }

  /** A connection carried a request without a consumer header. */
  unmanagedOpened(): void {
    this.#unmanagedOpen++;
  }

  /** Such a connection is closed. */
  unmanagedClosed(): void {
    this.#unmanagedOpen--;
    this.#unmanagedAt = this.#clock.now();
  }

  /** A caller without the plugin was seen within the last ten minutes. */
  get unmanagedSeen(): boolean {
    return this.#unmanagedOpen > 0 || this.#clock.now() - this.#unmanagedAt < RECENT_MS;
  }

  /** Everybody to tell. Forgets those that are no longer recent. */
  recent(): readonly RecentCaller[] {
    const now = this.#clock.now();
    for (const [key, entry] of this.#entries)
      if (entry.open === 0 && now - entry.closedAt >= RECENT_MS) this.#entries.delete(key);
    return [...this.#entries.values()];
  }

  /** How many recent callers each service has. Names come from outside: those beyond a hundred are counted as `other`. */
  byService(): Readonly<Record<string, number>> {
    const counts = new Map<string, number>();
    for (const { caller } of this.recent()) {
      const name = counts.has(caller.service) || counts.size < MOST_NAMES ? caller.service : 'other';
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    return Object.fromEntries(counts);
  }

  /** Nobody has been told anything: an offline was undone. */
  reset(): void {
    for (const entry of this.#entries.values()) entry.telling = undefined;
  }

  #forgetOne(): void {
    let oldest: [string, RecentCaller] | undefined;
    for (const candidate of this.#entries) {
      if (candidate[1].open > 0) continue;
      if (oldest === undefined || candidate[1].closedAt < oldest[1].closedAt) oldest = candidate;
    }
    const [key, entry] = oldest ?? (this.#entries.entries().next().value as [string, RecentCaller]);
    this.#entries.delete(key);
    if (entry.open > 0 || this.#clock.now() - entry.closedAt < RECENT_MS) this.overflow();
  }
}
