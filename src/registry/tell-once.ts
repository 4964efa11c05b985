import type { ErrorCode } from '../errors.ts';
import type { Log } from '../log.ts';

/** Most things that are told of. */
const MOST_TOLD = 1_000;

/** Warns of each thing, named by its key, once. */
export class TellOnce {
  readonly #log: Log;
  readonly #told = new Set<string>();

  constructor(log: Log) {
    this.#log = log;
  }

  warn(key: string, code: ErrorCode, message: string): void {
    if (this.#told.has(key) || this.#told.size >= MOST_TOLD) return;
    this.#told.add(key);
    this.#log('warn', message, { code });
  }
}
