import type { WorkName } from '../src/lifecycle/facts.ts';
import { ATTR, type AttributeName } from '../src/trace/model/schema.ts';
import { grew, some, spanMetricsDown, spooled, truncated, unseen, was } from './alert-rules.ts';
import { calls, label, untold } from './span-metrics.ts';

/** What a search of Jaeger finds the traces behind an alert by: one kind of span, and what it says. */
export interface Search {
  readonly work: WorkName;
  readonly tags?: Readonly<Partial<Record<AttributeName, string>>>;
}

export interface Alert {
  /** Prefix `Lossless`; also the name of its page in `docs/runbooks/`. */
  readonly name: string;
  /** `critical`: requests were lost, or nobody knows whether they were; `warning`: they may have been. */
  readonly severity: 'critical' | 'warning';
  /** One series for each thing to tell about, its value above 0. */
  readonly expr: string;
  /** How long that must hold, as Prometheus writes durations. Default: at once. */
  readonly for?: string;
  /** Absent when it is about no service. */
  readonly search?: Search;
  /** In the texts, `{label}` stands for the value of a label and `{count}` for how often it happened: any number, also one. */
  readonly summary: string;
  readonly description: string;
  /** The panel that shows more. */
  readonly panel: { readonly dashboard: 'shutdowns' | 'telemetry' | 'instances'; readonly title: string };
}

/** Every alert, for Prometheus and for Grafana. */
export const ALERTS: readonly Alert[] = [
  {
    name: 'LosslessFanOutIncomplete',
    severity: 'warning',
    expr: some(untold(), label(ATTR.peerService)),
    search: { work: 'offline', tags: { [ATTR.fanoutComplete]: 'false' } },
    summary: '{service_name} left and did not tell every instance of {service_peer_name}: {count} not told',
    description:
      'GoAways of {service_name} to {service_peer_name} that were not acknowledged in the last 15 minutes: {count}. These consumers learnt of the shutdown from the registry only and may have sent requests to an instance that was gone.',
    panel: { dashboard: 'shutdowns', title: 'GoAways by provider, consumer and result' },
  },
  {
    name: 'LosslessShutdownTruncated',
    severity: 'critical',
    expr: truncated(),
    search: { work: 'offline.started' },
    summary: 'Shutdowns of {service_name} that began and never ended: {count}',
    description:
      'Shutdowns of {service_name} that should have ended and did not, in the last 15 minutes: {count}. Their processes were killed before they were done, or their last spans are in a spool.',
    panel: { dashboard: 'shutdowns', title: 'Still open' },
  },
  {
    name: 'LosslessLastInstance',
    severity: 'critical',
    expr: some(calls('offline', [ATTR.offlineResult, '=', 'last_instance'])),
    search: { work: 'offline', tags: { [ATTR.offlineResult]: 'last_instance' } },
    summary: '{service_name} left as the last instance of a service that was still called: {count}',
    description:
      'Consumers of {service_name} still called when its last instance had to leave, and had no other instance to call: {count} in the last 15 minutes. Their requests fail until a new instance is registered.',
    panel: { dashboard: 'shutdowns', title: 'Shutdowns by result' },
  },
  {
    name: 'LosslessDrainTimedOut',
    severity: 'warning',
    expr: some(calls('drain', [ATTR.drainResult, '=', 'timeout'], [ATTR.holdReason, '!=', 'last_instance'])),
    search: { work: 'drain', tags: { [ATTR.drainResult]: 'timeout' } },
    summary: 'Traffic to {service_name} was not over at the deadline, shutdowns: {count}',
    description:
      'Drains of {service_name} that did not end within the grace period in the last 15 minutes: {count}. LosslessRequestsCut fires when a request was cut then.',
    panel: { dashboard: 'shutdowns', title: 'Drains' },
  },
  {
    name: 'LosslessRequestsCut',
    severity: 'critical',
    expr: some(calls('stop', [ATTR.errorType, '=', 'forced'])),
    search: { work: 'stop', tags: { [ATTR.errorType]: 'forced' } },
    summary: '{service_name} cut connections with work left, shutdowns: {count}',
    description:
      'Shutdowns of {service_name} in the last 15 minutes that cut connections with requests in flight at the deadline: {count}. Those requests failed.',
    panel: { dashboard: 'shutdowns', title: 'Drains' },
  },
  {
    name: 'LosslessEntryNotTold',
    severity: 'warning',
    expr: some(calls('drain', [ATTR.holdReason, '=', 'entry_not_told'])),
    search: { work: 'drain', tags: { [ATTR.holdReason]: 'entry_not_told' } },
    summary: '{service_name} left before its balancer knew, shutdowns: {count}',
    description:
      'A balancer that checks {service_name} had not got as many failing answers as it needs when the instance stopped waiting: {count} in the last 15 minutes. It may have sent requests to an instance that was gone.',
    panel: { dashboard: 'shutdowns', title: 'Drains' },
  },
  {
    name: 'LosslessEntryStillSending',
    severity: 'warning',
    expr: some(calls('entry', [ATTR.entryEndedBy, '=', 'coming'])),
    search: { work: 'entry', tags: { [ATTR.entryEndedBy]: 'coming' } },
    summary: 'Callers without the plugin still came when {service_name} stopped listening, shutdowns: {count}',
    description:
      'Callers of {service_name} that nobody can tell kept coming until the hold time was over, shutdowns in the last 15 minutes: {count}. Their connections were refused from then on; what was connected was served.',
    panel: { dashboard: 'shutdowns', title: 'Drains' },
  },
  {
    name: 'LosslessKeepAliveRace',
    severity: 'warning',
    expr: grew('lossless_idle_closed_total'),
    search: { work: 'offline.started' },
    summary: '{service_name} closes idle connections of callers without the plugin: {count} in 15 minutes',
    description:
      'Servers of {service_name} close idle connections before the proxy or balancer before them does: {count} in the last 15 minutes. A request that is on its way then is lost, without any shutdown.',
    panel: { dashboard: 'instances', title: 'Idle connections closed' },
  },
  {
    name: 'LosslessStatusFileFailed',
    severity: 'critical',
    expr: was('lossless_status_file_failing'),
    search: { work: 'offline.started' },
    summary: '{service_name} cannot write or remove its status file, instances: {count}',
    description:
      'The proxy beside an instance of {service_name} looks at a file that the instance could not write or remove in the last 15 minutes; such instances: {count}. It may send requests to one that leaves, or none to one that is ready.',
    panel: { dashboard: 'instances', title: 'Ready' },
  },
  {
    name: 'LosslessDeregistrationNotConfirmed',
    severity: 'warning',
    expr: some(calls('deregister', [ATTR.deregisterResult, '=~', 'unconfirmed|failed'])),
    search: { work: 'offline', tags: { [ATTR.offlineResult]: 'incomplete' } },
    summary: 'The registry did not confirm that {service_name} left, shutdowns: {count}',
    description:
      'The registry refused the deregistration of an instance of {service_name}, still listed it afterwards, or could not be read: {count} in the last 15 minutes. Consumers without the plugin may still be sent there.',
    panel: { dashboard: 'shutdowns', title: 'Registry answers' },
  },
  {
    name: 'LosslessRequestsAfterAck',
    severity: 'critical',
    expr: some(calls('offline', [ATTR.afterAck, '=~', '[1-9].*'])),
    search: { work: 'offline' },
    summary: 'Consumers kept sending to {service_name} after they said they would not',
    description:
      'Shutdowns of {service_name} in the last 15 minutes in which requests came from consumers that had acknowledged the GoAway: {count}. What came after the instance was gone has failed.',
    panel: { dashboard: 'shutdowns', title: 'Shutdowns by result' },
  },
  {
    name: 'LosslessTelemetrySpooled',
    severity: 'warning',
    expr: spooled(),
    search: { work: 'offline.started' },
    summary: 'Spans of {service_name} wait on disk because the collector does not take them, files: {count}',
    description:
      'The spool of {service_name} has not been empty for 15 minutes, files: {count}. Shutdown traces are late, and those of instances that are gone wait for the next start or for lossless replay.',
    panel: { dashboard: 'telemetry', title: 'Spooled files' },
  },
  {
    name: 'LosslessShutdownsUnseen',
    severity: 'critical',
    expr: unseen(),
    search: { work: 'offline.started' },
    summary: 'Instances of {service_name} vanished and no shutdown of them was seen: {count}',
    description:
      'Instances of {service_name} that Prometheus read within the last hour and that have been gone for 10 minutes, less the shutdowns that it saw begin: {count}. They were killed without a signal, or what they sent was lost, sampled, or waits in a spool that nobody sends.',
    panel: { dashboard: 'telemetry', title: 'Instances that vanished unseen' },
  },
  {
    name: 'LosslessSpanMetricsDown',
    severity: 'critical',
    expr: spanMetricsDown(),
    for: '5m',
    summary: 'Prometheus does not read the span metrics: no other alert about a shutdown can fire',
    description:
      'The scrape job lossless has no target that answers, for 5 minutes. Shutdowns happen and nobody counts them.',
    panel: { dashboard: 'telemetry', title: 'Collectors scraped' },
  },
];
