import type { Clock } from '../../lifecycle/clock.ts';
import type { Known } from '../../lifecycle/facts.ts';
import type { Journal, Work } from '../../lifecycle/journal.ts';
import type { EntryEnd, EntryMode } from '../../lifecycle/outcomes.ts';
import type { SpanIds } from '../../lifecycle/records.ts';
import type { Unmanaged } from '../traffic/unmanaged.ts';
import type { EntryPorts } from './entry-ports.ts';
import type { Knowledge, Probers } from './probers.ts';

/** Pauses, as a multiple of the mean one, that random callers exceed once in a thousand (e^-7). */
const PAUSES = 7;

/** Longest extra wait for many callers, in milliseconds. */
const MORE_MS = 400;

export interface EntryOptions {
  readonly clock: Clock;
  readonly journal: Journal;
  /** The root of the trace. */
  readonly root: SpanIds;
  readonly mode: EntryMode;
  readonly unmanaged: Unmanaged;
  readonly probers: Probers;
  /** Monotonic time at which the offline began. */
  readonly since: number;
  /** Longest wait for callers about which nothing better is known, in milliseconds. */
  readonly holdMs: number;
  /** Longest wait for a balancer whose checks say how long it takes, in milliseconds. */
  readonly longestMs: number;
  readonly quietMs: number;
  /** New connections a second in the minute before, of callers without a prober; undefined: too few to know. */
  readonly arrivalsPerSecond: number | undefined;
  /** Connections that a proxy beside the application has open; undefined: no ports of one are watched. */
  readonly ports: EntryPorts | undefined;
  /** How long a balancer with invisible checks takes to take an instance out, in milliseconds. */
  readonly checkMs: number;
}

/** The wait that one kind of caller needs. */
type Wait = Pick<Waiting, 'until' | 'end'>;

/** Until when an instance serves for callers that get no GoAway. */
export interface Waiting {
  /** Monotonic time, as far as is known now. */
  readonly until: number;
  /** The same time without the limit of the hold time. */
  readonly wanted: number;
  readonly end: EntryEnd;
}

/**
 * How long connections are kept open before the listeners close on callers that keep coming, in milliseconds. A proxy then uses
 * its open connections, and no handshake is under way that the kernel would reset. With a short hold time it is half of that
 * time.
 */
const SETTLE_MS = 1_000;

/** The meaning of an early end of the wait, by its reason. */
const TOO_SHORT: Partial<Record<EntryEnd, string>> = {
  not_told: 'a balancer that checks this instance got too few failing answers before the wait for it was over',
  quiet: 'the hold time was over before callers without the plugin had stayed away long enough',
  ports_empty: 'the proxy beside the application still had connections when the hold time was over',
};

/**
 * How long to wait for callers without the plugin: from what is known of them, in place of a fixed time.
 *
 * A balancer that checks this instance knows that it leaves once enough of its checks have failed, or once it has stopped
 * checking; then it sends nothing more. Other callers follow a list that the plugin cannot see: when their connections came at
 * `c` a second, and none has come for longer than chance explains, the list has changed. An open and idle connection of a caller
 * ends with its next answer or by its time-out. A proxy beside the application is done when it has no connection left. No wait is
 * longer than the hold time.
 */
export class Entry {
  readonly #options: EntryOptions;
  /** Monotonic time at which a watched port was last seen with a connection. */
  #connectedAt: number;
  readonly #connectionsStart: number;
  /** The span, begun when there is a caller to wait for. */
  #work: Work<'entry'> | undefined;

  constructor(options: EntryOptions) {
    this.#options = options;
    this.#connectedAt = options.since;
    this.#connectionsStart = options.unmanaged.open;
  }

  /** Monotonic time at which the longest wait is over. */
  get bound(): number {
    const { checkMs, holdMs, longestMs, ports, quietMs, since } = this.#options;
    const takesMs = Math.max(this.#knowledge.takesMs, ports === undefined ? 0 : checkMs);
    return since + Math.min(Math.max(holdMs, takesMs + quietMs), longestMs);
  }

  /** Whether the listeners are about to close on callers that keep coming. */
  get isSettling(): boolean {
    const { clock, holdMs } = this.#options;
    return Math.abs(this.bound - clock.now()) < Math.min(SETTLE_MS, holdMs / 2);
  }

  /** Knowledge of the balancers that send requests. One that only checks sends nothing later either. */
  get #knowledge(): Knowledge {
    const { ports, probers, unmanaged } = this.#options;
    return probers.about((address) => ports !== undefined || unmanaged.hasSent(address));
  }

  look(): Waiting {
    const { journal, root } = this.#options;
    const waiting = this.#waiting();
    if (waiting.end !== 'nobody') this.#work ??= journal.start('entry', { parent: root });
    return waiting;
  }

  /**
   * Why callers may still come, in words, when the wait ends now; undefined: no sign of that. An open and idle connection is not
   * a reason: it ends by itself.
   */
  get tooShort(): string | undefined {
    const { clock } = this.#options;
    const { end, wanted } = this.#waiting();
    if (wanted <= clock.now()) return undefined;
    // Rare callers would need a very long wait, so only a late caller counts.
    if (end === 'quiet' && !this.cameLate) return undefined;
    return TOO_SHORT[end];
  }

  /** Whether a caller came long after others had gone elsewhere. */
  get cameLate(): boolean {
    const { since, unmanaged } = this.#options;
    return unmanaged.cameAt >= (since + this.bound) / 2;
  }

  /** The wait is over. @param by the reason; undefined: from what is known now */
  end(by: EntryEnd | undefined): void {
    const { end } = this.#waiting();
    const isCut = end !== 'not_told' && this.tooShort !== undefined;
    this.#work?.end(this.#facts(by ?? (isCut ? 'hold' : end)));
  }

  #facts(endedBy: EntryEnd): Known<'entry'> {
    const { arrivalsPerSecond, mode, ports, since, unmanaged } = this.#options;
    const { count, failures, toldAt } = this.#knowledge;
    const after = (at: number): number => Math.round(at - since);
    return {
      mode,
      probers: count,
      failedChecks: failures,
      told: count > 0 && toldAt !== undefined,
      toldAfterMs: toldAt && after(toldAt),
      connectionsStart: this.#connectionsStart,
      connectionsEnd: unmanaged.open,
      arrivalsPerSecond,
      lastRequestAfterMs: unmanaged.activeAt >= since ? after(unmanaged.activeAt) : undefined,
      portConnections: ports?.connections,
      endedBy,
    };
  }

  #waiting(): Waiting {
    const waits = [this.#told(), this.#quiet(), this.#portsEmpty()].filter((wait) => wait !== undefined);
    const [longest = { until: Number.NEGATIVE_INFINITY, end: 'nobody' as const }] = waits.toSorted(
      (a, b) => b.until - a.until,
    );
    return { end: longest.end, until: Math.min(longest.until, this.bound), wanted: longest.until };
  }

  /** Callers behind a balancer. */
  #told(): Wait | undefined {
    const { quietMs, since, unmanaged } = this.#options;
    const { count, toldAt } = this.#knowledge;
    if (count === 0) return undefined;
    if (toldAt === undefined) return { until: Number.POSITIVE_INFINITY, end: 'not_told' };
    return { until: Math.max(since, toldAt, unmanaged.activeAt) + quietMs, end: 'told' };
  }

  /** Callers with a list or a name. */
  #quiet(): Wait | undefined {
    const { arrivalsPerSecond, holdMs, quietMs, since, unmanaged } = this.#options;
    if (unmanaged.openOfOthers > 0) return { until: Number.POSITIVE_INFINITY, end: 'connected' };
    if (arrivalsPerSecond === undefined && unmanaged.activeAt < since) return undefined;
    const pausesMs = arrivalsPerSecond === undefined ? 0 : longestPauseMs(arrivalsPerSecond, holdMs);
    const pauseMs = Math.max(pausesMs, quietMs);
    return { until: Math.max(since, unmanaged.activeAt) + pauseMs, end: 'quiet' };
  }

  /** Callers behind a proxy beside the application. */
  #portsEmpty(): Wait | undefined {
    const { checkMs, clock, ports, quietMs, since } = this.#options;
    if (ports === undefined) return undefined;
    if (ports.connections !== 0) this.#connectedAt = clock.now();
    return { until: Math.max(this.#connectedAt, since + checkMs) + quietMs, end: 'ports_empty' };
  }
}

/**
 * The pause, in milliseconds, after which random callers have stopped: 7 / c seconds, and up to 400 ms more when many come,
 * because each caller during the old list may be followed by such a pause. By chance it occurs in fewer than one of a hundred
 * drains, and in one of a thousand when ten or more callers come in a second.
 *
 * @param perSecond callers a second
 * @param holdMs how long the list may be old, in milliseconds
 */
function longestPauseMs(perSecond: number, holdMs: number): number {
  const callers = (perSecond * holdMs) / 1_000;
  const moreMs = (Math.log(Math.max(1, callers)) / perSecond) * 1_000;
  return (PAUSES / perSecond) * 1_000 + Math.min(moreMs, MORE_MS);
}
