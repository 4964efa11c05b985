/** A running timer. */
export interface Timer {
  cancel(): void;
}

/**
 * The only source of time and of timers. Durations are measured on the monotonic clock, so that a step of the wall clock
 * moves neither a deadline nor the length of a span.
 */
export interface Clock {
  /** Monotonic milliseconds with a fraction; only differences mean something. */
  now(): number;
  /** Milliseconds since the Unix epoch, as the wall clock says now. */
  wall(): number;
  /** Calls `fire` once after `ms` milliseconds. The timer never keeps the process alive. */
  after(ms: number, fire: () => void): Timer;
}

/** The real time. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after: (ms, fire) => {
    const timer = setTimeout(fire, ms);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};

/** Resolves after `ms` milliseconds. */
export function sleep(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(ms, resolve);
  });
}
