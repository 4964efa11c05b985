import type { Coverage, WorkName } from '../../lifecycle/facts.ts';
import { ATTR, type AttributeName } from './schema.ts';

/** The parts of an offline that have a time of their own, by the work that records them. */
export const PARTS = ['notify', 'deregister', 'entry', 'drain', 'stop'] as const satisfies readonly WorkName[];

/** A part of an offline. */
export type Part = (typeof PARTS)[number];

/** Outcomes of the consumers of an instance that left. */
export const OUTCOMES = [
  'planned',
  'acked',
  'idle',
  'failed',
  'gone',
  'stranded',
] as const satisfies readonly (keyof Coverage)[];

/** Attributes of points that no span has. */
export const POINT_ATTR = { phase: 'lossless.offline.phase', outcome: 'lossless.consumers.outcome' } as const;

/** An attribute of a point. */
export type PointAttribute = (typeof POINT_ATTR)[keyof typeof POINT_ATTR] | AttributeName;

/** Meaning and values of each. */
export const POINT_ATTRIBUTES = {
  'lossless.offline.phase': { doc: 'Part of the offline.', values: PARTS },
  'lossless.consumers.outcome': {
    doc: 'As the attributes `lossless.fanout.*` of the span `lossless.offline`. An `acked` consumer is a `planned` one too.',
    values: OUTCOMES,
  },
} as const satisfies Readonly<
  Record<(typeof POINT_ATTR)[keyof typeof POINT_ATTR], { readonly doc: string; readonly values: readonly string[] }>
>;

/** One metric of an offline. All are gauges of integers or decimals. */
export interface OfflineMetricSchema {
  /** As UCUM writes it. */
  readonly unit: string;
  readonly doc: string;
  /** Attributes of its points. */
  readonly attributes: readonly PointAttribute[];
}

const RESULT = [ATTR.offlineResult] as const;

/**
 * The OTLP metrics that an instance sends once, at the end of its offline. A point has the time of its event: the end of the
 * offline, unless its text names another. `docs/reference/metrics.md` is generated from this table.
 */
export const OFFLINE_METRICS = {
  'lossless.offline.requests': {
    unit: '{request}/s',
    doc: 'Requests started in each second, from at most a minute before the offline; the time of a point is the beginning of its second. The last point is 0, at the end of the offline. Covers at most 900 seconds. Absent when an online undid the offline.',
    attributes: [],
  },
  'lossless.offline.start_time': {
    unit: 'ms',
    doc: 'When the offline began, since the Unix epoch.',
    attributes: [...RESULT, ATTR.trigger],
  },
  'lossless.offline.end_time': {
    unit: 'ms',
    doc: 'When the offline ended, since the Unix epoch.',
    attributes: [...RESULT, ATTR.trigger],
  },
  'lossless.offline.phase.active': {
    unit: '{phase}',
    doc: '1 at the beginning of a phase, 0 at its end: two points, at those times. A phase may last only milliseconds; query it with max_over_time.',
    attributes: [POINT_ATTR.phase],
  },
  'lossless.offline.phase.start_time': {
    unit: 'ms',
    doc: 'When a phase began, since the Unix epoch.',
    attributes: [POINT_ATTR.phase],
  },
  'lossless.offline.phase.duration': {
    unit: 's',
    doc: 'How long a phase lasted.',
    attributes: [POINT_ATTR.phase],
  },
  'lossless.offline.consumers': {
    unit: '{consumer}',
    doc: 'Consumers, by outcome.',
    attributes: [...RESULT, POINT_ATTR.outcome],
  },
  'lossless.offline.requests.served': {
    unit: '{request}',
    doc: 'Requests that started during the offline.',
    attributes: RESULT,
  },
  'lossless.offline.requests.unmanaged': {
    unit: '{request}',
    doc: 'Requests during the offline from callers without the plugin.',
    attributes: RESULT,
  },
  'lossless.offline.requests.after_ack': {
    unit: '{request}',
    doc: 'Requests that arrived after the ack of their consumer, beyond those that the ack reported as on their way.',
    attributes: RESULT,
  },
  'lossless.offline.connections.cut': {
    unit: '{connection}',
    doc: 'Connections that the instance cut at the deadline with a request in flight.',
    attributes: RESULT,
  },
} as const satisfies Readonly<Record<string, OfflineMetricSchema>>;

/** The name of a metric of an offline. */
export type OfflineMetricName = keyof typeof OFFLINE_METRICS;

/** The suffix that Prometheus adds to the name of a gauge for its unit. */
const SUFFIXES: Readonly<Record<string, string>> = { ms: '_milliseconds', s: '_seconds', '{request}/s': '_per_second' };

/** The name of a metric in Prometheus, by its OTLP receiver and by the exporters of the OpenTelemetry Collector. */
export function prometheusName(name: OfflineMetricName): string {
  return `${name.replaceAll('.', '_')}${SUFFIXES[OFFLINE_METRICS[name].unit] ?? ''}`;
}
