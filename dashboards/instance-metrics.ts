import { METRICS, type MetricName } from '../src/metrics/table.ts';
import { SERVICE } from './span-metrics.ts';

/** Label of the process that was scraped. */
export const INSTANCE = 'instance';

type Matches = Readonly<Record<string, string>>;

/** Selector of a metric that instances show themselves, of the chosen services. */
export function own(metric: MetricName, matches: Matches = {}): string {
  const known: readonly string[] = [SERVICE, INSTANCE, ...METRICS[metric].labels];
  for (const label of Object.keys(matches)) if (!known.includes(label)) throw new Error(`${metric} has no ${label}`);
  return `${metric}{${Object.entries({ [SERVICE]: '$service', ...matches })
    .map(([label, value]) => `${label}=~"${value}"`)
    .join(', ')}}`;
}

/** The same, of the chosen instances. */
export function chosen(metric: MetricName, matches: Matches = {}): string {
  return own(metric, { [INSTANCE]: '$instance', ...matches });
}

/** Requests a second. */
export function requestRate(by: readonly string[], requests: string = own('lossless_requests_total')): string {
  return `sum by (${by.join(', ')}) (rate(${requests}[$__rate_interval]))`;
}

/** How often something happened in the time of the dashboard. Counters end with their process, so it is an estimate. */
export function happened(by: readonly string[], counter: string): string {
  return `round(sum by (${by.join(', ')}) (increase(${counter}[$__range])))`;
}
