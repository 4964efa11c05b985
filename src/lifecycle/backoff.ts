export interface BackoffOptions {
  /** First wait, in milliseconds. */
  readonly initialMs: number;
  /** How much longer each further wait is: at least 1. */
  readonly factor: number;
  /** Longest wait, in milliseconds. */
  readonly capMs: number;
  /** Part of a wait, 0 to 1, by which chance shortens it: so that many who wait do not come back together. Default: 0.2. */
  readonly jitter?: number;
  /** At least 0 and less than 1. Default: `Math.random`. */
  readonly random?: () => number;
}

/** Waits that grow with each failure in a row. Measures no time itself. */
export class Backoff {
  readonly #options: Required<BackoffOptions>;
  #nextMs: number;

  constructor(options: BackoffOptions) {
    this.#options = { jitter: 0.2, random: Math.random, ...options };
    this.#nextMs = options.initialMs;
  }

  /** How long to wait after one more failure, in milliseconds. */
  next(): number {
    const { factor, capMs, jitter, random } = this.#options;
    const ms = Math.min(this.#nextMs, capMs);
    this.#nextMs = ms * factor;
    return ms * (1 - jitter * random());
  }

  /** Something succeeded: the next failure is the first one again. */
  reset(): void {
    this.#nextMs = this.#options.initialMs;
  }
}
