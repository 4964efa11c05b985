import type { Verdict } from '../../src/trace/model/verdict.ts';

/** One row of the list. */
export interface Shutdown extends Verdict {
  /** Milliseconds since the Unix epoch; null while the root has not arrived. */
  readonly endedAt: number | null;
  /** Problems beyond those that are told. */
  readonly moreProblems: number;
}

/** How many ended how, by what their roots say. */
export interface RootCounts {
  readonly starts: number;
  /** Those that ended and could have lost something. */
  readonly shutdowns: number;
  /** Those of them of which the root tells no loss. Whether all of its trace is there is not looked at. */
  readonly lossless: number;
}

export interface ShutdownList {
  /** Services to choose from. */
  readonly services: readonly string[];
  /** Of all that are asked for, on every page and with every result. */
  readonly counts: RootCounts;
  readonly shutdowns: readonly Shutdown[];
  /** `before` of the page that follows; null on the last. */
  readonly next: number | null;
}
