import { type Clock, sleep } from '../../lifecycle/clock.ts';
import type { Facts } from '../../lifecycle/facts.ts';
import { type Warmup, warmupShare } from '../../lifecycle/warmup.ts';

/** Steps of a warm-up in its trace. */
const STEPS = 20;

/** One warm-up: in each step, the part of its weight that consumers give this instance, and its requests. */
export class Warming {
  readonly #clock: Clock;
  readonly #warmup: Warmup;
  readonly #started: () => number;
  readonly #requests: number[] = [];
  #last: number;

  /** @param started requests started since the process began */
  constructor(clock: Clock, warmup: Warmup, started: () => number) {
    this.#clock = clock;
    this.#warmup = warmup;
    this.#started = started;
    this.#last = started();
  }

  /** Resolves when the warm-up time is over, or `signal` is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    while (this.#requests.length < STEPS && !signal.aborted) {
      await sleep(this.#clock, this.#warmup.ms / STEPS, signal);
      const started = this.#started();
      this.#requests.push(started - this.#last);
      this.#last = started;
    }
  }

  /** The steps so far, with the one that has begun. */
  get facts(): Facts['warmup'] {
    const { ms, curve } = this.#warmup;
    const requests = [...this.#requests, this.#started() - this.#last].slice(0, STEPS);
    const middles = requests.map((_, step) => ((step + 0.5) * ms) / STEPS);
    return {
      durationMs: ms,
      curve,
      stepMs: ms / STEPS,
      weights: middles.map((uptime) => Number(warmupShare(uptime, this.#warmup).toFixed(3))),
      requests,
    };
  }
}
