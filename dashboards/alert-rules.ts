import { TWELFTH_MS } from '../src/lifecycle/deadline.ts';
import { KILLED } from '../src/lifecycle/outcomes.ts';
import type { MetricName } from '../src/metrics/table.ts';
import { ATTR } from '../src/trace/model/schema.ts';
import { INSTANCE } from './instance-metrics.ts';
import { calls, IDENTITY, label, news, past, SPAN_METRICS_JOB, watched } from './span-metrics.ts';

/** How long an alert about an event lasts. */
const WINDOW = '15m';

/** A twelfth of the hour, in seconds. */
const TWELFTH = TWELFTH_MS / 1_000;

/** How long after the deadline of a shutdown its last spans may come, in seconds. */
const LATE = 120;

/** Holds a shutdown from its begin, also with a long grace period, until it has been told about; less than the hour after which a twelfth comes again. */
const SHUTDOWN = '50m';

/** An instance without a successful scrape for this long is gone. */
const GONE_AFTER = '10m';

/** The window in which a rule compares vanished instances with shutdowns: a rolling update takes less. */
const ROLL = '1h';

/** Number of events within the window. */
export function some(counter: string, ...by: readonly string[]): string {
  return `${news([...IDENTITY, ...by], counter, WINDOW)} > 0`;
}

/** Growth of a counter of living instances. */
export function grew(counter: MetricName): string {
  return `${ofService('sum')} (increase(${counter}[${WINDOW}])) > 0`;
}

/** Instances for which the condition held at any time of the window, also ended ones. */
export function was(gauge: MetricName): string {
  return `${ofService('sum')} (max_over_time(${gauge}[${WINDOW}])) > 0`;
}

/** Files that were there all the time, of instances that were there too: a short gap of the collector is no news. */
export function spooled(): string {
  const files = 'lossless_spool_files' satisfies MetricName;
  const of = (series: string): string => `${ofService('max')} (${series})`;
  const all = [of(`min_over_time(${files}[${WINDOW}])`), of(files), of(`${files} offset ${WINDOW}`)];
  return `${ofService('sum')} (${all.join(' and ')}) > 0`;
}

/** Shutdowns without an end of their own: the more of what is missing, and of the roots that others made for the killed. */
export function truncated(): string {
  const [missing, killed] = [
    missingEnds(),
    news(IDENTITY, calls('offline', [ATTR.offlineResult, '=', KILLED]), WINDOW),
  ];
  return ['(', `  ${missing} >= ${killed}`, `  or ${killed}`, `  or ${missing}`, ') > 0'].join('\n');
}

/**
 * Shutdowns without an end whose deadline lies in one of the last three twelfths of the hour that are over. Each is compared with
 * its own: those that began since hide none of them, and how long a shutdown may take is in its mark. The root that others made for a killed
 * one is not its end.
 */
function missingEnds(): string {
  const by = `sum by (${[...IDENTITY, label(ATTR.due)].join(', ')})`;
  const [began, ended] = [calls('offline.started'), calls('offline', [ATTR.offlineResult, '!=', KILLED])];
  const open = (at: (counter: string) => string): string =>
    `(${by} (${at(began)}) - (${by} (${at(ended)}) or 0 * ${by} (${at(began)})))`;
  const now = open((counter) => counter);
  const before = open((counter) => past(counter, SHUTDOWN));
  return [
    `sum by (${IDENTITY.join(', ')}) ((`,
    `    (${now} - clamp_min(${before}, 0) or ${now} and ${watched(SHUTDOWN)}) > 0`,
    `  ) and on (${label(ATTR.due)}) (${twelfthsThatAreOver()}))`,
  ].join('\n');
}

/** One series for each twelfth of the hour, with its number in the label. */
function twelfthsThatAreOver(): string {
  return [1, 2, 3]
    .map((back) => LATE + back * TWELFTH)
    .map((seconds) => `count_values("${label(ATTR.due)}", floor(vector(time() - ${seconds}) / ${TWELFTH}) % 12)`)
    .join(' or ');
}

/**
 * Instances that were scraped within the hour and are no more, less the shutdowns that began meanwhile: nobody saw how these
 * left. A shutdown begins up to a grace period before the instance vanishes; both are counted at the same time, so that what
 * leaves now hides nothing.
 */
export function unseen(): string {
  const info = 'lossless_info' satisfies MetricName;
  const by = IDENTITY.join(', ');
  const vanished = `count by (${by}) (last_over_time(${info}[${ROLL}] offset ${GONE_AFTER}) unless on (${by}, ${INSTANCE}) last_over_time(${info}[${GONE_AFTER}]))`;
  const began = calls('offline.started');
  const [latest, earliest] = [past(began, '9m'), past(began, '75m')];
  const seen = `sum by (${by}) (${latest} - ${earliest} >= 0 or ${latest})`;
  return `${vanished} - (${seen} or 0 * ${vanished}) > 0`;
}

/** Collectors whose span metrics Prometheus cannot read; 1 when Prometheus knows no collector. */
export function spanMetricsDown(): string {
  return `1 - max by (${INSTANCE}) (up{${SPAN_METRICS_JOB}}) > 0 or absent(up{${SPAN_METRICS_JOB}})`;
}

function ofService(aggregate: 'sum' | 'max'): string {
  return `${aggregate} by (${IDENTITY.join(', ')})`;
}
