import type { Sink } from '../lifecycle/journal.ts';
import type { Log } from '../log.ts';
import type { Identity } from '../protocol/identity.ts';

/** Where the spans go and in whose name. */
export interface TracingOptions {
  /** Put on every span and on the resource. Asked when the first record arrives. */
  readonly identity: () => Identity;
  /** Full URL of the traces endpoint, `/v1/traces` included. */
  readonly endpoint: URL;
  /** Further resource attributes, from OTEL_RESOURCE_ATTRIBUTES. */
  readonly resource: Readonly<Record<string, string>>;
  /** Where spans wait that could not be sent. */
  readonly spoolDir: string;
  readonly log: Log;
}

/** What became of the spans of this process. */
export interface Delivery {
  readonly exported: number;
  readonly spooled: number;
  readonly lost: number;
}

/** Makes spans of records and delivers them. */
export interface Tracing {
  /** To be subscribed to the journal. Cheap until the first record; then loads the SDK and buffers meanwhile. */
  readonly sink: Sink;
  /** Sends what waits; what is not acknowledged within `withinMs` milliseconds is spooled. Safe to call more than once. */
  shutdown(withinMs: number): Promise<Delivery>;
  /** So far, for metrics. */
  readonly delivery: Delivery;
}
