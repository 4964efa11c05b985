import { asError } from '../../errors.ts';
import type { Log } from '../../log.ts';

/** Most names, and the longest one, in characters: they are for people. */
const MOST_NAMES = 100;
const LONGEST_NAME = 100;

/** Name of tasks beyond the most names. */
const OTHERS = 'others';

/** Work of the application other than requests: jobs, messages of a queue. An offline waits for it. */
export class Tasks {
  readonly #log: Log;
  readonly #running = new Map<string, number>();
  /** Names whose first failure is logged. */
  readonly #said = new Set<string>();
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

  /** Running tasks, by name. */
  get running(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#running);
  }

  /** Counts `task` until it settles. `task` may be any value. */
  add(name: string, task: unknown): void {
    const key = this.#key(String(name));
    this.#running.set(key, (this.#running.get(key) ?? 0) + 1);
    this.#count++;
    this.#begun++;
    Promise.resolve(task).then(
      () => this.#over(key),
      (thrown) => {
        this.#over(key);
        this.#sayOnce(key, asError(thrown).message);
      },
    );
  }

  #key(name: string): string {
    const short = name.slice(0, LONGEST_NAME);
    return this.#running.has(short) || this.#running.size < MOST_NAMES ? short : OTHERS;
  }

  #sayOnce(key: string, message: string): void {
    if (this.#said.has(key) || this.#said.size > MOST_NAMES) return;
    this.#said.add(key);
    this.#log('warn', `${key} of the application failed: ${message}`, { code: 'LOSSLESS_TASK_FAILED' });
  }

  #over(key: string): void {
    this.#count--;
    const left = (this.#running.get(key) ?? 1) - 1;
    if (left > 0) this.#running.set(key, left);
    else this.#running.delete(key);
  }
}
