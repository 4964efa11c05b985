import type { Clock, Timer } from '../../src/lifecycle/clock.ts';

/** A clock that moves only when told to. */
export class SimulatedClock implements Clock {
  #now = 0;
  #wall = 1_790_000_000_000;
  readonly #realWall: (() => number) | undefined;
  #timers: { at: number; order: number; fire: () => void }[] = [];
  #order = 0;
  /** Unreleased holds. */
  held = 0;

  /** @param wall the wall clock. Default: one that moves with this clock. Time stamps of files need `Date.now`. */
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

  /** Lets time pass without firing timers, like a stall of the event loop. */
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

  /** Lets time pass; promises that a timer started settle before the next timer fires. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    do await settle();
    while (this.#fireNext(until));
    this.stall(Math.max(0, until - this.#now));
    await settle();
  }

  /** Moves to the next timer and fires it, unless it is later than `until`. After a stall the timer may lie in the past. */
  #fireNext(until: number): boolean {
    const next = this.#timers.sort((a, b) => a.at - b.at || a.order - b.order)[0];
    if (next === undefined || next.at > until) return false;
    this.#timers.shift();
    this.stall(Math.max(0, next.at - this.#now));
    next.fire();
    return true;
  }
}

/** Waits enough turns for chains of promises to settle. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}
