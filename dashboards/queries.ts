import type { Builder, Dataquery } from '@grafana/grafana-foundation-sdk/cog';
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus';
import type { WorkName } from '../src/lifecycle/facts.ts';
import { type AttributeName, spanName } from '../src/trace/model/schema.ts';
import { JAEGER, PROMETHEUS } from './datasources.ts';

/** A query of the Jaeger data source; the SDK has no builder of its own. No variable may stand in `tags`: Grafana breaks them. */
export interface JaegerQuery {
  readonly refId: string;
  readonly queryType?: 'search';
  readonly service?: string;
  readonly operation?: string;
  /** As logfmt. */
  readonly tags?: string;
  readonly limit?: number;
  /** Id of one trace. */
  readonly query?: string;
}

/** A curve over the time range of the dashboard. */
export function curve(expr: string, legend: string): DataqueryBuilder {
  return new DataqueryBuilder().datasource(PROMETHEUS).expr(expr).range().legendFormat(legend);
}

/** One value for each series, at the end of the time range of the dashboard. */
export function value(expr: string, legend: string): DataqueryBuilder {
  return new DataqueryBuilder().datasource(PROMETHEUS).expr(expr).instant().legendFormat(legend);
}

/** One row for each series, at the end of the time range of the dashboard. */
export function rows(expr: string): DataqueryBuilder {
  return new DataqueryBuilder().datasource(PROMETHEUS).expr(expr).instant().format(PromQueryFormat.Table);
}

/** The last traces of `$service` with a span of this kind. */
export function last(work: WorkName): JaegerQuery {
  return { refId: 'A', queryType: 'search', service: '$service', operation: spanName(work), limit: 20 };
}

/** The last traces of `$service` with a span of this kind and these tags. */
export function lastWith(work: WorkName, attribute: AttributeName, result: string): JaegerQuery {
  return { ...last(work), refId: result, tags: `${attribute}=${result}` };
}

/** The trace `$traceId`. */
export const ONE_TRACE: JaegerQuery = { refId: 'A', query: '$traceId' };

export function jaegerQuery(query: JaegerQuery): Builder<Dataquery> {
  return { build: () => ({ datasource: JAEGER, ...query, _implementsDataqueryVariant: () => {} }) };
}
