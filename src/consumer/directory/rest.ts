import { Backoff } from '../../lifecycle/backoff.ts';
import type { Clock, Timer } from '../../lifecycle/clock.ts';

/** An instance restarted on the same address is a new generation, which does not wait for the end of a rest. */
const WAITS = { initialMs: 1_000, factor: 1.6, capMs: 30_000 };

/** Passed over; to be tried by one request; being tried by it. `none`: like any other. */
type State = 'none' | 'resting' | 'due' | 'probing';

/**
 * How an instance is spared that could not be connected to: it is passed over for a while, then one request at a time tries
 * it, and each that fails makes the next while longer. A request that never tells how it went (it was aborted) counts as
 * neither: after the same while another one tries.
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

  /** Whether the instance is used only if there is no other. */
  get isPassedOver(): boolean {
    return this.#state === 'resting' || this.#state === 'probing';
  }

  /** Whether the instance was connected to when it was last tried. */
  get isOver(): boolean {
    return this.#state === 'none';
  }

  /** Whether the next request to the instance is the one that tries it. */
  get isDue(): boolean {
    return this.#state === 'due';
  }

  /** No connection was made. Returns whether that changes anything: of those that fail together the first counts. */
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

  /** It could be connected to, or has answered. Returns whether that changes anything. */
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
