import { labelOf } from '../collector/server/dimensions.ts';
import { METRICS, type MetricName } from '../src/metrics/table.ts';
import { OFFLINE_METRICS, type OfflineMetricName, prometheusName } from '../src/trace/model/offline-metrics.ts';
import { SERVICE } from './span-metrics.ts';

/** Label of the scraped process. */
export const INSTANCE = 'instance';

type Matches = Readonly<Record<string, string>>;

/** Selector of a metric that instances show themselves, of the chosen services. */
export function own(metric: MetricName, matches: Matches = {}): string {
  const known: readonly string[] = [SERVICE, INSTANCE, ...METRICS[metric].labels];
  for (const label of Object.keys(matches)) if (!known.includes(label)) throw new Error(`${metric} has no ${label}`);
  return selected(metric, { [SERVICE]: '$service', ...matches });
}

/** The same, of the chosen instances. */
export function chosen(metric: MetricName, matches: Matches = {}): string {
  return own(metric, { [INSTANCE]: '$instance', ...matches });
}

/** Selector of a metric that instances of the chosen services send at the end of their offline. */
export function left(metric: OfflineMetricName, matches: Matches = {}): string {
  const known: readonly string[] = OFFLINE_METRICS[metric].attributes.map(labelOf);
  for (const label of Object.keys(matches)) if (!known.includes(label)) throw new Error(`${metric} has no ${label}`);
  return selected(prometheusName(metric), { [SERVICE]: '$service', ...matches });
}

/** Requests a second. */
export function requestRate(by: readonly string[], requests: string = own('lossless_requests_total')): string {
  return `sum by (${by.join(', ')}) (rate(${requests}[$__rate_interval]))`;
}

/** Number of events in the time range of the dashboard: an estimate, because counters end with their process. */
export function happened(by: readonly string[], counter: string): string {
  return `round(sum by (${by.join(', ')}) (increase(${counter}[$__range])))`;
}

function selected(metric: string, matches: Matches): string {
  return `${metric}{${Object.entries(matches)
    .map(([label, value]) => `${label}=~"${value}"`)
    .join(', ')}}`;
}
