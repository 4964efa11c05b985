import type { Clock } from '../../lifecycle/clock.ts';
import type { Ack } from '../../protocol/identity.ts';
import type { RecentCaller, Telling } from '../traffic/recent-caller.ts';
import type { Call } from './goaway.ts';

export interface AckedOptions {
  readonly clock: Clock;
  /** Longest wait for a consumer that has acked, holds no connection and does not say that it is idle, in milliseconds. */
  readonly holdMs: number;
  /** A consumer has nobody else to call. */
  readonly onStranded: () => void;
}

/** A consumer that has acked and is not idle. */
interface Waiting {
  readonly telling: Telling;
  readonly ackedAt: number;
  /** A call stands that may bring its second line. */
  isListening: boolean;
}

/** The consumers that have acked, as they are at one moment. */
export interface Look {
  /** Those that may send something more, as far as is known. */
  readonly busy: number;
  /** Those among them that have nobody else to call. */
  readonly stranded: number;
  /** Those among them that have to be waited for: the others hold no connection, and have had the hold time to say something. */
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

  /** Each of them, idle or not. */
  get all(): readonly RecentCaller[] {
    return [...this.#all];
  }

  get hasStranded(): boolean {
    return [...this.#waiting.values()].some(({ telling }) => telling.stranded);
  }

  /** Looks at each once: a drain asks with every tick. */
  look(): Look {
    const { clock, holdMs } = this.#options;
    const now = clock.now();
    let [busy, stranded, awaited] = [0, 0, 0];
    for (const [entry, waiting] of this.#waiting) {
      if (isDone(entry, waiting, now)) continue;
      const isStranded = waiting.telling.stranded;
      const isAway = entry.open === 0 && now - waiting.ackedAt >= holdMs;
      busy++;
      if (isStranded) stranded++;
      if (isStranded || !isAway) awaited++;
    }
    return { busy, stranded, awaited };
  }

  waitsFor(entry: RecentCaller): boolean {
    return this.#waiting.has(entry);
  }

  /** From here on nothing of it may arrive but what was on its way, unless it has nobody else. */
  add(entry: RecentCaller, telling: Telling, call: Call, ack: Ack | undefined): void {
    const now = this.#options.clock.now();
    telling.acked((ack?.outstanding ?? 0) - entry.inflight, ack?.others === 0, now);
    const waiting: Waiting = { telling, ackedAt: now, isListening: true };
    this.#all.add(entry);
    this.#waiting.set(entry, waiting);
    if (telling.stranded) this.#options.onStranded();
    void this.#listen(entry, waiting, call);
  }

  /** It has acked once more. Returns whether `call` is listened to now: it is idle, or another call stands, otherwise. */
  addAgain(entry: RecentCaller, call: Call): boolean {
    const waiting = this.#waiting.get(entry);
    if (waiting === undefined || waiting.isListening) return false;
    waiting.isListening = true;
    void this.#listen(entry, waiting, call);
    return true;
  }

  /** It is done with this instance. */
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
    // Its list is empty: it has nobody else, whatever it has said before.
    waiting.telling.stranded = true;
    this.#options.onStranded();
  }
}

/** It will send nothing more, as far as can be known without its word. */
function isDone({ open, inflight, rhythm }: RecentCaller, { isListening, telling }: Waiting, now: number): boolean {
  if (telling.stranded) return inflight === 0 && rhythm.hasStopped(now);
  return !isListening && open === 0;
}
