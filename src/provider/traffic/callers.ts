import type { Clock } from '../../lifecycle/clock.ts';
import type { Caller } from '../../protocol/identity.ts';
import { type Ends, type OpenConnection, RecentCaller } from './recent-caller.ts';

/** How long a caller without an open connection stays "recent": longer than any registry lags (two minutes), with room. */
const RECENT_MS = 10 * 60_000;

/** Most callers remembered. Sermant's 500 overflowed in the field; an entry here is about 500 bytes. */
export const MOST_CALLERS = 10_000;

/**
 * Most callers remembered at one address that hold no connection and whose control server has not answered: a stranger can make
 * up any number of them.
 */
const MOST_UNPROVED = 256;

/** Most services in the status and in metrics. */
const MOST_NAMES = 100;

/**
 * The callers of the last ten minutes. A caller is recent while it has an open connection, and for ten minutes after its last one
 * closed. Bounded: when full, it forgets the caller that has been away longest and counts that for ten minutes, because this
 * caller may need a GoAway.
 */
export class Callers {
  readonly #clock: Clock;
  readonly #most: number;
  readonly #entries = new Map<string, RecentCaller>();
  /** By address, the number of callers that hold no connection and have not answered. */
  readonly #unproved = new Map<string, Set<string>>();
  #overflowed = 0;
  #overflowedAt = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, most: number = MOST_CALLERS) {
    this.#clock = clock;
    this.#most = most;
  }

  /** Callers that a full table forgot within ten minutes, or that were too many to tell. */
  get overflowed(): number {
    return this.#clock.now() - this.#overflowedAt < RECENT_MS ? this.#overflowed : 0;
  }

  /** Counts a caller that gets no GoAway. */
  overflow(): void {
    this.#overflowed = this.overflowed + 1;
    this.#overflowedAt = this.#clock.now();
  }

  /** The entry of `caller`, made if it is new, with one more open connection. */
  opened(caller: Caller, ends: Ends, connection: OpenConnection): { entry: RecentCaller; isNew: boolean } {
    const key = keyOf(caller, caller.host ?? ends.remoteAddress ?? '');
    let entry = this.#entries.get(key);
    const isNew = entry === undefined || entry.caller.generation !== caller.generation;
    if (entry === undefined) {
      if (this.#entries.size >= this.#most) this.#forgetOne();
      entry = new RecentCaller(caller, ends);
      this.#entries.set(key, entry);
    } else if (isNew) {
      entry.caller = caller;
      entry.telling = undefined;
      entry.reached = undefined;
      entry.protocols.clear();
    }
    entry.protocols.add(connection.protocol);
    this.#unproved.get(entry.address)?.delete(key);
    entry.connections.add(connection);
    return { entry, isNew };
  }

  /** One connection of `entry` is closed. */
  closed(entry: RecentCaller, connection: OpenConnection): void {
    entry.connections.delete(connection);
    entry.closedAt = this.#clock.now();
    if (entry.open === 0 && entry.reached !== true) this.#doubt(entry);
  }

  /** All callers to tell. Forgets those that are no longer recent. */
  recent(): readonly RecentCaller[] {
    const now = this.#clock.now();
    for (const [key, entry] of this.#entries)
      if (entry.open === 0 && now - entry.closedAt >= RECENT_MS) this.#forget(key, entry);
    return [...this.#entries.values()];
  }

  /** Number of recent callers, by service. Names come from outside: those beyond a hundred count as `other`. */
  byService(): Readonly<Record<string, number>> {
    const counts = new Map<string, number>();
    for (const { caller } of this.recent()) {
      const name = counts.has(caller.service) || counts.size < MOST_NAMES ? caller.service : 'other';
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    return Object.fromEntries(counts);
  }

  /** Resets what callers were told: an offline was undone. */
  reset(): void {
    for (const entry of this.#entries.values()) entry.telling = undefined;
  }

  /** Among unproved callers at one address, removes the oldest. */
  #doubt(entry: RecentCaller): void {
    const { address, caller } = entry;
    const keys = this.#unproved.get(address) ?? new Set();
    this.#unproved.set(address, keys);
    keys.add(keyOf(caller, address));
    for (const key of keys) {
      if (keys.size <= MOST_UNPROVED) break;
      const doubtful = this.#entries.get(key);
      keys.delete(key);
      if (doubtful === undefined || doubtful.reached === true) continue;
      this.#entries.delete(key);
      this.overflow();
    }
  }

  #forget(key: string, { address }: RecentCaller): void {
    this.#entries.delete(key);
    const keys = this.#unproved.get(address);
    keys?.delete(key);
    if (keys?.size === 0) this.#unproved.delete(address);
  }

  #forgetOne(): void {
    let oldest: [string, RecentCaller] | undefined;
    for (const candidate of this.#entries) {
      if (candidate[1].open > 0) continue;
      if (oldest === undefined || candidate[1].closedAt < oldest[1].closedAt) oldest = candidate;
    }
    const [key, entry] = oldest ?? (this.#entries.entries().next().value as [string, RecentCaller]);
    this.#forget(key, entry);
    if (entry.open > 0 || this.#clock.now() - entry.closedAt < RECENT_MS) this.overflow();
  }
}

function keyOf({ instanceId, port }: Caller, address: string): string {
  return `${instanceId} ${address} ${port}`;
}
