import type { ErrorCode } from '../errors.ts';
import type { Log } from '../log.ts';

/** Most different warnings. */
const MOST_TOLD = 1_000;

/** Logs one warning for each key. */
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
