import { ATTR } from '../../src/trace/model/schema.ts';

/**
 * Attributes that become labels of the span metrics, beside service, span name, kind and status: `spanmetrics.dimensions` of
 * a Jaeger or OpenTelemetry Collector and the embedded collector's own. A span that lacks one has a series without that
 * label. All of them take few values, so that the series stay few: `lossless.requests.after_ack` is 0 unless something is
 * wrong, and instances, addresses and trace ids are never labels.
 */
export const METRIC_DIMENSIONS: readonly string[] = [
  // Attributes of the resource: one service name in two namespaces, or in two environments, makes two rows.
  'service.namespace',
  'deployment.environment.name',
  ATTR.offlineResult,
  ATTR.trigger,
  ATTR.onlineResult,
  ATTR.onlineTrigger,
  ATTR.registerResult,
  ATTR.fanoutComplete,
  ATTR.afterAck,
  ATTR.deregisterResult,
  ATTR.drainResult,
  ATTR.holdReason,
  ATTR.entryEndedBy,
  ATTR.goawayResult,
  ATTR.peerService,
  ATTR.refreshResult,
  ATTR.errorType,
];

/** Attributes that become labels of the counter only (`spanmetrics.calls_dimensions`), because a histogram has a series for each bucket. */
export const CALLS_DIMENSIONS: readonly string[] = [ATTR.due];

/** The label of an attribute, as the OpenTelemetry exporter for Prometheus writes it. */
export function labelOf(attribute: string): string {
  return attribute.replaceAll('.', '_');
}
