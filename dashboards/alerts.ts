import { KILLED } from '../src/lifecycle/outcomes.ts';
import { ATTR } from '../src/trace/model/schema.ts';
import { calls, counted, label, type Match, past, SERVICE, untold } from './span-metrics.ts';

export interface Alert {
  /** Prefix `Lossless`; also the name of its page in `docs/runbooks/`. */
  readonly name: string;
  /** `critical`: requests were lost, or nobody knows whether they were; `warning`: they may have been. */
  readonly severity: 'critical' | 'warning';
  /** One series for each thing to tell about. */
  readonly expr: string;
  /** Selector of the spans behind it, of one service: their exemplars name the traces. */
  readonly spans: (service: string) => string;
  /** In the texts, `{label}` stands for the value of a label and `{count}` for how often it happened. */
  readonly summary: string;
  readonly description: string;
  /** Title of the panel of the dashboard of shutdowns that shows more. */
  readonly panel: string;
}

/** How long an event is told about. */
const WINDOW = '15m';

/** A shutdown without an end for this long was killed: longer than any grace period, and than its last spans take. */
const TRUNCATED_AFTER = '5m';

/** A rolling update takes less than an hour; a killed shutdown is told about for that long, and the minutes it is waited for. */
const ROLL = '65m';

/** Every alert, for Prometheus and for Grafana. */
export const ALERTS: readonly Alert[] = [
  {
    name: 'LosslessFanOutIncomplete',
    severity: 'warning',
    expr: some([SERVICE, label(ATTR.peerService)], untold()),
    spans: (service) => untold([SERVICE, '=', service]),
    summary: '{service_name} left and did not tell instances of {service_peer_name}: {count}',
    description:
      'GoAways of {service_name} to {service_peer_name} were not acknowledged: {count} in the last 15 minutes. These consumers learnt of the shutdown from the registry only and may have sent requests to an instance that was gone.',
    panel: 'GoAways by provider, consumer and result',
  },
  {
    name: 'LosslessShutdownTruncated',
    severity: 'critical',
    expr: truncated(),
    spans: (service) => calls('offline.started', [SERVICE, '=', service]),
    summary: '{count} shutdowns of {service_name} began and never ended',
    description:
      'Instances of {service_name} began to leave within the last hour, and nothing came that they say of their end: {count}. They were killed before they were done, or their last spans are in a spool. There may be more: of those whose traces have no root at all, ends of shutdowns that began in the last 5 minutes are counted against them.',
    panel: 'Still open',
  },
  {
    name: 'LosslessLastInstance',
    severity: 'critical',
    expr: some([SERVICE], lastInstance()),
    spans: (service) => lastInstance([SERVICE, '=', service]),
    summary: '{service_name} left {count} times as the last instance of a service that was still called',
    description:
      'Consumers of {service_name} still called when its last instance had to leave, and had no other instance to call: {count} in the last 15 minutes. Their requests fail until a new instance is registered.',
    panel: 'Shutdowns by result',
  },
  {
    name: 'LosslessDrainTimedOut',
    severity: 'warning',
    expr: some([SERVICE], drainTimedOut()),
    spans: (service) => drainTimedOut([SERVICE, '=', service]),
    summary: 'Traffic to {service_name} was not over at the deadline, shutdowns: {count}',
    description:
      'The drain of {service_name} did not end within the grace period, {count} times in the last 15 minutes. LosslessRequestsCut fires when requests were cut then.',
    panel: 'Drains',
  },
  {
    name: 'LosslessRequestsCut',
    severity: 'critical',
    expr: some([SERVICE], requestsCut()),
    spans: (service) => requestsCut([SERVICE, '=', service]),
    summary: '{service_name} cut connections with work left, shutdowns: {count}',
    description:
      'Requests were in flight on connections of {service_name} that were cut at the deadline: {count} shutdowns in the last 15 minutes. Those requests failed.',
    panel: 'Drains',
  },
  {
    name: 'LosslessEntryNotTold',
    severity: 'warning',
    expr: some([SERVICE], entryNotTold()),
    spans: (service) => entryNotTold([SERVICE, '=', service]),
    summary: '{count} instances of {service_name} left before their balancer knew',
    description:
      'A balancer that checks {service_name} had not got as many failing answers as it needs when the instance stopped waiting: {count} times in the last 15 minutes. It may have sent requests to an instance that was gone.',
    panel: 'Drains',
  },
  {
    name: 'LosslessEntryStillSending',
    severity: 'warning',
    expr: some([SERVICE], stillSending()),
    spans: (service) => stillSending([SERVICE, '=', service]),
    summary: 'Callers without the plugin still came when {count} instances of {service_name} stopped listening',
    description:
      'Callers of {service_name} that nobody can tell kept coming until the hold time was over: {count} shutdowns in the last 15 minutes. Their connections were refused from then on; what was connected was served.',
    panel: 'Drains',
  },
  {
    name: 'LosslessKeepAliveRace',
    severity: 'warning',
    expr: idleClosed(),
    spans: (service) => calls('offline.started', [SERVICE, '=', service]),
    summary: '{service_name} closes idle connections of callers without the plugin: {count} in 15 minutes',
    description:
      'Servers of {service_name} close idle connections before the proxy or balancer before them does: {count} in the last 15 minutes. A request that is on its way then is lost, without any shutdown.',
    panel: 'Shutdowns over time',
  },
  {
    name: 'LosslessStatusFileFailed',
    severity: 'critical',
    expr: statusFileFailed(),
    spans: (service) => calls('offline.started', [SERVICE, '=', service]),
    summary: '{count} instances of {service_name} cannot write or remove their status file',
    description:
      'The proxy beside an instance of {service_name} looks at a file that the instance could not write or remove in the last 15 minutes: {count} instances. It may send requests to one that leaves, or none to one that is ready.',
    panel: 'Shutdowns over time',
  },
  {
    name: 'LosslessDeregistrationNotConfirmed',
    severity: 'warning',
    expr: some([SERVICE], notConfirmed()),
    spans: (service) => notConfirmed([SERVICE, '=', service]),
    summary: 'The registry did not confirm that {count} instances of {service_name} left',
    description:
      'The registry refused the deregistration of instances of {service_name}, still listed them afterwards, or could not be read: {count} in the last 15 minutes. Consumers without the plugin may still be sent there.',
    panel: 'Registry answers',
  },
  {
    name: 'LosslessRequestsAfterAck',
    severity: 'critical',
    expr: some([SERVICE], sentAfterAck()),
    spans: (service) => sentAfterAck([SERVICE, '=', service]),
    summary: 'Consumers kept sending to {service_name} after they said they would not',
    description:
      'In {count} shutdowns of {service_name} in the last 15 minutes, requests arrived from consumers that had already acknowledged the GoAway.',
    panel: 'Shutdowns by result',
  },
  {
    name: 'LosslessTelemetrySpooled',
    severity: 'warning',
    expr: spooled(),
    spans: (service) => calls('offline.started', [SERVICE, '=', service]),
    summary: 'Spans of {service_name} wait in {count} files because the collector does not take them',
    description:
      'The spool of {service_name} has not been empty for 15 minutes: {count} files. Shutdown traces are late, and those of instances that are gone wait for the next start or for lossless replay.',
    panel: 'Shutdowns over time',
  },
];

function drainTimedOut(...matches: readonly Match[]): string {
  return calls('drain', [ATTR.drainResult, '=', 'timeout'], [ATTR.holdReason, '!=', 'last_instance'], ...matches);
}

function requestsCut(...matches: readonly Match[]): string {
  return calls('stop', [ATTR.errorType, '=', 'forced'], ...matches);
}

function entryNotTold(...matches: readonly Match[]): string {
  return calls('drain', [ATTR.holdReason, '=', 'entry_not_told'], ...matches);
}

function stillSending(...matches: readonly Match[]): string {
  return calls('entry', [ATTR.entryEndedBy, '=', 'coming'], ...matches);
}

/** Of instances that live, unlike counters of shutdowns: what it grew by is what happened. */
function idleClosed(): string {
  return `sum by (${SERVICE}) (increase(lossless_idle_closed_total[${WINDOW}])) > 0`;
}

/** Also of an instance that has ended since: it failed in its last seconds. */
function statusFileFailed(): string {
  return `sum by (${SERVICE}) (max_over_time(lossless_status_file_failing[${WINDOW}])) > 0`;
}

function lastInstance(...matches: readonly Match[]): string {
  return calls('offline', [ATTR.offlineResult, '=', 'last_instance'], ...matches);
}

function notConfirmed(...matches: readonly Match[]): string {
  return calls('deregister', [ATTR.deregisterResult, '=~', 'unconfirmed|failed'], ...matches);
}

function sentAfterAck(...matches: readonly Match[]): string {
  return calls('offline', [ATTR.afterAck, '=~', '[1-9].*'], ...matches);
}

/** Files that were there all the time, of instances that were there too: a short gap of the collector is no news. */
function spooled(): string {
  const files = 'lossless_spool_files';
  const of = (series: string): string => `max by (${SERVICE}) (${series})`;
  const all = [of(`min_over_time(${files}[${WINDOW}])`), of(files), of(`${files} offset ${WINDOW}`)];
  return `sum by (${SERVICE}) (${all.join(' and ')}) > 0`;
}

/** What happened at all within the window. */
function some(by: readonly string[], counter: string): string {
  return `${counted(by, counter, WINDOW)} > 0`;
}

/** Shutdowns without an end of their own: the more of what is missing, and of the roots that others made for the killed. */
function truncated(): string {
  const [missing, killed] = [endless(), counted([SERVICE], calls('offline', [ATTR.offlineResult, '=', KILLED]), ROLL)];
  return ['(', `  ${missing} >= ${killed}`, `  or ${killed}`, `  or ${missing}`, ') > 0'].join('\n');
}

/**
 * Shutdowns that began, less those that ended, within the hour; those that began in the last minutes may still run. The root of
 * a killed one is not its end: should the real one come after all, it is counted then. A collector that began again has lost
 * beginnings and ends: where the beginnings are counted from 0, the ends are too.
 */
function endless(): string {
  const sum = (series: string): string => `sum by (${SERVICE}) (${series})`;
  const [began, ended] = [calls('offline.started'), calls('offline', [ATTR.offlineResult, '!=', KILLED])];
  const early = sum(past(began, TRUNCATED_AFTER));
  const newlyBegan = `${early} - ${sum(past(began, ROLL))} >= 0`;
  const newlyEnded = `${sum(ended)} - ${sum(past(ended, ROLL))} >= 0 and ${newlyBegan}`;
  return [
    '(',
    `  (${newlyBegan} or ${early})`,
    `  - (${newlyEnded} or ${sum(ended)} or 0 * ${early})`,
    `  and ${sum(began)} >= ${early}`,
    ')',
  ].join('\n');
}
