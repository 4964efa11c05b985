import type { Counts } from './load.ts';

/** One shutdown. */
export interface Shutdown {
  readonly service: string;
  readonly durationMs: number;
  /** Connections of clients that were open when the process ended; undefined where they are not counted. */
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
  /** Makes one process leave and starts another in its place. */
  roll(): Promise<void>;
  /** Ends all running processes. */
  close(): Promise<void>;
}
