import { runbookPath, tracesPath } from './alert-links.ts';
import { ALERTS, type Alert } from './alerts.ts';
import { type Dashboards, panelOf } from './all.ts';

/** Grafana fills in variables of the environment in a provisioned file; a `$` of its own is doubled. */
export const GRAFANA_VARIABLES = {
  datasource: '$PROMETHEUS_DATASOURCE_UID',
  jaeger: '$ALERT_JAEGER_URL',
  runbooks: '$ALERT_RUNBOOKS_URL',
} as const;

/** Reach of the query of a rule, in seconds. */
const LOOK_BACK = 1_800;

/** A file for `provisioning/alerting` of Grafana. No shutdown means no data, which is fine. */
export function grafanaRules(dashboards: Dashboards): object {
  return {
    apiVersion: 1,
    groups: [
      {
        orgId: 1,
        name: 'lossless-lifecycle',
        folder: 'Lossless',
        interval: '30s',
        rules: ALERTS.map((alert) => rule(alert, dashboards)),
      },
    ],
  };
}

function rule(alert: Alert, dashboards: Dashboards): object {
  const { uid, id } = panelOf(alert.panel, dashboards);
  const traces = tracesPath(alert, '{{ $$labels.service_name | urlquery }}');
  return {
    uid: alert.name.replace(/\B[A-Z]/g, '-$&').toLowerCase(),
    title: alert.name,
    condition: 'B',
    data: [
      {
        refId: 'A',
        relativeTimeRange: { from: LOOK_BACK, to: 0 },
        datasourceUid: GRAFANA_VARIABLES.datasource,
        model: { refId: 'A', expr: alert.expr, instant: true, range: false },
      },
      {
        refId: 'B',
        relativeTimeRange: { from: LOOK_BACK, to: 0 },
        datasourceUid: '__expr__',
        model: {
          refId: 'B',
          type: 'threshold',
          expression: 'A',
          conditions: [{ evaluator: { type: 'gt', params: [0] } }],
        },
      },
    ],
    for: alert.for ?? '0s',
    noDataState: 'OK',
    execErrState: 'Error',
    labels: { severity: alert.severity },
    annotations: {
      summary: filled(alert.summary),
      description: filled(alert.description),
      runbook_url: `${GRAFANA_VARIABLES.runbooks}${runbookPath(alert)}`,
      ...(traces !== undefined && { traces_url: `${GRAFANA_VARIABLES.jaeger}${traces}` }),
      __dashboardUid__: uid,
      __panelId__: String(id),
    },
  };
}

function filled(text: string): string {
  return text.replace(/\{(\w+)\}/g, (_, name: string) =>
    name === 'count' ? '{{ printf "%.0f" $$values.A.Value }}' : `{{ $$labels.${name} }}`,
  );
}
