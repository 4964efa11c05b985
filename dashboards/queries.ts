import type { Builder, Dataquery } from '@grafana/grafana-foundation-sdk/cog';
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus';
import { ATTR, type OfflineResult, spanName } from '../src/trace/schema.ts';
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

/** A curve over the time of the dashboard. */
export function curve(expr: string, legend: string): DataqueryBuilder {
  return new DataqueryBuilder().datasource(PROMETHEUS).expr(expr).range().legendFormat(legend);
}

/** One value for each series, at the end of the time of the dashboard. */
export function value(expr: string, legend: string): DataqueryBuilder {
  return new DataqueryBuilder().datasource(PROMETHEUS).expr(expr).instant().legendFormat(legend);
}

/** One row for each series, at the end of the time of the dashboard. */
export function rows(expr: string): DataqueryBuilder {
  return new DataqueryBuilder().datasource(PROMETHEUS).expr(expr).instant().format(PromQueryFormat.Table);
}

/** The last shutdowns of `$service`. */
export function lastShutdowns(): Builder<Dataquery> {
  return jaegerQuery({
    refId: 'A',
    queryType: 'search',
    service: '$service',
    operation: spanName('offline'),
    limit: 20,
  });
}

/** The last shutdowns of `$service` that ended with `result`. */
export function lastWithResult(result: OfflineResult): Builder<Dataquery> {
  return jaegerQuery({
    refId: result,
    queryType: 'search',
    service: '$service',
    operation: spanName('offline'),
    tags: `${ATTR.offlineResult}=${result}`,
    limit: 20,
  });
}

/** The trace `$traceId`. */
export function oneTrace(): Builder<Dataquery> {
  return jaegerQuery({ refId: 'A', query: '$traceId' });
}

function jaegerQuery(query: JaegerQuery): Builder<Dataquery> {
  return { build: () => ({ datasource: JAEGER, ...query, _implementsDataqueryVariant: () => {} }) };
}
