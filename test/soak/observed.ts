import type { ChaosName, Tier } from './plan.ts';

/** Why a call failed. */
export interface Reason {
  readonly text: string;
  /** Port of the instance to which it was written; 0 when it was written to none. */
  readonly port: number;
}

/** A request of a caller that was not answered with 200. Times are milliseconds since the Unix epoch, here and below. */
export interface Lost extends Reason {
  readonly caller: string;
  readonly begun: number;
  readonly ended: number;
}

export interface Failure extends Lost {
  /** The step that was being played. */
  readonly step: number;
}

/** A step that could not be played to its end. */
export interface Broken {
  readonly step: number;
  readonly text: string;
}

/** Measurements of a process by itself, after a garbage collection. */
export interface Measured {
  readonly heapBytes: number;
  readonly rssBytes: number;
  /** Sent so far. */
  readonly requests: number;
}

/** One process with the plugin. */
export interface Life {
  readonly name: string;
  readonly tier: Tier | 'caller';
  readonly pid: number;
  readonly port: number;
  readonly leftAt: number | undefined;
  readonly killedAt: number | undefined;
  readonly endedAt: number | undefined;
  /** It had to be killed, long after its grace period. */
  readonly isHung: boolean;
  /** The time at which it reported lost spans. */
  readonly lostAt: readonly number[];
}

/**
 * What became of a trace. `whole`: all of it is there. `said`: something is missing, and a process that owed spans of it said that
 * it lost some. `killed`: such a process was killed. `silent`: something is missing, and nobody said so.
 */
export type TraceState = 'whole' | 'said' | 'killed' | 'silent';

/** A process that was asked to leave, and was not killed. */
export interface Shutdown {
  readonly name: string;
  readonly step: number;
  readonly chaos: ChaosName;
  readonly durationMs: number;
  /** By its trace; `missing` when the end of that never arrived. */
  readonly result: string;
  readonly trace: TraceState;
  readonly problems: readonly string[];
}

/** All that was seen of a run. */
export interface Observed {
  /** Steps that were played, by chaos. */
  readonly steps: Readonly<Partial<Record<ChaosName, number>>>;
  readonly broken: readonly Broken[];
  /** Why a chaos was not played. */
  readonly lacks: Readonly<Partial<Record<ChaosName, string>>>;
  readonly requests: number;
  readonly failures: readonly Failure[];
  readonly lives: readonly Life[];
  readonly shutdowns: readonly Shutdown[];
  /** Repeated measurements of values that must not grow, by name. */
  readonly series: ReadonlyMap<string, readonly number[]>;
  /** Files that are left in the spool when all was sent. */
  readonly spooled: readonly string[];
}
