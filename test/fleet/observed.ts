import type { Verdict } from '../../src/trace/model/verdict.ts';

/** One request from the view of its client. Times are milliseconds since the Unix epoch. */
export interface Outcome {
  /** Index of the client. */
  readonly client: number;
  readonly begun: number;
  readonly ended: number;
  /** Why it failed; undefined when the right server answered with 200. */
  readonly failure?: string;
  /** The life to which the client sent it, where the client knows that. */
  readonly life?: number;
  /** Time since its client acked the isolation of this life; undefined without an ack. */
  readonly sinceAckMs?: number;
}

/** One process of a provider. */
export interface Life {
  readonly index: number;
  readonly provider: string;
  readonly pid: number;
  /** When the registry confirmed it; undefined when it never did. */
  readonly readyAt: number | undefined;
  /** The first SIGTERM, or call of `/offline`. */
  readonly leftAt: number | undefined;
  /** Time of a SIGKILL before its end. */
  readonly killedAt: number | undefined;
  readonly exitedAt: number | undefined;
}

/** One shutdown by its trace. */
export interface Shutdown {
  readonly life: Life;
  readonly verdict: Verdict;
}

/** All observations of a run. */
export interface Observed {
  readonly outcomes: readonly Outcome[];
  readonly lives: readonly Life[];
  readonly shutdowns: readonly Shutdown[];
  /** Exit code and output of `lossless verify` for the service. */
  readonly verify: { readonly code: number; readonly text: string };
  /** When a delaying proxy met a refusal after it had accepted the client's connection. */
  readonly refusedAt: readonly number[];
  readonly beganAt: number;
  readonly endedAt: number;
}
