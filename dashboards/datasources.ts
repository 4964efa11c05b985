import type { DataSourceRef } from '@grafana/grafana-foundation-sdk/common';
import { DatasourceVariableBuilder } from '@grafana/grafana-foundation-sdk/dashboard';

/** The data source of numbers; the reader chooses it on the dashboard. */
export const PROMETHEUS: DataSourceRef = { type: 'prometheus', uid: '$prometheus_datasource' };

/** The data source of traces; the reader chooses it on the dashboard. */
export const JAEGER: DataSourceRef = { type: 'jaeger', uid: '$jaeger_datasource' };

export function prometheusVariable(): DatasourceVariableBuilder {
  return new DatasourceVariableBuilder('prometheus_datasource').label('Prometheus data source').type('prometheus');
}

export function jaegerVariable(): DatasourceVariableBuilder {
  return new DatasourceVariableBuilder('jaeger_datasource').label('Jaeger data source').type('jaeger');
}
