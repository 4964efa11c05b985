import { CALLS_DIMENSIONS, labelOf, METRIC_DIMENSIONS } from '../collector/server/dimensions.ts';
import type { WorkName } from '../src/lifecycle/facts.ts';
import { GOAWAY_RESULTS } from '../src/lifecycle/outcomes.ts';
import { ATTR, type AttributeName, spanName } from '../src/trace/model/schema.ts';

/** Counter of spans, by spanmetrics of Jaeger, of an OpenTelemetry Collector, or of the embedded collector. */
const CALLS = 'traces_span_metrics_calls_total';

/** Durations of spans, in milliseconds; a histogram. */
const DURATION = 'traces_span_metrics_duration_milliseconds';

/** Label of the service whose process made the span. */
export const SERVICE = 'service_name';

/** Labels of a service: one name in two namespaces or environments means two services. */
export const IDENTITY = ['deployment_environment_name', 'service_namespace', SERVICE] as const;

/** The scrape job of the span metrics, as in `collector/prometheus/prometheus.yml`. */
export const SPAN_METRICS_JOB = 'job="lossless"';

/** Failed GoAways. The selector names their results, because `!=` would also match spans without such a label. */
export const NOT_TOLD = GOAWAY_RESULTS.filter((result) => !['acked', 'gone', 'cancelled'].includes(result));

type Operator = '=' | '!=' | '=~' | '!~';

/** A condition on a label of spans: an attribute, or the service. */
export type Match = readonly [name: AttributeName | typeof SERVICE, operator: Operator, value: string];

/** Selector of the counter of one kind of span. */
export function calls(work: WorkName, ...matches: readonly Match[]): string {
  return selector(CALLS, work, matches);
}

/** Selector of the counter of all our spans. */
export function every(): string {
  return `${CALLS}{span_name=~"lossless[.].*"}`;
}

/** Selector of one series family of the durations of some kinds of span. */
export function durations(
  part: 'sum' | 'count' | 'bucket',
  works: readonly WorkName[],
  ...matches: readonly Match[]
): string {
  return selector(`${DURATION}_${part}`, works, matches);
}

/** Look back of queries: a failed scrape interrupts a series, and without the look back old values would seem new. */
const LOOK_BACK = '5m';

/** Whether Prometheus read span metrics some time ago. Only then does a missing earlier value mean a new one. */
export function watched(ago: string): string {
  return `on () (max(max_over_time(up{${SPAN_METRICS_JOB}}[${LOOK_BACK}] offset ${ago})) == 1)`;
}

/** The value of a counter some time ago. */
export function past(counter: string, ago: string): string {
  return `last_over_time(${counter}[${LOOK_BACK}] offset ${ago})`;
}

/**
 * What a counter counted over `range`, exactly. An instance leaves once, so most counters come as 1 and stay, and
 * `increase()` sees neither that first value nor whole numbers: it is used only where the collector began again.
 */
export function counted(by: readonly string[], counter: string, range: string): string {
  return summed(by, counter, range, counter);
}

/** The same for alerts: a Prometheus that is new, or was down, does not count values that it sees for the first time. */
export function news(by: readonly string[], counter: string, range: string): string {
  const seen = `${counter} - min_over_time(${counter}[${range}])`;
  return summed(by, counter, range, `${counter} and ${watched(range)} or ${seen}`);
}

/** @param unseen expression for a series without an earlier value */
function summed(by: readonly string[], counter: string, range: string, unseen: string): string {
  const exact = `${counter} - ${past(counter, range)} >= 0 or ${unseen}`;
  const sum = by.length === 0 ? 'sum' : `sum by (${by.join(', ')})`;
  return `${sum} ((${exact}) unless resets(${counter}[${range}]) > 0 or increase(${counter}[${range}]))`;
}

/** Label of a dimension of the span metrics. */
export function label(attribute: AttributeName): string {
  if (![...METRIC_DIMENSIONS, ...CALLS_DIMENSIONS].includes(attribute))
    throw new Error(`${attribute} is no dimension of the span metrics`);
  return labelOf(attribute);
}

/** Number of failed GoAways. */
export function untold(...matches: readonly Match[]): string {
  return calls('goaway', [ATTR.goawayResult, '=~', NOT_TOLD.join('|')], ...matches);
}

function selector(metric: string, work: WorkName | readonly WorkName[], matches: readonly Match[]): string {
  const name =
    typeof work === 'string'
      ? `span_name="${spanName(work)}"`
      : `span_name=~"${work.map((each) => spanName(each).replace('.', '[.]')).join('|')}"`;
  const others = matches.map(([key, operator, value]) => `${key === SERVICE ? key : label(key)}${operator}"${value}"`);
  return `${metric}{${[name, ...others].join(', ')}}`;
}
