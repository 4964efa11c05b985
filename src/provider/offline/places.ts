import type { Clock } from '../../lifecycle/clock.ts';

/** Most calls that are being answered: more make a fan-out slower, not faster. */
export const MOST_AT_ONCE = 256;

/**
 * How long a call without an answer counts as being answered, in milliseconds. What only waits costs nothing, so consumers that are
 * dead hold up nobody.
 */
const ANSWERED_MS = 100;

/** A bounded number of places for the calls of one offline. */
export class Places {
  readonly #clock: Clock;
  /** Calls that wait for a place. */
  readonly #queue: (() => void)[] = [];
  #taken = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Makes `call` as soon as there is a place.
   *
   * @param isFurther whether it repeats one that has had a place; it then goes first
   */
  async take<T>(isFurther: boolean, call: () => Promise<T>): Promise<T> {
    await this.#free(isFurther);
    let isKept = true;
    const leave = (): void => {
      if (isKept) this.#release();
      isKept = false;
    };
    const late = this.#clock.after(ANSWERED_MS, leave);
    try {
      return await call();
    } finally {
      late.cancel();
      leave();
    }
  }

  async #free(isFurther: boolean): Promise<void> {
    if (this.#taken < MOST_AT_ONCE) this.#taken++;
    else await new Promise<void>((resolve) => (isFurther ? this.#queue.unshift(resolve) : this.#queue.push(resolve)));
  }

  #release(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#taken--;
    else next();
  }
}
