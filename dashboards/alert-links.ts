import { spanName } from '../src/trace/model/schema.ts';
import type { Alert } from './alerts.ts';

/** Servers to which links of alerts lead: their addresses, without a slash at the end. */
export type Place = 'grafana' | 'jaeger' | 'runbooks';

/** The external label of Prometheus with the address of a place. */
export function addressLabel(place: Place): string {
  return `lossless_${place}_url`;
}

/** Where the page of an alert is in the repository. */
export function runbookFile({ name }: Alert): string {
  return `docs/runbooks/${name}.md`;
}

/** The page of an alert. */
export function runbookPath({ name }: Alert): string {
  return `/${name}.md`;
}

/** Finds the traces behind an alert of `service`, on the page of Jaeger; of two days, for who reads it the morning after. */
export function tracesPath({ search }: Alert, service: string): string | undefined {
  if (search === undefined) return undefined;
  const tags = search.tags === undefined ? '' : `&tags=${encodeURIComponent(JSON.stringify(search.tags))}`;
  return `/search?service=${service}&operation=${spanName(search.work)}${tags}&lookback=2d&limit=20`;
}
