import type { LifecycleRecord, WorkRecord } from '../lifecycle/records.ts';
import type { Identity } from '../protocol/identity.ts';
import { resourceOf } from './attributes.ts';
import { Exporter } from './exporter.ts';
import { type OfflineMetricName, OUTCOMES, PARTS, POINT_ATTR } from './model/offline-metrics.ts';
import { ATTR, type AttributeName, type Attributes, SPANS } from './model/schema.ts';
import { metricsBody, type PlainMetric, type PlainSpan, type Point, spansOf } from './otlp-body.ts';
import type { Delivery, TracingOptions } from './tracing.ts';

/** Makes the metrics of an offline from its records when the offline ends, and sends them. */
export class OfflineMetrics {
  readonly #exporter: Exporter<PlainMetric>;
  readonly #identity: () => Identity;
  /** Records of the offline that runs and of its phases. */
  #records: WorkRecord[] = [];
  #isOpen = false;

  constructor(options: TracingOptions) {
    const { identity, resource } = options;
    this.#identity = identity;
    this.#exporter = new Exporter<PlainMetric>({
      ...options,
      requestOf: (metrics) => metricsBody(resourceOf(identity(), resource), metrics),
    });
  }

  /** Subscribe this to the journal. The first piece of work begins the replay of the spool. */
  readonly sink = (record: LifecycleRecord): void => {
    if (record.kind !== 'started' && record.kind !== 'ended') return;
    if (!this.#isOpen) this.#exporter.open();
    this.#isOpen = true;
    if (record.kind === 'started' && record.work === 'offline') this.#records = [record];
    else if (this.#isWanted(record)) this.#records.push(record);
    if (record.kind === 'ended' && record.work === 'offline') this.#send();
  };

  /** Sends what waits, and spools what is not acknowledged within `withinMs` milliseconds. Safe to call more than once. */
  shutdown(withinMs: number): Promise<Delivery> {
    return this.#exporter.shutdown(withinMs);
  }

  /** Only the first round of a phase counts; late callers are told in a further round of `notify`. */
  #isWanted({ kind, ids, work }: WorkRecord): boolean {
    if (kind === 'ended') return this.#records.some((known) => known.ids.spanId === ids.spanId);
    const isPhase = PARTS.some((phase) => phase === work);
    return isPhase && ids.traceId === this.#records[0]?.ids.traceId && !this.#records.some((one) => one.work === work);
  }

  #send(): void {
    for (const metric of metricsOf(spansOf(this.#records, this.#identity()))) this.#exporter.put(metric);
    this.#exporter.flush();
    this.#records = [];
  }
}

/** The metrics of an offline, from the spans of its root and its phases. */
export function metricsOf(spans: readonly PlainSpan[]): readonly PlainMetric[] {
  const root = spans.find(({ work }) => work === 'offline');
  if (root === undefined) return [];
  const { start, end, attributes } = root;
  const said = (...names: readonly AttributeName[]): Attributes =>
    Object.fromEntries(names.flatMap((name) => (attributes[name] === undefined ? [] : [[name, attributes[name]]])));
  const result = said(ATTR.offlineResult);
  const phases = PARTS.flatMap((phase) => {
    const span = spans.find(({ work }) => work === phase);
    return span === undefined ? [] : [{ phase, span }];
  });
  const ofPhases = (pointsOf: (span: PlainSpan) => readonly Omit<Point, 'attributes'>[]): readonly Point[] =>
    phases.flatMap(({ phase, span }) =>
      pointsOf(span).map((point) => ({ ...point, attributes: { [POINT_ATTR.phase]: phase } })),
    );
  const count = (value: unknown, more: Attributes = {}): readonly Point[] =>
    typeof value === 'number' ? [{ at: end, value, attributes: { ...result, ...more } }] : [];
  const cause = said(ATTR.offlineResult, ATTR.trigger);
  const points: Readonly<Record<OfflineMetricName, readonly Point[]>> = {
    'lossless.offline.requests': result[ATTR.offlineResult] === 'cancelled' ? [] : curveOf(spans, end),
    'lossless.offline.start_time': [{ at: end, value: Math.round(start), attributes: cause }],
    'lossless.offline.end_time': [{ at: end, value: Math.round(end), attributes: cause }],
    'lossless.offline.phase.active': ofPhases((span) => [
      { at: span.start, value: 1 },
      // Prometheus keeps one value of each millisecond.
      { at: Math.max(span.end, span.start + 1), value: 0 },
    ]),
    'lossless.offline.phase.start_time': ofPhases((span) => [{ at: end, value: Math.round(span.start) }]),
    'lossless.offline.phase.duration': ofPhases((span) => [{ at: end, value: (span.end - span.start) / 1_000 }]),
    'lossless.offline.consumers': OUTCOMES.flatMap((outcome) =>
      count(attributes[SPANS.offline.attributes[outcome]], { [POINT_ATTR.outcome]: outcome }),
    ),
    'lossless.offline.requests.served': count(attributes[ATTR.served]),
    'lossless.offline.requests.unmanaged': count(attributes[ATTR.unmanaged]),
    'lossless.offline.requests.after_ack': count(attributes[ATTR.afterAck]),
    'lossless.offline.connections.cut': count(
      spans.find(({ work }) => work === 'stop')?.attributes[ATTR.socketsForced],
    ),
  };
  return (Object.keys(points) as OfflineMetricName[])
    .map((name) => ({ name, points: points[name] }))
    .filter((metric) => metric.points.length > 0);
}

/** Requests of each second, and 0 at the end, when the instance has gone. */
function curveOf(spans: readonly PlainSpan[], end: number): readonly Point[] {
  const { [ATTR.requestsPerSecond]: perSecond, [ATTR.requestsSince]: since } =
    spans.find(({ work }) => work === 'drain')?.attributes ?? {};
  if (!Array.isArray(perSecond) || typeof since !== 'number') return [];
  const seconds = perSecond.map((value, second) => ({
    at: since + second * 1_000,
    value: Number(value),
    attributes: {},
  }));
  return [...seconds, { at: Math.max(Math.ceil(end), (seconds.at(-1)?.at ?? 0) + 1), value: 0, attributes: {} }];
}
