import { whenAborted } from './abort.ts';

/** A running timer. */
export interface Timer {
  cancel(): void;
}

/**
 * The only source of time and of timers. Durations are measured on the monotonic clock, so that a step of the wall clock
 * moves neither a deadline nor the length of a span.
 */
export interface Clock {
  /** Monotonic milliseconds with a fraction; use only differences. */
  now(): number;
  /** Milliseconds since the Unix epoch, by the wall clock. */
  wall(): number;
  /**
   * Calls `fire` once after `ms` milliseconds. The timer never keeps the process alive. With a guarded clock an error or a
   * rejection of `fire` ends only its own work.
   */
  after(ms: number, fire: () => unknown): Timer;
  /** Keeps the process alive until cancelled: for a sequence that must not be cut short by an empty event loop. */
  hold(): Timer;
}

/** Longest time a Node.js timer can run, in milliseconds. */
const LONGEST_MS = 2 ** 31 - 1;

// Taken when this file loads: tests of an application may replace them later by fake timers.
const { setTimeout, clearTimeout, setInterval, clearInterval } = globalThis;
const now = performance.now.bind(performance);

/** The real time. */
export const systemClock: Clock = {
  now,
  wall: () => Date.now(),
  after: (ms, fire) => {
    const timer = setTimeout(fire, Math.max(ms, 0));
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
  hold: () => {
    const timer = setInterval(() => {}, LONGEST_MS);
    return { cancel: () => clearInterval(timer) };
  },
};

/** `clock`, with `guarded` around what its timers call. */
export function guardedClock(clock: Clock, guarded: (fire: () => unknown) => () => void): Clock {
  return { ...clock, after: (ms, fire) => clock.after(ms, guarded(fire)) };
}

/** Resolves after `ms` milliseconds, or as soon as `signal` is aborted; the caller checks the signal. Never rejects. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = clock.after(ms, () => {
      forget?.();
      resolve();
    });
    const forget =
      signal &&
      whenAborted(signal, () => {
        timer.cancel();
        resolve();
      });
  });
}

/** Blocks the thread for `ms` milliseconds: only where the system needs a moment and nothing else may run meanwhile. */
export function sleepSync(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
