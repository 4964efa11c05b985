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

/**
 * Waits that grow with each failure in a row: whatever of ours is tried again. Measures no time itself. What is looked at at a
 * steady pace (heartbeats, polls, probes of the own process) has no failures to count, and is spread by {@link jitter}.
 */
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

/** A tenth more or less, so that many processes do not ask in step. */
export function jitter(ms: number): number {
  return ms * (0.9 + Math.random() * 0.2);
}
