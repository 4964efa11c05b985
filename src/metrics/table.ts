/** One metric. */
export interface MetricSchema {
  readonly type: 'counter' | 'gauge';
  readonly help: string;
  readonly labels: readonly string[];
}

/** Most series of a metric with one series for each called instance. */
export const MOST_INSTANCES = 100;

/**
 * Every metric of an instance. Each series also has `service_name`, as span metrics have. `docs/reference/metrics.md` is
 * generated from this table.
 */
export const METRICS = {
  lossless_info: {
    type: 'gauge',
    help: 'Always 1. Labels name the release and place of this instance, as far as its resource does; only an operator gets its id and generation.',
    labels: [
      'service_namespace',
      'service_version',
      'deployment_environment_name',
      'cloud_availability_zone',
      'instance_id',
      'generation',
    ],
  },
  lossless_state: {
    type: 'gauge',
    help: '1 for the state of the instance, 0 for all others.',
    labels: ['state'],
  },
  lossless_state_since_seconds: {
    type: 'gauge',
    help: 'When the instance entered its state, in seconds since the Unix epoch.',
    labels: [],
  },
  lossless_ready: { type: 'gauge', help: '1 when /readiness answers 200.', labels: [] },
  lossless_registry_listed: { type: 'gauge', help: '1 when the registry has confirmed the entry.', labels: [] },
  lossless_registry_failing: { type: 'gauge', help: '1 when the last call to the registry failed.', labels: [] },
  lossless_weight: {
    type: 'gauge',
    help: 'Part of its full share that consumers give this instance, 0 to 1; below 1 while it warms up.',
    labels: [],
  },
  lossless_requests_total: {
    type: 'counter',
    help: 'Requests started. managed: of a caller with the plugin, or a health check.',
    labels: ['caller'],
  },
  lossless_requests_in_flight: { type: 'gauge', help: 'Requests accepted and not finished.', labels: [] },
  lossless_requests_after_ack_total: {
    type: 'counter',
    help: 'Requests that arrived after the ack of their consumer, beyond those it said were on their way.',
    labels: [],
  },
  lossless_recent_consumers: {
    type: 'gauge',
    help: 'Processes that called in the last ten minutes and get a GoAway.',
    labels: ['service'],
  },
  lossless_recent_consumers_overflowed_total: {
    type: 'counter',
    help: 'Consumers that a full table has forgotten.',
    labels: [],
  },
  lossless_unmanaged_connections: {
    type: 'gauge',
    help: 'Open connections of callers without the plugin.',
    labels: [],
  },
  lossless_idle_closed_total: {
    type: 'counter',
    help: 'Idle connections of callers without the plugin that a server has closed, perhaps with a request on its way. See LOSSLESS_KEEP_ALIVE_MS.',
    labels: [],
  },
  lossless_health_checks_total: {
    type: 'counter',
    help: 'Health checks of balancers and platforms. good: they were answered that the instance can be used.',
    labels: ['result'],
  },
  lossless_status_file_failing: {
    type: 'gauge',
    help: '1 when the last write or removal of LOSSLESS_STATUS_FILE failed, so that a proxy sees an old state.',
    labels: [],
  },
  lossless_goaways_sent_total: { type: 'counter', help: 'GoAways sent, by result.', labels: ['result'] },
  lossless_goaways_received_total: { type: 'counter', help: 'GoAways received, by outcome.', labels: ['outcome'] },
  lossless_draining_markers_total: { type: 'counter', help: 'Isolations by a draining marker.', labels: [] },
  lossless_offlines_total: { type: 'counter', help: 'Shutdowns that ended, by result.', labels: ['result'] },
  lossless_onlines_total: { type: 'counter', help: 'Starts that ended, by result.', labels: ['result'] },
  lossless_quarantined_instances: { type: 'gauge', help: 'Instances that are isolated here.', labels: [] },
  lossless_panic_picks_total: {
    type: 'counter',
    help: 'Picks of an isolated or unlisted instance because there was no other.',
    labels: ['service'],
  },
  lossless_pick_share: {
    type: 'gauge',
    help: `Part of the traffic to a service that an instance gets from this one, 0 to 1; for ${MOST_INSTANCES} instances at most. Only an operator gets it.`,
    labels: ['service', 'address'],
  },
  lossless_pick_instances: { type: 'gauge', help: 'Instances of a service in the last list.', labels: ['service'] },
  lossless_spool_files: { type: 'gauge', help: 'Spooled files that wait to be sent.', labels: [] },
  lossless_spool_bytes: { type: 'gauge', help: 'Bytes of those files.', labels: [] },
  lossless_spans_total: { type: 'counter', help: 'Spans, by outcome.', labels: ['outcome'] },
} as const satisfies Record<string, MetricSchema>;

/** The name of a metric. */
export type MetricName = keyof typeof METRICS;
