import type { DataSourceRef } from '@grafana/grafana-foundation-sdk/common';
import { DatasourceVariableBuilder } from '@grafana/grafana-foundation-sdk/dashboard';

/** Where numbers come from; chosen on the dashboard. */
export const PROMETHEUS: DataSourceRef = { type: 'prometheus', uid: '$prometheus_datasource' };

/** Where traces come from; chosen on the dashboard. */
export const JAEGER: DataSourceRef = { type: 'jaeger', uid: '$jaeger_datasource' };

export function prometheusVariable(): DatasourceVariableBuilder {
  return new DatasourceVariableBuilder('prometheus_datasource').label('Prometheus data source').type('prometheus');
}

export function jaegerVariable(): DatasourceVariableBuilder {
  return new DatasourceVariableBuilder('jaeger_datasource').label('Jaeger data source').type('jaeger');
}
