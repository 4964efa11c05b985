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
  /** How long the expression must hold, as Prometheus writes durations. Default: at once. */
  readonly for?: string;
  /** Absent for an alert about no service. */
  readonly search?: Search;
  /** In the texts, `{label}` stands for the value of a label and `{count}` for how often it happened: any number, also one. */
  readonly summary: string;
  readonly description: string;
  /** The panel with more about the alert. */
  readonly panel: { readonly dashboard: 'shutdowns' | 'telemetry' | 'instances'; readonly title: string };
}

/** Every alert, for Prometheus and for Grafana. */
export const ALERTS: readonly Alert[] = [
  {
    name: 'LosslessFanOutIncomplete',
    severity: 'warning',
    expr: some(untold(), label(ATTR.peerService)),
    search: { work: 'offline', tags: { [ATTR.fanoutComplete]: 'false' } },
    summary: 'GoAways of {service_name} to {service_peer_name} that failed: {count}',
    description:
      'GoAways of {service_name} that {service_peer_name} did not acknowledge in the last 15 minutes: {count}. These consumers learnt of the shutdown only from the registry and may have sent requests to an instance that was gone.',
    panel: { dashboard: 'shutdowns', title: 'GoAways by provider, consumer and result' },
  },
  {
    name: 'LosslessShutdownTruncated',
    severity: 'critical',
    expr: truncated(),
    search: { work: 'offline.started' },
    summary: 'Shutdowns of {service_name} that began and sent no end: {count}',
    description:
      'Shutdowns of {service_name} whose grace period ended in the last 15 minutes without a last span: {count}. The platform killed the process before the end of the shutdown, or the last spans wait in a spool.',
    panel: { dashboard: 'shutdowns', title: 'Still open' },
  },
  {
    name: 'LosslessLastInstance',
    severity: 'critical',
    expr: some(calls('offline', [ATTR.offlineResult, '=', 'last_instance'])),
    search: { work: 'offline', tags: { [ATTR.offlineResult]: 'last_instance' } },
    summary: 'The last instance of {service_name} left while consumers still called it: {count}',
    description:
      'Shutdowns in the last 15 minutes in which the last instance of {service_name} had to leave while consumers still called it: {count}. Requests of these consumers fail until a new instance registers.',
    panel: { dashboard: 'shutdowns', title: 'Shutdowns by result' },
  },
  {
    name: 'LosslessDrainTimedOut',
    severity: 'warning',
    expr: some(calls('drain', [ATTR.drainResult, '=', 'timeout'], [ATTR.holdReason, '!=', 'last_instance'])),
    search: { work: 'drain', tags: { [ATTR.drainResult]: 'timeout' } },
    summary: '{service_name} still had traffic at the deadline, shutdowns: {count}',
    description:
      'Drains of {service_name} in the last 15 minutes that outlasted the grace period: {count}. LosslessRequestsCut fires when the instance cut a request at its end.',
    panel: { dashboard: 'shutdowns', title: 'Drains' },
  },
  {
    name: 'LosslessRequestsCut',
    severity: 'critical',
    expr: some(calls('stop', [ATTR.errorType, '=', 'forced'])),
    search: { work: 'stop', tags: { [ATTR.errorType]: 'forced' } },
    summary: '{service_name} cut requests at the deadline, shutdowns: {count}',
    description:
      'Shutdowns of {service_name} in the last 15 minutes that cut connections with requests in flight at the deadline: {count}. Those requests failed.',
    panel: { dashboard: 'shutdowns', title: 'Drains' },
  },
  {
    name: 'LosslessRequestsReset',
    severity: 'critical',
    expr: some(calls('stop', [ATTR.errorType, '=', 'reset'])),
    search: { work: 'stop', tags: { [ATTR.errorType]: 'reset' } },
    summary: 'Requests came to {service_name} as it closed their connections, shutdowns: {count}',
    description:
      'Shutdowns of {service_name} in the last 15 minutes that reset a client which was connecting, or closed an idle connection on which a request was on its way: {count}. Those requests failed.',
    panel: { dashboard: 'shutdowns', title: 'Drains' },
  },
  {
    name: 'LosslessEntryNotTold',
    severity: 'warning',
    expr: some(calls('drain', [ATTR.holdReason, '=', 'entry_not_told'])),
    search: { work: 'drain', tags: { [ATTR.holdReason]: 'entry_not_told' } },
    summary: '{service_name} left before its balancer knew, shutdowns: {count}',
    description:
      'Shutdowns in the last 15 minutes in which a balancer that checks {service_name} got fewer failing answers than it needs: {count}. The balancer may have sent requests to an instance that was gone.',
    panel: { dashboard: 'shutdowns', title: 'Drains' },
  },
  {
    name: 'LosslessEntryStillSending',
    severity: 'warning',
    expr: some(calls('entry', [ATTR.entryEndedBy, '=', 'coming'])),
    search: { work: 'entry', tags: { [ATTR.entryEndedBy]: 'coming' } },
    summary: 'Callers without the plugin still connected when {service_name} stopped listening, shutdowns: {count}',
    description:
      'Shutdowns in the last 15 minutes in which callers without the plugin connected to {service_name} until the end of the hold time: {count}. The instance served open connections and refused new ones from then on.',
    panel: { dashboard: 'shutdowns', title: 'Drains' },
  },
  {
    name: 'LosslessKeepAliveRace',
    severity: 'warning',
    expr: grew('lossless_idle_closed_total'),
    search: { work: 'offline.started' },
    summary: '{service_name} closes idle connections of callers without the plugin: {count} in 15 minutes',
    description:
      'Idle connections that servers of {service_name} closed before the proxy or balancer in front did: {count} in the last 15 minutes. A request that is on its way at that moment fails, even without a shutdown.',
    panel: { dashboard: 'instances', title: 'Idle connections closed' },
  },
  {
    name: 'LosslessStatusFileFailed',
    severity: 'critical',
    expr: was('lossless_status_file_failing'),
    search: { work: 'offline.started' },
    summary: '{service_name} cannot write or remove its status file, instances: {count}',
    description:
      'Instances of {service_name} that could not write or remove their status file in the last 15 minutes: {count}. The proxy beside such an instance reads that file: it may send requests to an instance that leaves, or none to an instance that is ready.',
    panel: { dashboard: 'instances', title: 'Ready' },
  },
  {
    name: 'LosslessDeregistrationNotConfirmed',
    severity: 'warning',
    expr: some(calls('deregister', [ATTR.deregisterResult, '=~', 'unconfirmed|failed'])),
    search: { work: 'offline', tags: { [ATTR.offlineResult]: 'incomplete' } },
    summary: 'The registry did not confirm that {service_name} left, shutdowns: {count}',
    description:
      'Shutdowns of {service_name} in the last 15 minutes in which the registry refused the deregistration, still listed the instance afterwards, or did not answer: {count}. The registry may still send consumers without the plugin to these instances.',
    panel: { dashboard: 'shutdowns', title: 'Registry answers' },
  },
  {
    name: 'LosslessRequestsAfterAck',
    severity: 'critical',
    expr: some(calls('offline', [ATTR.afterAck, '=~', '[1-9].*'])),
    search: { work: 'offline' },
    summary: 'Consumers sent requests to {service_name} after they had acknowledged its GoAway',
    description:
      'Shutdowns of {service_name} in the last 15 minutes in which consumers sent requests after they had acknowledged the GoAway: {count}. Requests that came after the instance was gone have failed.',
    panel: { dashboard: 'shutdowns', title: 'Shutdowns by result' },
  },
  {
    name: 'LosslessTelemetrySpooled',
    severity: 'warning',
    expr: spooled(),
    search: { work: 'offline.started' },
    summary: 'Spans of {service_name} wait on disk until the collector accepts them, files: {count}',
    description:
      'The spool of {service_name} has held files for 15 minutes: {count}. Shutdown traces arrive late; traces of instances that are gone wait for the next start or for lossless replay.',
    panel: { dashboard: 'telemetry', title: 'Spooled files' },
  },
  {
    name: 'LosslessShutdownsUnseen',
    severity: 'critical',
    expr: unseen(),
    search: { work: 'offline.started' },
    summary: 'Instances of {service_name} that vanished without a shutdown trace: {count}',
    description:
      'Instances of {service_name} that Prometheus read within the last hour and that have been gone for 10 minutes, less the shutdowns that it saw begin: {count}. Something killed these instances without a signal, or their spans were lost, sampled, or wait in a spool.',
    panel: { dashboard: 'telemetry', title: 'Instances that vanished unseen' },
  },
  {
    name: 'LosslessSpanMetricsDown',
    severity: 'critical',
    expr: spanMetricsDown(),
    for: '5m',
    summary: 'Prometheus does not read the span metrics: no other alert about a shutdown can fire',
    description: 'For 5 minutes no target of the scrape job lossless has answered. Nothing counts shutdowns meanwhile.',
    panel: { dashboard: 'telemetry', title: 'Collectors scraped' },
  },
];
