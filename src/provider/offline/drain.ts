import { whenAborted } from '../../lifecycle/abort.ts';
import type { Clock, Timer } from '../../lifecycle/clock.ts';
import type { Deadline } from '../../lifecycle/deadline.ts';
import type { DrainResult, HoldReason } from '../../lifecycle/outcomes.ts';

/** How often the conditions are looked at, in milliseconds. */
const TICK_MS = 10;

/** What is this much later than planned, in milliseconds, means that the event loop stood still and requests may be waiting unread. */
const STALL_MS = 30;

/** Quiet window when every caller was told and has said that it is idle, in milliseconds. */
const IDLE_QUIET_MS = 50;

/**
 * Longest wait for the kernel's queues once all else is done, in milliseconds: another process may share the port, and who asks for
 * the health without a pause always has something there.
 */
const KERNEL_MS = 500;

/** What a drain looks at. */
export interface Observed {
  readonly inflight: () => number;
  /** Requests that have begun to arrive; their heads are not whole. Asked before the activity and the consumers. */
  readonly arriving: () => number;
  /** HTTP/2 sessions that were asked to go and may begin streams still. */
  readonly retiring: () => number;
  /** Monotonic time at which a request last started or ended. */
  readonly lastActivity: () => number;
  /** Monotonic time at which a connection last came that has said nothing yet. */
  readonly lastConnection: () => number;
  /** Monotonic time at which a request last started. */
  readonly lastBegun: () => number;
  /** Looks at each consumer, so it is asked once a tick. */
  readonly consumers: () => Consumers;
  /** Whether any connection is open, silent ones included. */
  readonly hasConnections: () => boolean;
  /** What the kernel holds for our ports and the application has not read, and answers that nobody waits for, as of this very moment. */
  readonly unread: (isListening: boolean) => number;
}

/** How those who call this instance are, at one moment. */
export interface Consumers {
  /** Every recent consumer that can answer is idle. */
  readonly allIdle: boolean;
  /** Slowest GoAway round trip, in milliseconds. */
  readonly roundTripMs: number;
  /** Who has to be waited for who cannot be told, and how long. */
  readonly holding: Holding;
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
  readonly onLook?: (isListening: boolean) => void;
  /** Monotonic time at which the offline began. */
  readonly since: number;
}

/**
 * What a drain waits for. `serve`: until the listeners can be closed as nobody comes. `refuse`: until they can be closed although
 * callers come. `rest`: they are closed, and what is connected is waited for.
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
}

/**
 * Waits until traffic is over: all consumers idle, nothing in flight or arriving, no request started or ended for the quiet
 * window, nobody to wait for who could not be told, and the kernel's queues empty. Ends at the deadline at the latest.
 *
 * Callers that keep coming when the hold time is over end the first run too: no connection is taken any more then, and what is
 * connected is served to its end. That is in a moment in which nobody is connecting: who has begun to connect would be reset, while
 * who has not is refused, and goes elsewhere.
 *
 * The quiet timer knows event-loop stalls: requests that arrived during a stall are not counted yet, so a late tick begins
 * a new quiet window instead of ending the old one (races R20, R21).
 *
 * It runs twice: until the listeners can be closed, and after that for what is connected. Once no connection is left then, nothing can
 * come, and there is no quiet window to wait for. The last look at the kernel is in the turn
 * in which `run` resolves, so who closes the listeners at once leaves a connection no time to come in between.
 */
export class Drain {
  readonly #options: DrainOptions;
  #done = Promise.withResolvers<Drained>();
  #timer: Timer | undefined;
  #tickAt = 0;
  #stalledAt: number;
  #longestStallMs = 0;
  #kernelUntil: number | undefined;
  #phase: Phase = 'serve';

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
    const forget = whenAborted(signal, () => this.#end('cancelled'));
    return this.#done.promise.finally(forget);
  }

  /** Whether connections are taken still. Once they are not, nobody new has to be waited for. */
  get #isListening(): boolean {
    return this.#phase !== 'rest';
  }

  #quietMs({ allIdle, holding, roundTripMs }: Consumers): number {
    const allTold = allIdle && holding.reason === 'none';
    return allTold ? IDLE_QUIET_MS : Math.max(this.#options.quietMs, 3 * roundTripMs);
  }

  #schedule(ms: number): void {
    this.#tickAt = this.#options.clock.now() + ms;
    this.#timer = this.#options.clock.after(ms, () => this.#tick());
  }

  #tick(): void {
    this.#noticeStall();
    this.#options.onLook?.(this.#isListening);
    const { arriving, consumers: look } = this.#options.observed;
    const isArriving = arriving() > 0;
    const consumers = look();
    const isOver = this.#phase === 'refuse' || (!isArriving && this.#trafficOver(consumers));
    const keptComing = !isOver && this.#keepComing(consumers);
    if (!isOver && !keptComing) this.#kernelUntil = undefined;
    if (this.#options.deadline.left === 0) this.#end('timeout');
    else if ((isOver || keptComing) && this.#kernelEmpty()) this.#end('drained', keptComing);
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

  #trafficOver(consumers: Consumers): boolean {
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

  /** Whether nobody can keep away those who come. Consumers that are not idle have to be served. */
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

  /** A look that took long says what was, not what is (a machine with very many sockets): the next tick looks again. */
  #kernelEmpty(): boolean {
    if (this.#isDeserted) return true;
    const { clock, observed } = this.#options;
    const before = clock.now();
    this.#kernelUntil ??= before + KERNEL_MS;
    const isEmpty = observed.unread(this.#isListening) === 0;
    const now = clock.now();
    return (isEmpty && now - before <= STALL_MS) || now >= this.#kernelUntil;
  }

  #end(result: DrainResult, keptComing = false): void {
    this.#timer?.cancel();
    const consumers = this.#options.observed.consumers();
    const { reason: holdReason, until } = consumers.holding;
    this.#done.resolve({
      result,
      quietMs: this.#quietMs(consumers),
      holdMs: holdReason === 'none' ? 0 : Math.max(0, Math.round(until - this.#options.since)),
      holdReason,
      longestStallMs: this.#longestStallMs,
      keptComing,
    });
  }
}
