import type { Target } from '../config/target.ts';
import type { Sink } from '../lifecycle/journal.ts';
import { OfflineMetrics } from './offline-metrics.ts';
import { createTracing } from './tracer.ts';
import type { Delivery, SpoolUsage, Tracing, TracingOptions } from './tracing.ts';

export interface TelemetryOptions extends Omit<TracingOptions, 'target'> {
  /** Whether spans are made, and metrics of an offline. */
  readonly exported: { readonly traces: boolean; readonly metrics: boolean };
  readonly traces: Target;
  readonly metrics: Target;
}

/** The spans and the metrics of this process. */
export class Telemetry {
  readonly #spans: Tracing | undefined;
  readonly #metrics: OfflineMetrics | undefined;

  constructor({ exported, traces, metrics, ...options }: TelemetryOptions) {
    this.#spans = exported.traces ? createTracing({ ...options, target: traces }) : undefined;
    this.#metrics = exported.metrics ? new OfflineMetrics({ ...options, target: metrics }) : undefined;
  }

  /** Subscribe these to the journal. The first piece of work begins the replay of the spool. */
  get sinks(): readonly Sink[] {
    return [this.#spans, this.#metrics].flatMap((each) => each?.sink ?? []);
  }

  /** What became of the spans so far; undefined when none are made. */
  get delivery(): Delivery | undefined {
    return this.#spans?.delivery;
  }

  /** What waits in the spool, from all processes that share it. Never rejects. */
  async spooled(): Promise<SpoolUsage> {
    return (await this.#spans?.spooled()) ?? { files: 0, bytes: 0 };
  }

  /** Sends what waits, and spools what is not acknowledged within `withinMs` milliseconds. Safe to call more than once. */
  async shutdown(withinMs: number): Promise<object> {
    const [spans, metrics] = await Promise.all([this.#spans?.shutdown(withinMs), this.#metrics?.shutdown(withinMs)]);
    return { ...spans, ...(metrics !== undefined && { metrics }) };
  }
}
