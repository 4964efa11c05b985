import type { Clock } from './clock.ts';
import type { Journal } from './journal.ts';
import type { SpanIds } from './records.ts';
import { next, type State, type Trigger } from './transitions.ts';

/** The state of one instance. `move` is the only writer. */
export class Machine {
  readonly #journal: Journal;
  readonly #clock: Clock;
  #state: State = 'created';
  #since: number;

  constructor(journal: Journal, clock: Clock) {
    this.#journal = journal;
    this.#clock = clock;
    this.#since = clock.wall();
  }

  get state(): State {
    return this.#state;
  }

  /** Time of the last move, in milliseconds since the Unix epoch. */
  get since(): number {
    return this.#since;
  }

  /** Takes the legal move for `trigger` and returns true; otherwise records the refusal and returns false. */
  move(trigger: Trigger, ids?: SpanIds): boolean {
    const from = this.#state;
    const to = next(from, trigger);
    if (to === undefined) {
      this.#journal.move('refused', from, trigger, from, ids);
      return false;
    }
    this.#state = to;
    this.#since = this.#clock.wall();
    this.#journal.move('transition', from, trigger, to, ids);
    return true;
  }
}
