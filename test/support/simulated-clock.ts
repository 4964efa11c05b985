import type { Clock, Timer } from '../../src/lifecycle/clock.ts';

/** A clock that stands still until it is told to go on. */
export class SimulatedClock implements Clock {
  #now = 0;
  #wall = 1_790_000_000_000;
  readonly #realWall: (() => number) | undefined;
  #timers: { at: number; order: number; fire: () => void }[] = [];
  #order = 0;
  /** Holds that are not released. */
  held = 0;

  /** @param wall the wall clock; default: one that goes with this clock. Time stamps of files need `Date.now`. */
  constructor(wall?: () => number) {
    this.#realWall = wall;
  }

  now = (): number => this.#now;
  wall = (): number => this.#realWall?.() ?? this.#wall;

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

  /** Lets time pass; timers fire in order. */
  pass(ms: number): void {
    const until = this.#now + ms;
    while (this.#fireNext(until));
    this.stall(Math.max(0, until - this.#now));
  }

  /** The same, but what a timer started settles before the next one fires. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    do await settle();
    while (this.#fireNext(until));
    this.stall(Math.max(0, until - this.#now));
    await settle();
  }

  /** Moves on to the next timer and fires it, unless it is later than `until`; a stall may have left it behind. */
  #fireNext(until: number): boolean {
    const next = this.#timers.sort((a, b) => a.at - b.at || a.order - b.order)[0];
    if (next === undefined || next.at > until) return false;
    this.#timers.shift();
    this.stall(Math.max(0, next.at - this.#now));
    next.fire();
    return true;
  }
}

/** Enough turns that promises which wait for each other are done. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}
