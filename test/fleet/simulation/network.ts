import type { Clock } from '../../../src/lifecycle/clock.ts';
import type { Random } from '../random.ts';

export interface Weather {
  /** Shortest and longest way of a message, in milliseconds. */
  readonly delayMs: readonly [number, number];
  /** Part of the messages that are lost, once or several times; TCP sends them again. */
  readonly loss: number;
  /** Part of the consumers that are cut off once, for how long, and within what time from the beginning of the releases, in milliseconds. */
  readonly cut: number;
  readonly cutMs: number;
  readonly cutWithinMs: number;
}

/** First time-out of TCP before a retry, in milliseconds; each further one is twice as long. */
const RESEND_MS = 200;

/** Delivers messages late: after the delay, after a retry, or after a partition. */
export class Network {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #weather: Weather;
  /** The times at which consumers are cut off. */
  readonly #cuts = new Map<number, { readonly from: number; readonly until: number }>();

  constructor(clock: Clock, random: Random, weather: Weather) {
    this.#clock = clock;
    this.#random = random;
    this.#weather = weather;
  }

  /** Cuts some of `consumers` consumers off. @param at when the releases begin */
  cut(consumers: number, at: number): void {
    const { cut, cutMs, cutWithinMs } = this.#weather;
    for (let n = 0; n < consumers; n++) {
      if (!this.#random.chance(cut)) continue;
      const from = at + this.#random.below(cutWithinMs);
      this.#cuts.set(n, { from, until: from + cutMs });
    }
  }

  /** Whether a consumer is cut off now, or was within a time-out. */
  isCut(consumer: number): boolean {
    const cut = this.#cuts.get(consumer);
    return cut !== undefined && this.#clock.now() >= cut.from && this.#clock.now() <= cut.until + this.#weather.cutMs;
  }

  /** Calls `take` when a message from or to a consumer has arrived. */
  bring(consumer: number, take: () => void): void {
    const { delayMs, loss } = this.#weather;
    const [least, most] = delayMs;
    let ms = least + this.#random.next() * (most - least);
    for (let again = RESEND_MS; this.#random.chance(loss); again *= 2) ms += again;
    const cut = this.#cuts.get(consumer);
    const now = this.#clock.now();
    if (cut !== undefined && now + ms >= cut.from && now < cut.until) ms += cut.until - now;
    this.#clock.after(ms, take);
  }
}
