/** What goes to a collector, each to an address of its own. */
export type Signal = 'traces' | 'metrics';

/** How each signal is written (OpenTelemetry protocol specification 1.9). */
export interface SignalSchema {
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
  traces: { list: 'resourceSpans', rejected: 'rejectedSpans', suffix: '.json', items: 'spans' },
  metrics: { list: 'resourceMetrics', rejected: 'rejectedDataPoints', suffix: '.metrics', items: 'metrics' },
};
