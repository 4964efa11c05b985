import type { Signal } from '../config/target.ts';

/** How each signal is written (OpenTelemetry protocol specification 1.9). */
export interface SignalSchema {
  /** The messages of Protobuf for a request and its answer. */
  readonly request: string;
  readonly response: string;
  /** The field of a request body that holds everything. */
  readonly list: string;
  /** The field of a partial success that counts rejected items. */
  readonly rejected: string;
  /** Suffix of its spooled files. A version that knows only one signal leaves the other's files alone. */
  readonly suffix: string;
  /** The word for its items in messages. */
  readonly items: string;
}

export const SIGNALS: Readonly<Record<Signal, SignalSchema>> = {
  traces: {
    request: 'TracesRequest',
    response: 'TracesResponse',
    list: 'resourceSpans',
    rejected: 'rejectedSpans',
    suffix: '.json',
    items: 'spans',
  },
  metrics: {
    request: 'MetricsRequest',
    response: 'MetricsResponse',
    list: 'resourceMetrics',
    rejected: 'rejectedDataPoints',
    suffix: '.metrics',
    items: 'metrics',
  },
};
