/** Assumed interval of a caller that has called once, in milliseconds. */
const UNKNOWN_MS = 10_000;

/** A caller that is silent for this many of its longest pauses has stopped calling. */
const PAUSES = 3;

/** Shortest silence, in milliseconds, that counts: a busy process sometimes pauses for a second or two. */
const SHORTEST_MS = 3_000;

/** How long the longest pause counts, in milliseconds. */
const MEMORY_MS = 10 * 60_000;

/** The rhythm of one caller, which shows whether it has stopped. Times are monotonic, in milliseconds. */
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

  /** It has been silent for much longer than its longest pause. */
  hasStopped(now: number): boolean {
    if (this.#last === undefined) return true;
    return now - this.#last > Math.max(SHORTEST_MS, PAUSES * (this.#pauseMs ?? UNKNOWN_MS));
  }
}
