import type { OfflineResult } from '../../../src/lifecycle/outcomes.ts';

/** The counts of a whole fleet. */
export class Counts {
  sent = 0;
  served = 0;
  /** Requests to an isolated instance without an alternative. */
  panic = 0;
  /** Requests that found no instance, of connected consumers and of consumers that were cut off. */
  lost = 0;
  lostWhenCut = 0;
  /** Attempts of GoAways. */
  calls = 0;
  spans = 0;
  readonly #series = new Set<string>();
  readonly results = new Map<OfflineResult, number>();
  /** Requests that were sent after the ack, and such that arrived after it. */
  pickedAfterAck = 0;
  arrivedAfterAck = 0;
  /** How long offlines took, in milliseconds. */
  readonly offlineMs: number[] = [];
  /** Time from the beginning of an offline until all consumers were told, in milliseconds. */
  readonly toldMs: number[] = [];

  failed(wasCut: boolean): void {
    if (wasCut) this.lostWhenCut++;
    else this.lost++;
  }

  result(result: OfflineResult): void {
    this.results.set(result, (this.results.get(result) ?? 0) + 1);
  }

  /** Counts a span that ended, and its series of span metrics. */
  span(service: string, name: string, outcome: string): void {
    this.spans++;
    this.#series.add(`${service} ${name} ${outcome}`);
  }

  get series(): number {
    return this.#series.size;
  }
}
