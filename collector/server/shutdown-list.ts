import type { Verdict } from '../../src/trace/model/verdict.ts';

/** One row of the list. */
export interface Shutdown extends Verdict {
  /** Milliseconds since the Unix epoch; null while the root has not arrived. */
  readonly endedAt: number | null;
  /** Number of problems beyond those in `problems`. */
  readonly moreProblems: number;
}

/** Totals by the results in the roots. */
export interface RootCounts {
  readonly starts: number;
  /** Shutdowns that ended and could have lost something. */
  readonly shutdowns: number;
  /** Shutdowns among them whose root tells of no loss. Their traces may be incomplete. */
  readonly lossless: number;
}

export interface ShutdownList {
  /** Services to choose from. */
  readonly services: readonly string[];
  /** Totals under the filters, on every page and with every result. */
  readonly counts: RootCounts;
  readonly shutdowns: readonly Shutdown[];
  /** `before` of the next page; null on the last. */
  readonly next: number | null;
}
