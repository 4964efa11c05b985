import { Backoff } from '../../lifecycle/backoff.ts';
import type { Clock, Timer } from '../../lifecycle/clock.ts';

/** An instance restarted on the same address is a new generation, which does not wait for the end of a rest. */
const WAITS = { initialMs: 1_000, factor: 1.6, capMs: 30_000 };

/** Passed over; to be tried by one request; being tried by it. `none`: like any other. */
type State = 'none' | 'resting' | 'due' | 'probing';

/**
 * The rest of an instance that could not be connected to. It is not picked for a while, then one request at a time tries it, and
 * each failure makes the next rest longer. An aborted request is neither a success nor a failure: after the same time another one
 * tries.
 */
export class Rest {
  readonly #clock: Clock;
  readonly #onDue: () => void;
  readonly #backoff = new Backoff(WAITS);
  #state: State = 'none';
  #ms = 0;
  #timer: Timer | undefined;

  /** @param onDue the instance may be tried again */
  constructor(clock: Clock, onDue: () => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  /** Whether the instance is used only without another one. */
  get isPassedOver(): boolean {
    return this.#state === 'resting' || this.#state === 'probing';
  }

  /** Whether the last try to connect succeeded. */
  get isOver(): boolean {
    return this.#state === 'none';
  }

  /** Whether the next request to the instance is the one that tries it. */
  get isDue(): boolean {
    return this.#state === 'due';
  }

  /** A connection failed. Returns whether that changes the state: of several that fail together only the first counts. */
  failed(): boolean {
    if (this.#state === 'resting') return false;
    this.#ms = this.#backoff.next();
    this.#wait('resting');
    return true;
  }

  /** A request is about to try. */
  probe(): void {
    this.#wait('probing');
  }

  /** A connection succeeded, or the instance has answered. Returns whether that changes the state. */
  succeeded(): boolean {
    if (this.#state === 'none') return false;
    this.#timer?.cancel();
    this.#backoff.reset();
    this.#state = 'none';
    return true;
  }

  #wait(state: State): void {
    this.#timer?.cancel();
    this.#state = state;
    this.#timer = this.#clock.after(this.#ms, () => {
      this.#state = 'due';
      this.#onDue();
    });
  }
}
