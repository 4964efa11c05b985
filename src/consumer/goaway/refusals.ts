import type { Clock } from '../../lifecycle/clock.ts';
import type { Fields, Log } from '../../log.ts';

/** Shortest time between two lines of one reason, in milliseconds. */
const EVERY_MS = 1_000;

interface Window {
  /** Refusals since the last line. */
  count: number;
  last: () => void;
}

/** Logs refused messages of strangers, at most once a second for each reason; each line counts those left out before it. */
export class Refusals {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #windows = new Map<string, Window>();

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  /** @param reason one of a few; each has a second of its own */
  warn(reason: string, message: string, fields: Fields): void {
    const window = this.#windows.get(reason);
    if (window === undefined) {
      this.#write(reason, message, fields, 0);
      return;
    }
    window.count++;
    window.last = () => this.#write(reason, message, fields, window.count - 1);
  }

  #write(reason: string, message: string, fields: Fields, leftOut: number): void {
    this.#log('warn', message, leftOut === 0 ? fields : { ...fields, left_out: leftOut });
    const window: Window = { count: 0, last: () => {} };
    this.#windows.set(reason, window);
    this.#clock.after(EVERY_MS, () => {
      this.#windows.delete(reason);
      if (window.count > 0) window.last();
    });
  }
}
