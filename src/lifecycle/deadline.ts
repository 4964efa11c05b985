import type { Clock } from './clock.ts';
import { within } from './within.ts';

/** A twelfth of an hour, in milliseconds. */
export const TWELFTH_MS = 300_000;

/** The twelfth of the hour in which a moment lies, 0 to 11. @param at milliseconds since the Unix epoch */
export function twelfthOf(at: number): number {
  return Math.floor(at / TWELFTH_MS) % 12;
}

/**
 * One absolute point in time at which an offline must be over, set once when it starts. Steps share it: each asks what is
 * left, so that their time-outs can never add up to more than the grace period (races R24).
 */
export class Deadline {
  readonly #clock: Clock;
  readonly #at: number;
  readonly #reserve: number;

  /**
   * @param graceMs total budget in milliseconds, from now
   * @param reserveMs part of it that is reserved for sending the trace
   */
  constructor(clock: Clock, graceMs: number, reserveMs: number) {
    this.#clock = clock;
    this.#at = clock.now() + graceMs;
    this.#reserve = reserveMs;
  }

  /** Milliseconds left for work: until the deadline, less the telemetry reserve; never negative. */
  get left(): number {
    return Math.max(0, this.#at - this.#reserve - this.#clock.now());
  }

  /** Milliseconds left for sending the trace; never negative. */
  get leftForTelemetry(): number {
    return Math.max(0, Math.min(this.#reserve, this.#at - this.#clock.now()));
  }

  /** Settles like `work`, or resolves with `late` when the time left for work ends first. */
  within<T, L>(work: Promise<T>, late: L, mostMs: number = Number.POSITIVE_INFINITY): Promise<T | L> {
    return within(this.#clock, Math.min(this.left, mostMs), work, () => late);
  }
}
