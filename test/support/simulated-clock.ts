import type { Clock, Timer } from '../../src/lifecycle/clock.ts';

/** A clock that stands still until it is told to go on. */
export class SimulatedClock implements Clock {
  #now = 0;
  #wall = 1_790_000_000_000;
  #timers: { at: number; order: number; fire: () => void }[] = [];
  #order = 0;
  /** Holds that are not released. */
  held = 0;

  now = (): number => this.#now;
  wall = (): number => this.#wall;

  after = (ms: number, fire: () => void): Timer => {
    const timer = { at: this.#now + Math.max(0, ms), order: this.#order++, fire };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((each) => each !== timer);
      },
    };
  };

  /** Timers that have neither fired nor been cancelled. */
  get pending(): number {
    return this.#timers.length;
  }

  hold = (): Timer => {
    this.held++;
    return { cancel: () => this.held-- };
  };

  /** Moves the wall clock alone, as an administrator does. */
  stepWall(ms: number): void {
    this.#wall += ms;
  }

  /** Lets time pass without a timer firing: a stall of the event loop. */
  stall(ms: number): void {
    this.#now += ms;
    this.#wall += ms;
  }

  /** Lets time pass; timers fire in order, and what they started settles before the next one does. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    for (;;) {
      await settle();
      const next = this.#timers.sort((a, b) => a.at - b.at || a.order - b.order)[0];
      if (next === undefined || next.at > until) break;
      this.#timers.shift();
      this.stall(Math.max(0, next.at - this.#now));
      next.fire();
    }
    this.stall(Math.max(0, until - this.#now));
    await settle();
  }
}

/** Enough turns that promises which wait for each other are done. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}
