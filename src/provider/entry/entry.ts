import type { Clock } from '../../lifecycle/clock.ts';
import type { Unmanaged } from '../traffic/unmanaged.ts';
import type { EntryPorts } from './entry-ports.ts';
import type { Probers } from './probers.ts';

/** One in a thousand drains ends too early when callers come at random and it waits for this many of their mean pauses (e^-7). */
const PAUSES = 7;

/** How the wait for callers that nobody can tell ended, or what it waits for. */
export type EntryEnd = 'nobody' | 'told' | 'quiet' | 'ports_empty' | 'not_told' | 'coming' | 'connected';

export interface EntryOptions {
  readonly clock: Clock;
  readonly unmanaged: Unmanaged;
  readonly probers: Probers;
  /** Monotonic time at which the offline began. */
  readonly since: number;
  /** Longest wait, in milliseconds. */
  readonly longestMs: number;
  readonly quietMs: number;
  /** New connections a second in the minute before, of callers that no prober speaks for; undefined: too few to know. */
  readonly arrivalsPerSecond: number | undefined;
  /** Connections that a proxy beside the application has open; undefined: no ports of one are watched. */
  readonly ports: EntryPorts | undefined;
  /** How long a balancer whose checks are not seen takes to take an instance out, in milliseconds. */
  readonly checkMs: number;
}

/** Until when an instance goes on serving for callers that nobody can tell. */
export interface Waiting {
  /** Monotonic time, as far as is known now. */
  readonly until: number;
  readonly end: EntryEnd;
}

/**
 * How long callers without the plugin have to be waited for: by what is known, not for a fixed time.
 *
 * Balancers that check this instance know that it leaves when enough of their checks have failed, or when they have stopped. What
 * they send ends with that. Others come by a list that nobody sees: when their connections came at `c` a second, and none has come
 * for 7 / c seconds, the list has changed. A connection of theirs that is open and idle is ended by its next answer or by its
 * time-out; a proxy beside the application by having no connection left. None of this is waited for longer than the hold time.
 */
export class Entry {
  readonly #options: EntryOptions;
  /** Monotonic time at which a watched port was last seen with a connection. */
  #connectedAt: number;

  constructor(options: EntryOptions) {
    this.#options = options;
    this.#connectedAt = options.since;
  }

  /** Monotonic time at which the longest wait is over. */
  get bound(): number {
    return this.#options.since + this.#options.longestMs;
  }

  /** Watches no port any more. */
  end(): void {
    this.#options.ports?.stop();
  }

  look(): Waiting {
    const waits = [this.#told(), this.#quiet(), this.#portsEmpty()].filter((wait) => wait !== undefined);
    const [longest = { until: Number.NEGATIVE_INFINITY, end: 'nobody' as const }] = waits.toSorted(
      (a, b) => b.until - a.until,
    );
    return { end: longest.end, until: Math.min(longest.until, this.bound) };
  }

  /** Those that a balancer sends. */
  #told(): Waiting | undefined {
    const { ports, probers, quietMs, since, unmanaged } = this.#options;
    if (probers.count === 0 || !(unmanaged.seen || ports)) return undefined;
    const { toldAt } = probers;
    if (toldAt === undefined) return { until: Number.POSITIVE_INFINITY, end: 'not_told' };
    return { until: Math.max(since, toldAt, unmanaged.activeAt) + quietMs, end: 'told' };
  }

  /** Those that come by a list or a name. */
  #quiet(): Waiting | undefined {
    const { arrivalsPerSecond, longestMs, quietMs, since, unmanaged } = this.#options;
    const open = [...unmanaged.open].filter((connection) => !this.#isBalancers(connection.address));
    if (open.length > 0) return { until: Number.POSITIVE_INFINITY, end: 'connected' };
    if (arrivalsPerSecond === undefined) return undefined;
    const pauseMs = Math.min(Math.max((PAUSES * 1_000) / arrivalsPerSecond, quietMs), longestMs);
    return { until: Math.max(since, unmanaged.activeAt) + pauseMs, end: 'quiet' };
  }

  /** Those that a proxy beside the application lets in. */
  #portsEmpty(): Waiting | undefined {
    const { checkMs, clock, ports, probers, quietMs, since } = this.#options;
    if (ports === undefined) return undefined;
    if (ports.connections !== 0) this.#connectedAt = clock.now();
    const knownAt = probers.count === 0 ? since + checkMs : since;
    return { until: Math.max(this.#connectedAt, knownAt) + quietMs, end: 'ports_empty' };
  }

  #isBalancers(address: string | undefined): boolean {
    return this.#options.probers.has(address);
  }
}
