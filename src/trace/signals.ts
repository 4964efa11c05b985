import type { Signal } from '../config/target.ts';

/** How each signal is written (OpenTelemetry protocol specification 1.9). */
export interface SignalSchema {
  /** Names of a request and of its answer, as messages of Protobuf. */
  readonly request: string;
  readonly response: string;
  /** The field of a request body that holds everything. */
  readonly list: string;
  /** The field of a partial success that counts what is never taken. */
  readonly rejected: string;
  /** How the names of its spooled files end. Versions that know one signal only leave the other's files alone. */
  readonly suffix: string;
  /** What is counted, for people. */
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
