import { type Exemplar, type Format, type Labels, MetricsText } from '../../src/metrics/text.ts';
import { textOf } from './attributes.ts';
import { CALLS_DIMENSIONS, labelOf, METRIC_DIMENSIONS } from './dimensions.ts';
import type { Origin, Span, SpanGroup } from './otlp.ts';

/** Upper bounds of the duration's buckets, in milliseconds: those of the spanmetrics connector. */
const BUCKETS = [2, 4, 6, 8, 10, 50, 100, 200, 400, 800, 1_000, 1_400, 2_000, 5_000, 10_000, 15_000];

/** Most series of each metric; all spans beyond are counted in one more. */
const MOST_SERIES = 2_000;
const OVERFLOW: Labels = { otel_metric_overflow: 'true' };
const OVERFLOW_KEY = JSON.stringify(OVERFLOW);

const DIMENSIONS: ReadonlySet<string> = new Set([...METRIC_DIMENSIONS, ...CALLS_DIMENSIONS]);

/** Longest value of a label, in characters: anybody may have sent it. */
const LONGEST_VALUE = 128;

/** How long a new counter reads 0, in milliseconds: a scrape in that time makes its first increase visible to `increase()`. */
const ZERO_MS = 15_000;

/** Kinds and status codes by their number in OTLP, in the connector's words. */
const KIND_LABELS = ['UNSPECIFIED', 'INTERNAL', 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER'];
const STATUS_LABELS = ['UNSET', 'OK', 'ERROR'];

/** Spans of one combination of labels. */
interface Calls {
  readonly labels: Labels;
  readonly since: number;
  calls: number;
  latest: Exemplar | undefined;
}

/** Durations of one combination of labels. */
interface Durations {
  readonly labels: Labels;
  /** Sum of the durations, in milliseconds. */
  sum: number;
  /** Spans in each bucket alone, the unbounded one last, and the latest of each. */
  readonly counts: number[];
  readonly exemplars: (Exemplar | undefined)[];
}

/**
 * Counts spans whose name begins with `lossless.`, like the spanmetrics connector of a Jaeger with this project's configuration:
 * the same metrics, labels, buckets and exemplars, and counters that begin at 0. It leaves out the label `instance` and
 * `target_info`. All series are in memory and begin anew with the process.
 */
export class SpanMetrics {
  readonly #calls = new Map<string, Calls>();
  readonly #durations = new Map<string, Durations>();

  /** @param now milliseconds since the Unix epoch */
  count(groups: readonly SpanGroup[], now: number = Date.now()): void {
    for (const { origin, spans } of groups)
      for (const span of spans) if (span.name.startsWith('lossless.')) this.#countSpan(origin, span, now);
  }

  /** All series in one of the two text formats of Prometheus. */
  text(format: Format, now: number = Date.now()): string {
    const text = new MetricsText(format);
    text.family('traces_span_metrics_calls', 'counter', 'Spans of lossless-lifecycle.');
    for (const { labels, calls, latest, since } of this.#calls.values())
      text.counter('traces_span_metrics_calls', labels, now - since < ZERO_MS ? 0 : calls, latest);
    text.family('traces_span_metrics_duration_milliseconds', 'histogram', 'How long they took, in milliseconds.');
    for (const { labels, ...series } of this.#durations.values())
      text.histogram('traces_span_metrics_duration_milliseconds', labels, { bounds: BUCKETS, ...series });
    return text.end();
  }

  #countSpan(origin: Origin, span: Span, now: number): void {
    const value = durationMs(span);
    const exemplar = { traceId: span.traceId, spanId: span.spanId, value, at: now };
    const said = saidOf(origin, span);
    const labels = (names: readonly string[]): Labels => ({
      ...labelsOf(origin, span, said),
      ...dimensionsOf(said, names),
    });
    const { service } = origin;
    // Only a new series needs labels.
    const of = [service, span.kind, span.name, span.status.code, ...METRIC_DIMENSIONS.map((name) => said.get(name))];
    const durations = seriesIn(this.#durations, JSON.stringify(of), () => ({
      labels: labels(METRIC_DIMENSIONS),
      sum: 0,
      counts: new Array<number>(BUCKETS.length + 1).fill(0),
      exemplars: [],
    }));
    of.push(...CALLS_DIMENSIONS.map((name) => said.get(name)));
    const calls = seriesIn(this.#calls, JSON.stringify(of), () => ({
      labels: labels([...METRIC_DIMENSIONS, ...CALLS_DIMENSIONS]),
      since: now,
      calls: 0,
      latest: undefined,
    }));
    calls.calls++;
    calls.latest = exemplar;
    const bucket = BUCKETS.findIndex((bound) => value <= bound);
    const index = bucket < 0 ? BUCKETS.length : bucket;
    durations.sum += value;
    durations.counts[index] = (durations.counts[index] ?? 0) + 1;
    durations.exemplars[index] = exemplar;
  }
}

/** The series of a key, a new one if need be; the overflow series when there are too many. */
function seriesIn<S extends { readonly labels: Labels }>(all: Map<string, S>, key: string, create: () => S): S {
  const known = all.get(key);
  if (known !== undefined) return known;
  if (all.size >= MOST_SERIES && key !== OVERFLOW_KEY)
    return seriesIn(all, OVERFLOW_KEY, () => ({ ...create(), labels: OVERFLOW }));
  const series = create();
  all.set(key, series);
  return series;
}

function labelsOf({ service }: Origin, { kind, name, status }: Span, said: ReadonlyMap<string, string>): Labels {
  const namespace = said.get('service.namespace');
  const job = namespace === undefined ? service : `${namespace}/${service}`;
  return {
    job: job.slice(0, LONGEST_VALUE),
    otel_scope_name: 'spanmetricsconnector',
    service_name: service.slice(0, LONGEST_VALUE),
    span_kind: `SPAN_KIND_${KIND_LABELS[kind]}`,
    span_name: name.slice(0, LONGEST_VALUE),
    status_code: `STATUS_CODE_${STATUS_LABELS[status.code]}`,
  };
}

/** The dimensions of a span, from its attributes or else from its resource, as in the connector. */
function saidOf({ resource }: Origin, { attributes }: Span): ReadonlyMap<string, string> {
  const said = new Map<string, string>();
  for (const list of [resource, attributes])
    for (const { key, value } of list) if (DIMENSIONS.has(key)) said.set(key, textOf(value).slice(0, LONGEST_VALUE));
  return said;
}

function dimensionsOf(said: ReadonlyMap<string, string>, names: readonly string[]): Labels {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = said.get(name);
      return value === undefined ? [] : [[labelOf(name), value]];
    }),
  );
}

function durationMs({ startTimeUnixNano, endTimeUnixNano }: Span): number {
  const length = BigInt(endTimeUnixNano) - BigInt(startTimeUnixNano);
  return length > 0n ? Number(length) / 1_000_000 : 0;
}
