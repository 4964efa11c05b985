import type { Clock } from '../../lifecycle/clock.ts';
import type { Known } from '../../lifecycle/facts.ts';
import type { Journal, Work } from '../../lifecycle/journal.ts';
import type { EntryEnd, EntryMode } from '../../lifecycle/outcomes.ts';
import type { SpanIds } from '../../lifecycle/records.ts';
import type { Unmanaged } from '../traffic/unmanaged.ts';
import type { EntryPorts } from './entry-ports.ts';
import type { Knowledge, Probers } from './probers.ts';

/** Of callers that come at random one in a thousand lets so many of their mean pauses pass (e^-7). */
const PAUSES = 7;

/** Most that is waited beyond that because many come, in milliseconds. */
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
  /** Longest wait for callers of whom nothing better is known, in milliseconds. */
  readonly holdMs: number;
  /** Longest wait for a balancer whose checks say how long it takes, in milliseconds. */
  readonly longestMs: number;
  readonly quietMs: number;
  /** New connections a second in the minute before, of callers that no prober speaks for; undefined: too few to know. */
  readonly arrivalsPerSecond: number | undefined;
  /** Connections that a proxy beside the application has open; undefined: no ports of one are watched. */
  readonly ports: EntryPorts | undefined;
  /** How long a balancer whose checks are not seen takes to take an instance out, in milliseconds. */
  readonly checkMs: number;
}

/** How long one kind of caller wants it to be. */
type Wait = Pick<Waiting, 'until' | 'end'>;

/** Until when an instance goes on serving for callers that nobody can tell. */
export interface Waiting {
  /** Monotonic time, as far as is known now. */
  readonly until: number;
  /** The same, if the hold time were endless. */
  readonly wanted: number;
  readonly end: EntryEnd;
}

/**
 * How long connections are kept open before the listeners close on callers that keep coming, in milliseconds: a proxy then sends what
 * it has by those it has, and no handshake is under way that the kernel would reset. With a short hold time half of that.
 */
const SETTLE_MS = 1_000;

/** What it means that the wait ends before its time, by what it waits for. */
const TOO_SHORT: Partial<Record<EntryEnd, string>> = {
  not_told: 'a balancer that checks this instance got too few failing answers before the wait for it was over',
  quiet: 'the hold time was over before callers without the plugin had stayed away long enough',
  ports_empty: 'the proxy beside the application still had connections when the hold time was over',
};

/**
 * How long callers without the plugin have to be waited for: by what is known, not for a fixed time.
 *
 * Balancers that check this instance know that it leaves when enough of their checks have failed, or when they have stopped. What
 * they send ends with that. Others come by a list that nobody sees: when their connections came at `c` a second, and none has come
 * for longer than chance explains, the list has changed. A connection of theirs that is open and idle is ended by its next answer or by its
 * time-out; a proxy beside the application by having no connection left. None of this is waited for longer than the hold time.
 */
export class Entry {
  readonly #options: EntryOptions;
  /** Monotonic time at which a watched port was last seen with a connection. */
  #connectedAt: number;
  readonly #connectionsStart: number;
  /** Begun when somebody has to be waited for. */
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

  /** What balancers know that send something. Who only asks watches, and sends nothing after it is told either. */
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
   * Why callers may still come, in words, when the wait ends now; undefined: nothing says so. A connection that is open and idle is no
   * such reason: it ends by itself.
   */
  get tooShort(): string | undefined {
    const { clock } = this.#options;
    const { end, wanted } = this.#waiting();
    if (wanted <= clock.now()) return undefined;
    // Rare callers want to be waited for very long; what counts is whether one came late.
    if (end === 'quiet' && !this.cameLate) return undefined;
    return TOO_SHORT[end];
  }

  /** Whether a caller came when others had long gone elsewhere. */
  get cameLate(): boolean {
    const { since, unmanaged } = this.#options;
    return unmanaged.cameAt >= (since + this.bound) / 2;
  }

  /** It is over. @param by undefined: as is known now */
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

  /** Those that a balancer sends. */
  #told(): Wait | undefined {
    const { quietMs, since, unmanaged } = this.#options;
    const { count, toldAt } = this.#knowledge;
    if (count === 0) return undefined;
    if (toldAt === undefined) return { until: Number.POSITIVE_INFINITY, end: 'not_told' };
    return { until: Math.max(since, toldAt, unmanaged.activeAt) + quietMs, end: 'told' };
  }

  /** Those that come by a list or a name. */
  #quiet(): Wait | undefined {
    const { arrivalsPerSecond, holdMs, quietMs, since, unmanaged } = this.#options;
    if (unmanaged.openOfOthers > 0) return { until: Number.POSITIVE_INFINITY, end: 'connected' };
    if (arrivalsPerSecond === undefined && unmanaged.activeAt < since) return undefined;
    const pausesMs = arrivalsPerSecond === undefined ? 0 : longestPauseMs(arrivalsPerSecond, holdMs);
    const pauseMs = Math.max(pausesMs, quietMs);
    return { until: Math.max(since, unmanaged.activeAt) + pauseMs, end: 'quiet' };
  }

  /** Those that a proxy beside the application lets in. */
  #portsEmpty(): Wait | undefined {
    const { checkMs, clock, ports, quietMs, since } = this.#options;
    if (ports === undefined) return undefined;
    if (ports.connections !== 0) this.#connectedAt = clock.now();
    return { until: Math.max(this.#connectedAt, since + checkMs) + quietMs, end: 'ports_empty' };
  }
}

/**
 * How long a pause of random callers has to be to say that they come no more, in milliseconds: 7 / c seconds, and up to 400 ms more when many
 * come, as each of those that come while the list is old may be followed by it. By chance it then comes in less than one of a hundred
 * drains, and in one of a thousand when ten or more come in a second.
 *
 * @param perSecond callers a second
 * @param holdMs how long the list may be old, in milliseconds
 */
function longestPauseMs(perSecond: number, holdMs: number): number {
  const callers = (perSecond * holdMs) / 1_000;
  const moreMs = (Math.log(Math.max(1, callers)) / perSecond) * 1_000;
  return (PAUSES / perSecond) * 1_000 + Math.min(moreMs, MORE_MS);
}
