import type { Verdict } from '../../src/trace/model/verdict.ts';

/** One request as its client saw it. Times are milliseconds since the Unix epoch. */
export interface Outcome {
  /** Index of the client. */
  readonly client: number;
  readonly begun: number;
  readonly ended: number;
  /** Why it failed; undefined when the right server answered with 200. */
  readonly failure?: string;
  /** The life it was sent to, where the client knows that. */
  readonly life?: number;
  /** How long after the ack by which its client said that it isolates this life; undefined when it had not said that. */
  readonly sinceAckMs?: number;
}

/** One process of a provider. */
export interface Life {
  readonly index: number;
  readonly provider: string;
  readonly pid: number;
  /** When the registry had confirmed it; undefined when that never happened. */
  readonly readyAt: number | undefined;
  /** The first SIGTERM, or call of `/offline`. */
  readonly leftAt: number | undefined;
  /** SIGKILL, if it had not ended before. */
  readonly killedAt: number | undefined;
  readonly exitedAt: number | undefined;
}

/** One shutdown as its trace tells it. */
export interface Shutdown {
  readonly life: Life;
  readonly verdict: Verdict;
}

/** All that was seen of a run. */
export interface Observed {
  readonly outcomes: readonly Outcome[];
  readonly lives: readonly Life[];
  readonly shutdowns: readonly Shutdown[];
  /** Exit code of `lossless verify` for the service, and what it printed. */
  readonly verify: { readonly code: number; readonly text: string };
  /** When the way between refused a connection that stood already on the client's side. */
  readonly refusedAt: readonly number[];
  readonly beganAt: number;
  readonly endedAt: number;
}
