import { whenAborted } from '../../lifecycle/abort.ts';
import type { Clock, Timer } from '../../lifecycle/clock.ts';
import type { Deadline } from '../../lifecycle/deadline.ts';
import type { DrainResult, HoldReason } from '../../lifecycle/outcomes.ts';
import type { Seal } from './seal.ts';

/** Interval of checks, in milliseconds. */
const TICK_MS = 10;

/** A tick that is this late, in milliseconds, means that the event loop was blocked and requests may be waiting unread. */
const STALL_MS = 30;

/** Shortest quiet window otherwise, in milliseconds: a burst of requests has shorter pauses. */
export const QUIET_MS = 300;

/** Quiet window when every caller was told and has said that it is idle, in milliseconds. */
const IDLE_QUIET_MS = 50;

/**
 * Longest wait for the kernel's queues once all else is done, in milliseconds: another process may share the port, and who asks for
 * the health without a pause always has something there.
 */
const KERNEL_MS = 500;

/**
 * Longest wait for a moment in which no client is connecting, in milliseconds, and at most half of the time that is left: meanwhile all
 * are served.
 */
const CLIENT_MS = 5_000;

/** The traffic that a drain watches. */
export interface Observed {
  readonly inflight: () => number;
  /** Requests that have begun to arrive; their heads are not whole. Asked before the activity and the consumers. */
  readonly arriving: () => number;
  /** HTTP/2 sessions that were asked to go and may still begin streams. */
  readonly retiring: () => number;
  /** Monotonic time at which a request last started or ended. */
  readonly lastActivity: () => number;
  /** Monotonic time at which a connection last came that has said nothing yet. */
  readonly lastConnection: () => number;
  /** Monotonic time at which a request last started. */
  readonly lastBegun: () => number;
  /** Visits each consumer, so call it once a tick. */
  readonly consumers: () => Consumers;
  /** Whether any connection is open, silent ones included. */
  readonly hasConnections: () => boolean;
  /** Health checks whose answers run. */
  readonly aside: () => number;
  /** Data in the kernel for our ports that the application has not read, at this moment, while the instance listens. */
  readonly unread: () => number;
  /** Keeps clients out of the accept queues for the rest of this turn. */
  readonly seal: () => Promise<Seal>;
  /** Resolves when the event loop has accepted and read all that the kernel held. */
  readonly polled: () => Promise<void>;
}

/** A snapshot of the callers of this instance. */
export interface Consumers {
  /** Every recent consumer that can answer is idle. */
  readonly allIdle: boolean;
  /** Slowest GoAway round trip, in milliseconds. */
  readonly roundTripMs: number;
  /** The wait for callers that cannot be told. */
  readonly holding: Holding;
}

/** Why and until when an instance serves for callers that could not be told. */
export interface Holding {
  readonly reason: HoldReason;
  /** Monotonic time, as far as is known now. */
  readonly until: number;
  /** Monotonic time from which the listeners may be closed although callers keep coming. */
  readonly bound: number;
}

export interface DrainOptions {
  readonly clock: Clock;
  readonly deadline: Deadline;
  readonly observed: Observed;
  /** Called before each check. */
  readonly onLook?: (isListening: boolean) => void;
  /** Monotonic time at which the offline began. */
  readonly since: number;
}

/**
 * The condition of a drain. `serve`: nobody comes, so the listeners can close. `refuse`: they can close although callers come.
 * `rest`: they are closed, and the open connections end.
 */
export type Phase = 'serve' | 'refuse' | 'rest';

/** How a drain went. */
export interface Drained {
  readonly result: DrainResult;
  readonly quietMs: number;
  readonly holdMs: number;
  readonly holdReason: HoldReason;
  readonly longestStallMs: number;
  /** Callers came until the hold time was over, and after it. */
  readonly keptComing: boolean;
  /** A client was connecting at each look until it was late. The kernel resets it when the listeners close. */
  readonly resetsClient: boolean;
}

/**
 * Waits until traffic is over: all consumers are idle, nothing is in flight or arriving, no request has started or ended for the
 * quiet window, the wait for callers that could not be told is over, and the kernel's queues are empty. Ends at the deadline at
 * the latest.
 *
 * The first run also ends when callers keep coming after the hold time: the instance then takes no new connection and serves the
 * open ones to their end. It waits for a moment in which nobody is connecting, because the kernel resets a client that has begun
 * to connect, while one that has not is refused and goes elsewhere.
 *
 * A late tick begins a new quiet window instead of ending the old one, because requests that arrived while the event loop was
 * blocked are not counted yet (races R20, R21).
 *
 * It runs twice: until the listeners can close, and then for the open connections. The second run needs no quiet window once no
 * connection is left. The accept queues are sealed in the turn in which `run` resolves, so the caller closes the listeners at once.
 */
export class Drain {
  readonly #options: DrainOptions;
  #done = Promise.withResolvers<Drained>();
  #timer: Timer | undefined;
  #tickAt = 0;
  #stalledAt: number;
  #longestStallMs = 0;
  /** Monotonic time of the first look at the kernel since traffic was over. */
  #lookedAt: number | undefined;
  #phase: Phase = 'serve';
  #isUndone = false;

  constructor(options: DrainOptions) {
    this.#options = options;
    this.#stalledAt = options.since;
  }

  /**
   * Resolves when it is over. Never rejects.
   *
   * @param signal aborted when the offline is undone
   */
  run(phase: Phase, signal: AbortSignal): Promise<Drained> {
    this.#done = Promise.withResolvers();
    this.#phase = phase;
    this.#schedule(0);
    const forget = whenAborted(signal, () => {
      this.#isUndone = true;
      this.#end('cancelled');
    });
    return this.#done.promise.finally(forget);
  }

  /** Whether the instance still takes connections. If not, no new caller can come. */
  get #isListening(): boolean {
    return this.#phase !== 'rest';
  }

  #quietMs({ allIdle, holding, roundTripMs }: Consumers): number {
    const allTold = allIdle && holding.reason === 'none';
    return allTold ? IDLE_QUIET_MS : Math.max(QUIET_MS, 3 * roundTripMs);
  }

  #schedule(ms: number): void {
    this.#tickAt = this.#options.clock.now() + ms;
    this.#timer = this.#options.clock.after(ms, () => this.#tick());
  }

  #tick(): void {
    this.#noticeStall();
    this.#options.onLook?.(this.#isListening);
    const isOver = this.#trafficOver() !== undefined;
    if (!isOver) this.#lookedAt = undefined;
    if (this.#options.deadline.left === 0) this.#end('timeout');
    else if (isOver) void this.#endUnlessComing();
    else this.#schedule(TICK_MS);
  }

  /** The tick that was planned for now has not come. */
  #noticeStall(): void {
    const now = this.#options.clock.now();
    const lateMs = now - this.#tickAt;
    if (lateMs <= STALL_MS) return;
    this.#stalledAt = now;
    this.#longestStallMs = Math.max(this.#longestStallMs, lateMs);
  }

  /** How the traffic has ended; undefined while it goes on. */
  #trafficOver(): Pick<Drained, 'keptComing'> | undefined {
    const { arriving, consumers: look } = this.#options.observed;
    const isArriving = arriving() > 0;
    const consumers = look();
    if (this.#phase === 'refuse' || (!isArriving && this.#isQuiet(consumers))) return { keptComing: false };
    return this.#keepComing(consumers) ? { keptComing: true } : undefined;
  }

  #isQuiet(consumers: Consumers): boolean {
    const { clock, observed } = this.#options;
    if (observed.inflight() > 0 || observed.retiring() > 0 || !consumers.allIdle) return false;
    if (this.#isDeserted) return true;
    const now = clock.now();
    if (this.#isListening && now < consumers.holding.until) return false;
    return now - this.#quietSince(consumers) >= this.#quietMs(consumers);
  }

  /** Who only connects, or keeps the event loop busy, is not waited for beyond the hold time: who is connected is served without a listener too. */
  #quietSince({ holding }: Consumers): number {
    const { clock, observed } = this.#options;
    const lastActivity = observed.lastActivity();
    if (this.#isListening && clock.now() >= holding.bound) return lastActivity;
    return Math.max(lastActivity, observed.lastConnection(), this.#stalledAt);
  }

  /** Whether the callers that come cannot be told. Consumers that are not idle must be served. */
  #keepComing(consumers: Consumers): boolean {
    const { clock, observed } = this.#options;
    const { allIdle, holding } = consumers;
    const quietSince = clock.now() - this.#quietMs(consumers);
    if (!this.#isListening || !allIdle || holding.reason === 'none' || quietSince < holding.bound) return false;
    return observed.lastBegun() > quietSince;
  }

  /** Nobody is connected, and nobody can connect. */
  get #isDeserted(): boolean {
    return !this.#isListening && !this.#options.observed.hasConnections();
  }

  /**
   * Ends when the kernel holds nothing for this instance either, and some time later whatever the kernel holds. After a look in vain
   * the event loop turns at least once more.
   */
  async #endUnlessComing(): Promise<void> {
    if (this.#isDeserted) return this.#end('drained');
    const { clock, deadline, observed } = this.#options;
    const now = clock.now();
    this.#lookedAt ??= now;
    const waitedMs = now - this.#lookedAt;
    // Half of the time that was left at the first look.
    const clientMs = Math.min(CLIENT_MS, (waitedMs + deadline.left) / 2);
    await observed.polled();
    if (this.#isUndone) return;
    const over = this.#trafficOver();
    if (over === undefined) return this.#schedule(TICK_MS);
    const state = await this.#queues();
    const isLate = waitedMs >= (state === 'client' ? clientMs : KERNEL_MS);
    if (state === 'sealed' || isLate) this.#end('drained', { ...over, resetsClient: state === 'client' });
    else this.#schedule(TICK_MS);
  }

  /**
   * What is left to accept or to answer. Where clients cannot be kept out, a look that took long (a machine with very many sockets, or
   * none of the processor for a while) is outdated.
   */
  async #queues(): Promise<Seal> {
    const { clock, observed } = this.#options;
    if (!this.#isListening) return observed.aside() === 0 ? 'sealed' : 'open';
    const before = clock.now();
    const seal = await observed.seal();
    if (seal !== 'cannot') return seal;
    return observed.unread() === 0 && clock.now() - before <= STALL_MS ? 'sealed' : 'open';
  }

  #end(result: DrainResult, callers: Partial<Pick<Drained, 'keptComing' | 'resetsClient'>> = {}): void {
    this.#timer?.cancel();
    const consumers = this.#options.observed.consumers();
    const { reason: holdReason, until } = consumers.holding;
    this.#done.resolve({
      result,
      quietMs: this.#quietMs(consumers),
      holdMs: holdReason === 'none' ? 0 : Math.max(0, Math.round(until - this.#options.since)),
      holdReason,
      longestStallMs: this.#longestStallMs,
      keptComing: false,
      resetsClient: false,
      ...callers,
    });
  }
}
