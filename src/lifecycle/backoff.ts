export interface BackoffOptions {
  /** First wait, in milliseconds. */
  readonly initialMs: number;
  /** Growth of each further wait: at least 1. */
  readonly factor: number;
  /** Longest wait, in milliseconds. */
  readonly capMs: number;
  /** Largest random part, 0 to 1, by which a wait is shortened, so that many processes do not retry together. Default: 0.2. */
  readonly jitter?: number;
  /** At least 0 and less than 1. Default: `Math.random`. */
  readonly random?: () => number;
}

/**
 * Waits between retries, which grow with each failure in a row. It measures no time itself. Work at a steady pace (heartbeats,
 * polls, probes of the own process) uses {@link jitter} instead.
 */
export class Backoff {
  readonly #options: Required<BackoffOptions>;
  #nextMs: number;

  constructor(options: BackoffOptions) {
    this.#options = { jitter: 0.2, random: Math.random, ...options };
    this.#nextMs = options.initialMs;
  }

  /** The wait after one more failure, in milliseconds. */
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

/** `ms`, a tenth more or less, so that many processes do not ask at the same moment. */
export function jitter(ms: number): number {
  return ms * (0.9 + Math.random() * 0.2);
}
