import type { OfflineResult } from '../../../src/lifecycle/outcomes.ts';

/** The counts of a whole fleet. */
export class Counts {
  sent = 0;
  served = 0;
  /** Requests to an isolated instance without an alternative. */
  panic = 0;
  /** Requests that found no instance, of consumers that were not cut off, and of those that were. */
  lost = 0;
  lostWhenCut = 0;
  /** Attempts of GoAways. */
  calls = 0;
  spans = 0;
  readonly #series = new Set<string>();
  readonly results = new Map<OfflineResult, number>();
  /** Addresses to which requests were sent after the ack. */
  readonly pickedAfterAck: string[] = [];
  /** Durations of offlines, in milliseconds. */
  readonly offlineMs: number[] = [];
  /** Time from the beginning of an offline until all consumers were told, in milliseconds. */
  readonly toldMs: number[] = [];

  failed(wasCut: boolean): void {
    if (wasCut) this.lostWhenCut++;
    else this.lost++;
  }

  afterAck(address: string): void {
    this.pickedAfterAck.push(address);
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
