import type { Target } from '../config/target.ts';
import type { Clock } from '../lifecycle/clock.ts';
import type { Sink } from '../lifecycle/journal.ts';
import type { Log } from '../log.ts';
import type { Identity } from '../protocol/identity.ts';

/** Where the spans go, or the metrics, and in whose name. */
export interface TracingOptions {
  readonly clock: Clock;
  /** Put on every span and on the resource. Asked when a span starts, and when metrics are made. */
  readonly identity: () => Identity;
  readonly target: Target;
  /** Further resource attributes, from OTEL_RESOURCE_ATTRIBUTES. */
  readonly resource: Readonly<Record<string, string>>;
  /** Where waits what could not be sent. */
  readonly spoolDir: string;
  readonly log: Log;
}

/** What became of the spans of this process, or of its metrics. */
export interface Delivery {
  readonly exported: number;
  readonly spooled: number;
  readonly lost: number;
}

/** What waits in the spool. */
export interface SpoolUsage {
  readonly files: number;
  readonly bytes: number;
}

/** Makes spans of records and delivers them. */
export interface Tracing {
  /**
   * To be subscribed to the journal. With the first piece of work it begins to send what earlier processes left in the spool, now and
   * again until it is empty.
   */
  readonly sink: Sink;
  /** So far. */
  readonly delivery: Delivery;
  /** What waits in the spool, of all processes that share it. Never rejects. */
  spooled(): Promise<SpoolUsage>;
  /** Sends what waits; what is not acknowledged within `withinMs` milliseconds is spooled. Safe to call more than once. */
  shutdown(withinMs: number): Promise<Delivery>;
}
