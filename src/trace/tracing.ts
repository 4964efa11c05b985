import type { Target } from '../config/target.ts';
import type { Clock } from '../lifecycle/clock.ts';
import type { Sink } from '../lifecycle/journal.ts';
import type { Log } from '../log.ts';
import type { Identity } from '../protocol/identity.ts';

/** Destination of spans or metrics, and the identity of their process. */
export interface TracingOptions {
  readonly clock: Clock;
  /** Put on every span and on the resource. Asked when a span starts, and when metrics are made. */
  readonly identity: () => Identity;
  readonly target: Target;
  /** Further resource attributes, from OTEL_RESOURCE_ATTRIBUTES. */
  readonly resource: Readonly<Record<string, string>>;
  /** Directory of unsent spans and metrics. */
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

/** Makes spans from records and delivers them. */
export interface Tracing {
  /**
   * Subscribe this to the journal. Cheap until the first piece of work, which begins the replay of the spool.
   */
  readonly sink: Sink;
  /** So far. */
  readonly delivery: Delivery;
  /** What waits in the spool, from all processes that share it. Never rejects. */
  spooled(): Promise<SpoolUsage>;
  /** Sends what waits, and spools what is not acknowledged within `withinMs` milliseconds. Safe to call more than once. */
  shutdown(withinMs: number): Promise<Delivery>;
}
