import type { Clock } from '../../lifecycle/clock.ts';
import type { Ack } from '../../protocol/identity.ts';
import type { RecentCaller, Telling } from '../traffic/recent-caller.ts';
import type { Call } from './goaway.ts';

/**
 * Shortest wait for the idle line of a consumer that holds no connection any more, in milliseconds: the line may come later than the
 * end of its last connection, and no hold time is too short for it.
 */
const IDLE_LINE_MS = 500;

export interface AckedOptions {
  readonly clock: Clock;
  /** Longest wait for a consumer that has acked, holds no connection and does not say that it is idle, in milliseconds. */
  readonly holdMs: number;
  /** The consumer has no other instance to call. */
  readonly onStranded: () => void;
}

/** A consumer that has acked and is not idle. */
interface Waiting {
  readonly telling: Telling;
  readonly ackedAt: number;
  /** A call is open that may bring the second line. */
  isListening: boolean;
}

/** A snapshot of the consumers that have acked. */
export interface Look {
  /** Consumers that may still send requests, as far as known. */
  readonly busy: number;
  /** Those among them without another instance to call. */
  readonly stranded: number;
  /** Those among them to wait for; the others hold no connection and have been silent for the hold time. */
  readonly awaited: number;
}

/** The consumers that have acked: which of them are done with this instance. */
export class Acked {
  readonly #options: AckedOptions;
  readonly #all = new Set<RecentCaller>();
  readonly #waiting = new Map<RecentCaller, Waiting>();

  constructor(options: AckedOptions) {
    this.#options = options;
  }

  /** All of them, idle or not. */
  get all(): readonly RecentCaller[] {
    return [...this.#all];
  }

  get hasStranded(): boolean {
    return [...this.#waiting.values()].some(({ telling }) => telling.stranded);
  }

  /** Visits each consumer once, because a drain calls it with every tick. */
  look(): Look {
    const { clock, holdMs } = this.#options;
    const now = clock.now();
    let [busy, stranded, awaited] = [0, 0, 0];
    for (const [entry, waiting] of this.#waiting) {
      if (isDone(entry, waiting, now)) continue;
      const isStranded = waiting.telling.stranded;
      const isAway = entry.open === 0 && now - waiting.ackedAt >= Math.max(holdMs, IDLE_LINE_MS);
      busy++;
      if (isStranded) stranded++;
      if (isStranded || !isAway) awaited++;
    }
    return { busy, stranded, awaited };
  }

  waitsFor(entry: RecentCaller): boolean {
    return this.#waiting.has(entry);
  }

  /** From now on only its requests on their way may arrive, unless it has no other instance. */
  add(entry: RecentCaller, telling: Telling, call: Call, ack: Ack | undefined): void {
    const now = this.#options.clock.now();
    telling.acked((ack?.outstanding ?? 0) - entry.inflight, ack?.others === 0, now);
    const waiting: Waiting = { telling, ackedAt: now, isListening: true };
    this.#all.add(entry);
    this.#waiting.set(entry, waiting);
    if (telling.stranded) this.#options.onStranded();
    void this.#listen(entry, waiting, call);
  }

  /**
   * It has acked again. Returns whether it now waits for the second line of `call`; not when it is idle or another call is open.
   */
  addAgain(entry: RecentCaller, call: Call): boolean {
    const waiting = this.#waiting.get(entry);
    if (waiting === undefined || waiting.isListening) return false;
    waiting.isListening = true;
    void this.#listen(entry, waiting, call);
    return true;
  }

  /** It sends nothing more to this instance. */
  left(entry: RecentCaller): void {
    this.#waiting.get(entry)?.telling.idle();
    this.#waiting.delete(entry);
  }

  async #listen(entry: RecentCaller, waiting: Waiting, call: Call): Promise<void> {
    const idle = await call.idle;
    if (this.#waiting.get(entry) !== waiting) return;
    waiting.isListening = false;
    if (idle === undefined) return;
    if (idle.addresses.length > 0 || idle.unused) return this.left(entry);
    // Its list is empty: it has no other instance, whatever it has said before.
    waiting.telling.stranded = true;
    this.#options.onStranded();
  }
}

/** It will send nothing more, as far as can be known without its second line. */
function isDone({ open, inflight, rhythm }: RecentCaller, { isListening, telling }: Waiting, now: number): boolean {
  if (telling.stranded) return inflight === 0 && rhythm.hasStopped(now);
  return !isListening && open === 0;
}
