import type { Coverage, WorkName } from '../../lifecycle/facts.ts';
import { ATTR, type AttributeName } from './schema.ts';

/** The parts of an offline that have a time of their own, by the work that records them. */
export const PARTS = ['notify', 'deregister', 'entry', 'drain', 'stop'] as const satisfies readonly WorkName[];

/** A part of an offline. */
export type Part = (typeof PARTS)[number];

/** What became of the consumers of an instance that left. */
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

/** What each of them says. */
export const POINT_ATTRIBUTES = {
  'lossless.offline.phase': { doc: 'Which part of the offline.', values: PARTS },
  'lossless.consumers.outcome': {
    doc: 'As the attributes `lossless.fanout.*` of the span `lossless.offline`; `acked` ones are `planned` ones too.',
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
 * What an instance sends at the end of its offline, once, as OTLP metrics. Its points have the times of what they tell, and not that
 * of a scrape; unless something else is said, that of the end. `docs/reference/metrics.md` is generated from this table.
 */
export const OFFLINE_METRICS = {
  'lossless.offline.requests': {
    unit: '{request}/s',
    doc: 'Requests started in each second, from at most a minute before the offline; the time of a point is the beginning of its second. The last point is 0, at the end of the offline. At most 900 seconds. Absent when the offline was undone.',
    attributes: [],
  },
  'lossless.offline.start_time': {
    unit: 'ms',
    doc: 'When the offline began, since the Unix epoch.',
    attributes: [...RESULT, ATTR.trigger],
  },
  'lossless.offline.end_time': {
    unit: 'ms',
    doc: 'When it ended, since the Unix epoch.',
    attributes: [...RESULT, ATTR.trigger],
  },
  'lossless.offline.phase.active': {
    unit: '{phase}',
    doc: '1 at the beginning of a phase, 0 at its end: two points, at those times. A phase may last milliseconds only; max_over_time sees it.',
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
    doc: 'Consumers, by what became of them.',
    attributes: [...RESULT, POINT_ATTR.outcome],
  },
  'lossless.offline.requests.served': {
    unit: '{request}',
    doc: 'Requests that started during the offline.',
    attributes: RESULT,
  },
  'lossless.offline.requests.unmanaged': {
    unit: '{request}',
    doc: 'Those of callers without the plugin.',
    attributes: RESULT,
  },
  'lossless.offline.requests.after_ack': {
    unit: '{request}',
    doc: 'Requests that arrived after the ack of their consumer, beyond those it said were on their way.',
    attributes: RESULT,
  },
  'lossless.offline.connections.cut': {
    unit: '{connection}',
    doc: 'Connections that were cut at the deadline with a request in flight.',
    attributes: RESULT,
  },
} as const satisfies Readonly<Record<string, OfflineMetricSchema>>;

/** The name of a metric of an offline. */
export type OfflineMetricName = keyof typeof OFFLINE_METRICS;

/** What Prometheus adds to the name of a gauge for its unit. */
const SUFFIXES: Readonly<Record<string, string>> = { ms: '_milliseconds', s: '_seconds', '{request}/s': '_per_second' };

/** The name of a metric in Prometheus, whichever way it came there: its OTLP receiver, or the exporters of the OpenTelemetry Collector. */
export function prometheusName(name: OfflineMetricName): string {
  return `${name.replaceAll('.', '_')}${SUFFIXES[OFFLINE_METRICS[name].unit] ?? ''}`;
}
