/** Once is no rhythm: who has called once counts as calling every so many milliseconds. */
const UNKNOWN_MS = 10_000;

/** Who is silent for so many times its longest pause has stopped calling. */
const PAUSES = 3;

/** Shortest silence, in milliseconds, that tells anything: a busy process pauses for a second or two now and then. */
const SHORTEST_MS = 3_000;

/** How long the longest pause counts, in milliseconds. */
const MEMORY_MS = 10 * 60_000;

/** When one caller calls: tells whether it has stopped. Times are monotonic, in milliseconds. */
export class Rhythm {
  #last: number | undefined;
  #pauseMs: number | undefined;
  #pausedAt = 0;

  /** A request has come. */
  beat(now: number): void {
    if (this.#last !== undefined) {
      const pauseMs = now - this.#last;
      if (this.#pauseMs === undefined || pauseMs >= this.#pauseMs || now - this.#pausedAt > MEMORY_MS) {
        this.#pauseMs = pauseMs;
        this.#pausedAt = now;
      }
    }
    this.#last = now;
  }

  /** It has been silent for much longer than it ever was between two requests. */
  hasStopped(now: number): boolean {
    if (this.#last === undefined) return true;
    return now - this.#last > Math.max(SHORTEST_MS, PAUSES * (this.#pauseMs ?? UNKNOWN_MS));
  }
}
