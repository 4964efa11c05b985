import type { Clock, Timer } from '../../lifecycle/clock.ts';
import { type Warmup, warmupShare } from '../../lifecycle/warmup.ts';
import { ATTR, type SpanAttributes } from '../../trace/model/schema.ts';

/** Parts that the course of a warm-up is told in. */
const STEPS = 20;

/** The course of one warm-up: how many requests came while consumers gave this instance which part of its weight. */
export class Warming {
  readonly #clock: Clock;
  readonly #warmup: Warmup;
  readonly #started: () => number;
  readonly #requests: number[] = [];
  readonly #over = Promise.withResolvers<void>();
  #last: number;
  #timer: Timer | undefined;

  /** @param started requests started since the process began */
  constructor(clock: Clock, warmup: Warmup, started: () => number) {
    this.#clock = clock;
    this.#warmup = warmup;
    this.#started = started;
    this.#last = started();
    this.#schedule();
  }

  /** Resolves when the warm-up time is over or it was cancelled. */
  get over(): Promise<void> {
    return this.#over.promise;
  }

  cancel(): void {
    if (this.#requests.length < STEPS) this.#count();
    this.#timer?.cancel();
    this.#over.resolve();
  }

  /** The steps so far. */
  get attributes(): SpanAttributes {
    const { ms, curve } = this.#warmup;
    const middles = this.#requests.map((_, step) => ((step + 0.5) * ms) / STEPS);
    return {
      [ATTR.warmupDuration]: ms / 1_000,
      [ATTR.warmupCurve]: curve,
      [ATTR.warmupStep]: ms / STEPS / 1_000,
      [ATTR.warmupWeights]: middles.map((uptime) => Number(warmupShare(uptime, this.#warmup).toFixed(3))),
      [ATTR.warmupRequests]: [...this.#requests],
    };
  }

  #schedule(): void {
    this.#timer = this.#clock.after(this.#warmup.ms / STEPS, () => {
      this.#count();
      if (this.#requests.length < STEPS) this.#schedule();
      else this.#over.resolve();
    });
  }

  #count(): void {
    const started = this.#started();
    this.#requests.push(started - this.#last);
    this.#last = started;
  }
}
