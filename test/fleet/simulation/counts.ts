import type { OfflineResult } from '../../../src/lifecycle/outcomes.ts';

/** What is counted of a whole fleet. */
export class Counts {
  sent = 0;
  served = 0;
  /** Requests to an isolated instance because there was nobody else. */
  panic = 0;
  /** Requests that found nobody, of consumers that were not cut off, and of such as were. */
  lost = 0;
  lostWhenCut = 0;
  /** GoAways, each attempt one. */
  calls = 0;
  spans = 0;
  readonly #series = new Set<string>();
  readonly results = new Map<OfflineResult, number>();
  /** Requests that were sent after the ack, and such that arrived after it. */
  pickedAfterAck = 0;
  arrivedAfterAck = 0;
  /** How long offlines took, in milliseconds. */
  readonly offlineMs: number[] = [];
  /** From the beginning of an offline until all were told, in milliseconds. */
  readonly toldMs: number[] = [];

  failed(wasCut: boolean): void {
    if (wasCut) this.lostWhenCut++;
    else this.lost++;
  }

  result(result: OfflineResult): void {
    this.results.set(result, (this.results.get(result) ?? 0) + 1);
  }

  /** A span ended, of which span metrics make a series. */
  span(service: string, name: string, outcome: string): void {
    this.spans++;
    this.#series.add(`${service} ${name} ${outcome}`);
  }

  get series(): number {
    return this.#series.size;
  }
}
