import type { Clock, Timer } from '../../lifecycle/clock.ts';

/** Most calls that are being answered: more make a fan-out slower, not faster. */
export const MOST_AT_ONCE = 256;

/** How often a call that has a place is compared with those begun after it, in milliseconds. */
const COMPARED_MS = 100;

/**
 * A bounded number of places for the calls of one offline. A call that later ones overtake waits for a consumer that may be dead: it
 * goes on without its place, so such consumers hold up nobody. When all answers are slow, this process or its consumers are busy, and
 * no call loses its place.
 */
export class Places {
  readonly #clock: Clock;
  /** Calls that wait for a place. */
  readonly #queue: (() => void)[] = [];
  #taken = 0;
  /** Numbers of the newest call that has begun, and of the newest that has ended. */
  #begun = 0;
  #ended = 0;

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
    const number = ++this.#begun;
    let compared: Timer | undefined;
    const compareLater = (): void => {
      compared = this.#clock.after(COMPARED_MS, () => {
        if (this.#ended < number) return compareLater();
        compared = undefined;
        this.#release();
      });
    };
    compareLater();
    try {
      return await call();
    } finally {
      this.#ended = Math.max(this.#ended, number);
      if (compared !== undefined) this.#release();
      compared?.cancel();
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
