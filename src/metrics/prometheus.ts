import { GOAWAY_OUTCOMES } from '../consumer/consumer.ts';
import { GOAWAY_RESULTS, OFFLINE_RESULTS, ONLINE_RESULTS } from '../lifecycle/outcomes.ts';
import { STATES } from '../lifecycle/transitions.ts';
import type { Status } from '../status.ts';
import type { Delivery, SpoolUsage } from '../trace/tracing.ts';
import type { Counts } from './counts.ts';
import { METRICS, type MetricName, type MetricSchema, MOST_INSTANCES } from './table.ts';
import { CONTENT_TYPES, formatOf, type Labels, MetricsText } from './text.ts';

/** Sources of the metrics. */
export interface Measured {
  readonly status: Status;
  /** Attributes of the resource of this process. */
  readonly resource: Readonly<Record<string, string>>;
  readonly counts: Counts;
  readonly afterAck: number;
  readonly spool: SpoolUsage;
  /** Whether an operator asks: only operators get ids and addresses. */
  readonly isOperator: boolean;
}

/** A page of metrics. */
export interface Exposition {
  readonly contentType: string;
  readonly body: string;
}

const NOTHING: Delivery = { exported: 0, spooled: 0, lost: 0 };

type Series = readonly (readonly [value: number, labels?: Labels])[];

/**
 * The metrics of this instance. It reads every value at the scrape, so nothing is counted twice, and does not touch a registry of
 * the application.
 *
 * @param accept value of the Accept header; a client that asks for OpenMetrics gets it
 */
export function expose(measured: Measured, accept: string): Exposition {
  const format = formatOf(accept);
  const text = new MetricsText(format);
  for (const [metric, series] of Object.entries(seriesOf(measured)) as [MetricName, Series][]) {
    const { help, type }: MetricSchema = METRICS[metric];
    const name = type === 'counter' ? metric.replace(/_total$/, '') : metric;
    text.family(name, type, help);
    for (const [value, labels] of series) text[type](name, { ...labels, service_name: measured.status.service }, value);
  }
  return { contentType: CONTENT_TYPES[format], body: text.end() };
}

/** Every value, with 0 before the first event, because Prometheus would miss an increase from nothing to 1. */
function seriesOf({ status, resource, counts, afterAck, spool, isOperator }: Measured): Record<MetricName, Series> {
  const { calls, consumers, registry, requests, telemetry, unmanaged } = status;
  const services = Object.entries(calls.services);
  return {
    lossless_info: [
      [
        1,
        {
          ...placeOf(resource),
          ...(isOperator && { instance_id: status.instanceId, generation: String(status.generation) }),
        },
      ],
    ],
    lossless_state: Object.keys(STATES).map((state) => [Number(state === status.state), { state }]),
    lossless_state_since_seconds: [[Date.parse(status.since) / 1_000]],
    lossless_ready: [[Number(status.ready)]],
    lossless_registry_listed: [[Number(registry.listed)]],
    lossless_registry_failing: [[Number(registry.failing !== undefined)]],
    lossless_weight: [[status.weight]],
    lossless_requests_total: [
      [requests.started - requests.unmanaged, { caller: 'managed' }],
      [requests.unmanaged, { caller: 'unmanaged' }],
    ],
    lossless_requests_in_flight: [[requests.inflight]],
    lossless_requests_after_ack_total: [[afterAck]],
    lossless_recent_consumers: byLabel('service', consumers.services),
    lossless_recent_consumers_overflowed_total: [[consumers.overflowed]],
    lossless_unmanaged_connections: [[unmanaged.connections]],
    lossless_idle_closed_total: [[unmanaged.idleClosed]],
    lossless_health_checks_total: byLabel('result', unmanaged.checks),
    lossless_status_file_failing: [[Number(unmanaged.statusFileFailing)]],
    lossless_goaways_sent_total: byLabel('result', withZeros(GOAWAY_RESULTS, counts.of('goaway'))),
    lossless_goaways_received_total: byLabel('outcome', withZeros(GOAWAY_OUTCOMES, calls.goAways)),
    lossless_draining_markers_total: [[calls.markers]],
    lossless_offlines_total: byLabel('result', withZeros(OFFLINE_RESULTS, counts.of('offline'))),
    lossless_onlines_total: byLabel('result', withZeros(ONLINE_RESULTS, counts.of('online'))),
    lossless_quarantined_instances: [[calls.isolated]],
    lossless_panic_picks_total: services.map(([service, { panicPicks }]) => [panicPicks, { service }]),
    lossless_pick_share: (isOperator ? services : [])
      .flatMap(([service, { instances }]) =>
        instances.map(({ address, share }) => [share, { service, address }] as const),
      )
      .slice(0, MOST_INSTANCES),
    lossless_pick_instances: services.map(([service, { instances }]) => [instances.length, { service }]),
    lossless_spool_files: [[spool.files]],
    lossless_spool_bytes: [[spool.bytes]],
    lossless_spans_total: byLabel('outcome', { ...(telemetry ?? NOTHING) }),
  };
}

/** Attributes of the resource that are labels, under the names that Prometheus gives them. */
function placeOf(resource: Readonly<Record<string, string>>): Labels {
  const labels = new Set<string>(METRICS.lossless_info.labels);
  return Object.fromEntries(
    Object.entries(resource)
      .map(([name, value]) => [name.replaceAll('.', '_'), value] as const)
      .filter(([label]) => labels.has(label)),
  );
}

function withZeros(names: readonly string[], values: Partial<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(names.map((name) => [name, values[name] ?? 0]));
}

function byLabel(label: string, values: Readonly<Record<string, number>>): Series {
  return Object.entries(values).map(([name, value]) => [value, { [label]: name }]);
}
