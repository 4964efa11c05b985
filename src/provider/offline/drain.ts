import type { Clock, Timer } from '../../lifecycle/clock.ts';
import type { Deadline } from '../../lifecycle/deadline.ts';
import type { DrainResult, HoldReason } from '../../trace/model/schema.ts';

/** How often the conditions are looked at, in milliseconds. */
const TICK_MS = 10;

/** What is this much later than planned, in milliseconds, means that the event loop stood still and requests may be waiting unread. */
const STALL_MS = 30;

/** Quiet window when every caller was told and has said that it is idle, in milliseconds. */
const IDLE_QUIET_MS = 50;

/** Longest wait for the kernel's queues once all else is done, in milliseconds: another process may share the port. */
const KERNEL_MS = 500;

/** What a drain looks at. */
export interface Observed {
  readonly inflight: () => number;
  /** Requests that have begun to arrive; their heads are not whole. Asked before the activity and the reason. */
  readonly arriving: () => number;
  /** Monotonic time at which a request last started or ended, or a connection came. */
  readonly lastActivity: () => number;
  /** Every recent consumer that can answer is idle. */
  readonly allIdle: () => boolean;
  /** Slowest GoAway round trip, in milliseconds. */
  readonly roundTripMs: () => number;
  /** Who has to be waited for who cannot be told, and how long. */
  readonly holding: () => Holding;
  /** What the kernel holds for our ports and the application has not read, as of this very moment. */
  readonly unread: () => number;
}

/** Why and until when an instance goes on serving for callers that could not be told. */
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
  readonly quietMs: number;
  /** Called with each look, before it. */
  readonly onLook?: () => void;
  /** Monotonic time at which the offline began. */
  readonly since: number;
}

/** How a drain went. */
export interface Drained {
  readonly result: DrainResult;
  readonly quietMs: number;
  readonly holdMs: number;
  readonly holdReason: HoldReason;
  readonly longestStallMs: number;
}

/**
 * Waits until traffic is over: all consumers idle, nothing in flight or arriving, no request started or ended for the quiet
 * window, nobody to wait for who could not be told, and the kernel's queues empty. Ends at the deadline at the latest.
 *
 * Callers that keep coming when the hold time is over end the first run too: no connection is taken any more then, and what is
 * connected is served to its end.
 *
 * The quiet timer knows event-loop stalls: requests that arrived during a stall are not counted yet, so a late tick begins
 * a new quiet window instead of ending the old one (races R20, R21).
 *
 * It runs twice: until the listeners can be closed, and after that for what was accepted until then. The last look at the kernel is
 * in the turn in which `run` resolves, so who closes the listeners at once leaves a connection no time to come in between.
 */
export class Drain {
  readonly #options: DrainOptions;
  #done = Promise.withResolvers<Drained>();
  #timer: Timer | undefined;
  #tickAt = 0;
  #stalledAt: number;
  #longestStallMs = 0;
  #kernelUntil: number | undefined;
  #runs = 0;

  constructor(options: DrainOptions) {
    this.#options = options;
    this.#stalledAt = options.since;
  }

  /** Resolves when it is over. Never rejects. To be called again once the listeners are closed. */
  run(): Promise<Drained> {
    this.#done = Promise.withResolvers();
    this.#runs++;
    this.#schedule(0);
    return this.#done.promise;
  }

  /** The offline was undone. */
  cancel(): void {
    this.#end('cancelled');
  }

  get #quietMs(): number {
    const { observed, quietMs } = this.#options;
    const allTold = observed.allIdle() && observed.holding().reason === 'none';
    return allTold ? IDLE_QUIET_MS : Math.max(quietMs, 3 * observed.roundTripMs());
  }

  #schedule(ms: number): void {
    this.#tickAt = this.#options.clock.now() + ms;
    this.#timer = this.#options.clock.after(ms, () => this.#tick());
  }

  #tick(): void {
    this.#noticeStall();
    this.#options.onLook?.();
    const isOver = this.#trafficOver();
    if (!isOver) this.#kernelUntil = undefined;
    if (this.#options.deadline.left === 0) this.#end('timeout');
    else if ((isOver && this.#kernelEmpty()) || this.#keepComing()) this.#end('drained');
    else this.#schedule(TICK_MS);
  }

  /** What was planned for now or earlier has not come. */
  #noticeStall(): void {
    const now = this.#options.clock.now();
    const lateMs = now - this.#tickAt;
    if (lateMs <= STALL_MS) return;
    this.#stalledAt = now;
    this.#longestStallMs = Math.max(this.#longestStallMs, lateMs);
  }

  #trafficOver(): boolean {
    const { clock, observed } = this.#options;
    if (observed.inflight() > 0 || !observed.allIdle() || observed.arriving() > 0) return false;
    const now = clock.now();
    if (this.#runs === 1 && now < observed.holding().until) return false;
    return now - Math.max(observed.lastActivity(), this.#stalledAt) >= this.#quietMs;
  }

  /** Whether nobody can keep away those who come. Consumers that are not idle have to be served. */
  #keepComing(): boolean {
    const { clock, observed } = this.#options;
    const quietSince = clock.now() - this.#quietMs;
    if (this.#runs > 1 || quietSince < observed.holding().bound || !observed.allIdle()) return false;
    return observed.lastActivity() > quietSince;
  }

  /** A look that took long says what was, not what is (a machine with very many sockets): the next tick looks again. */
  #kernelEmpty(): boolean {
    const { clock, observed } = this.#options;
    const before = clock.now();
    this.#kernelUntil ??= before + KERNEL_MS;
    const isEmpty = observed.unread() === 0;
    const now = clock.now();
    return (isEmpty && now - before <= STALL_MS) || now >= this.#kernelUntil;
  }

  #end(result: DrainResult): void {
    this.#timer?.cancel();
    const { reason: holdReason, until } = this.#options.observed.holding();
    this.#done.resolve({
      result,
      quietMs: this.#quietMs,
      holdMs: holdReason === 'none' ? 0 : Math.max(0, until - this.#options.since),
      holdReason,
      longestStallMs: this.#longestStallMs,
    });
  }
}
