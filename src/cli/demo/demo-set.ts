import type { Counts } from './load.ts';

/** One shutdown. */
export interface Shutdown {
  readonly service: string;
  readonly durationMs: number;
  /** Connections of clients that were open when the process ended; undefined where nobody counts them. */
  readonly connectionsLeft?: number;
}

/** One way of running the same processes. */
export interface DemoSet {
  readonly counts: Counts;
  readonly shutdowns: readonly Shutdown[];
  /** Processes started. */
  readonly starts: number;
  start(): Promise<void>;
  startLoad(perSecond: number): void;
  stopLoad(): Promise<void>;
  /** Lets one process leave, and has one in its place. */
  roll(): Promise<void>;
  /** Ends what still runs. */
  close(): Promise<void>;
}
