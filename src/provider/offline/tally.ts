import type { GoAwayResult } from '../../lifecycle/outcomes.ts';

/** Counts of outcomes of some consumers. They are read often, so they are counted as outcomes come. */
export class Tally {
  /** Including those that have exited. */
  known = 0;
  acked = 0;
  failed = 0;
  gone = 0;
  readonly #causes = new Map<string, number>();

  /** Consumers to tell. */
  get planned(): number {
    return this.known - this.gone;
  }

  begin(): void {
    this.known++;
  }

  /** @param cause why it has not acked */
  end(result: GoAwayResult, cause: string): void {
    if (result === 'acked') this.acked++;
    else if (result === 'gone') this.gone++;
    else if (result !== 'cancelled') this.#fail(cause, 1);
  }

  /** One that has failed for that cause is told again. */
  takeBack(cause: string): void {
    this.#fail(cause, -1);
  }

  #fail(cause: string, by: 1 | -1): void {
    this.failed += by;
    this.#causes.set(cause, (this.#causes.get(cause) ?? 0) + by);
  }

  /** Why some have not acked, the most frequent cause first: `3 refused, 1 self`. */
  get causes(): string {
    return [...this.#causes]
      .filter(([, count]) => count > 0)
      .sort(([, one], [, other]) => other - one)
      .map(([cause, count]) => `${count} ${cause}`)
      .join(', ');
  }
}
