import { asError } from '../../errors.ts';
import type { Log } from '../../log.ts';

/** Most names that are told apart, and the longest, in characters: they are for people. */
const MOST_NAMES = 100;
const LONGEST_NAME = 100;

/** What tasks are called that come under ever new names. */
const OTHERS = 'others';

/** Work of the application that is no request: jobs, messages of a queue. An offline waits for it. */
export class Tasks {
  readonly #log: Log;
  readonly #running = new Map<string, number>();
  #count = 0;
  #begun = 0;

  constructor(log: Log) {
    this.#log = log;
  }

  /** Tasks that run. */
  get count(): number {
    return this.#count;
  }

  /** Tasks that have begun since the process started. */
  get begun(): number {
    return this.#begun;
  }

  /** How many run under each name. */
  get running(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#running);
  }

  /** Counts `task` until it settles. */
  add(name: string, task: PromiseLike<unknown>): void {
    const key = this.#key(name);
    this.#running.set(key, (this.#running.get(key) ?? 0) + 1);
    this.#count++;
    this.#begun++;
    task.then(
      () => this.#over(key),
      (thrown) => {
        this.#over(key);
        this.#log('warn', `${key} of the application failed: ${asError(thrown).message}`, {
          code: 'LOSSLESS_TASK_FAILED',
        });
      },
    );
  }

  #key(name: string): string {
    const short = name.slice(0, LONGEST_NAME);
    return this.#running.has(short) || this.#running.size < MOST_NAMES ? short : OTHERS;
  }

  #over(key: string): void {
    this.#count--;
    const left = (this.#running.get(key) ?? 1) - 1;
    if (left > 0) this.#running.set(key, left);
    else this.#running.delete(key);
  }
}
